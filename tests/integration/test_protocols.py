"""Two replicas of the service under each of Kafka's group protocols: one joins, one leaves, nothing is lost or moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from consumer.sandbox.runner import ThreadedSandbox
from tests.crash.scene import Stream, account, metric
from tests.integration.harness import RunningService, settings, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kafka.client import Broker

PARTITIONS = 6
CLASSIC = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
PROTOCOLS: dict[str, dict[str, Any]] = {
    "cooperative": CLASSIC,
    "eager": {**CLASSIC, "partition.assignment.strategy": "range"},
    "KIP-848": {"group.protocol": "consumer"},
}
STATIC = {name: PROTOCOLS[name] for name in ("cooperative", "eager", "KIP-848")}

pytestmark = [pytest.mark.real_kafka, pytest.mark.slow]


class Group:
    """A topic with a stream that goes on, and replicas by name."""

    def __init__(self, broker: Broker, sandbox: ThreadedSandbox, folder: Path, properties: dict[str, Any]) -> None:
        self.broker, self.sandbox, self._folder = broker, sandbox, folder
        self._properties = properties
        self.topic, self.dead_letters = broker.unique("events"), broker.unique("dead-letters")
        broker.create_topic(self.topic, PARTITIONS)
        broker.create_topic(self.dead_letters, 1)
        (folder / "url").write_text(sandbox.url)
        self._settings = settings(broker, self.topic, self.dead_letters, folder / "url")
        self.stream = Stream(broker, self.topic, per_second=150)
        self.stream.start()

    def replica(self, name: str, **properties: str) -> RunningService:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        kafka = {**self._settings["kafka"], "properties": {**self._properties, **properties}}
        return RunningService({**self._settings, "kafka": kafka}, folder)

    def flows(self) -> None:
        """Another hundred is delivered."""
        before = self.sandbox.stats()["delivered"]
        wait_for(lambda: self.sandbox.stats()["delivered"] >= before + 100, "delivery goes on")

    def end(self) -> None:
        """Everything written has ended as it should, and once."""
        self.stream.finish()
        group = self._settings["kafka"]["group_id"]
        wait_for(lambda: self.broker.lag(group, self.topic) == 0, "everything is committed")
        figures, failed = account(self.stream, self.sandbox, self.broker, self.dead_letters)
        assert failed == []
        assert (figures["sent_twice"], figures["dead_lettered_twice"]) == (0, 0)


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(rate_per_second=None, max_parallel=None) as running:
        running.set_faults({"latency_seconds": [0.0, 0.05]})
        yield running


def assigned(*replicas: RunningService) -> list[int]:
    return [int(metric(replica.metrics(), "assigned_partitions")) for replica in replicas]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_replica_joins_and_another_leaves(real_kafka, sandbox, tmp_path, protocol):
    group = Group(real_kafka, sandbox, tmp_path, PROTOCOLS[protocol])
    with group.replica("one") as one, group.replica("two") as two:
        wait_for(lambda: assigned(one, two) == [3, 3], "they share the partitions")
        group.flows()
        assert one.get("/readyz")[0] == two.get("/readyz")[0] == 200
        assert one.stop() == 0
        wait_for(lambda: assigned(two) == [PARTITIONS], "the other takes over")
        group.flows()
        with group.replica("three") as three:
            wait_for(lambda: assigned(two, three) == [3, 3], "they share the partitions again")
            group.flows()
            group.end()
            assert (two.stop(), three.stop()) == (0, 0)


@pytest.mark.parametrize("protocol", STATIC)
def test_a_static_member_that_restarts_gets_its_partitions_back_and_nobody_else_notices(
    real_kafka, sandbox, tmp_path, protocol
):
    group = Group(real_kafka, sandbox, tmp_path, STATIC[protocol])
    with group.replica("two", **{"group.instance.id": "two"}) as two:
        with group.replica("one", **{"group.instance.id": "one"}) as one:
            wait_for(lambda: assigned(one, two) == [3, 3], "they share the partitions")
            group.flows()
            rebalances = metric(two.metrics(), "rebalances_total")
            mine = partitions(one)
            assert one.stop() == 0
        with group.replica("one", **{"group.instance.id": "one"}) as one:
            wait_for(lambda: assigned(one, two) == [3, 3], "it is back")
            assert partitions(one) == mine
            group.flows()
            assert metric(two.metrics(), "rebalances_total") == rebalances
            group.end()
            assert (one.stop(), two.stop()) == (0, 0)


def partitions(replica: RunningService) -> set[str]:
    """The partitions that it has."""
    name = "chartmogul_consumer_partition_position_offset{"
    return {sample for sample in replica.metrics() if sample.startswith(name)}
