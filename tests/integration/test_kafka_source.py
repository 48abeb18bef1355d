"""The Kafka thread on a broker: what is read, committed, paused and given up. Runs on both brokers."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from consumer.delivery.messages import Partition, Position
from consumer.delivery.offset_map import start_metadata, start_of
from consumer.errors import ConfigurationError
from consumer.kafka import loop
from consumer.kafka.embedded import EmbeddedBroker
from consumer.kafka.events import (
    CommitDone,
    Joined,
    OutOfRange,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsReleased,
    PartitionsRevoking,
    SourceError,
)
from tests.integration.kafka_driver import Driver
from tests.kafka.broker import QUIET
from tests.kafka.client import Broker, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROTOCOLS = {
    "cooperative": {},
    "eager": {"partition.assignment.strategy": "range"},
    "KIP-848": {"group.protocol": "consumer"},
}


@pytest.fixture
def topic(broker: Broker) -> str:
    name = broker.unique("events")
    broker.create_topic(name, 4)
    return name


@pytest.fixture
def group(broker: Broker) -> str:
    return broker.unique("group")


def fill(broker: Broker, topic: str, count: int, size: int = 10) -> None:
    """Records in turn over four partitions."""
    broker.produce(topic, (Record(f"{n:08}".encode().ljust(size, b"."), partition=n % 4) for n in range(count)))


def commit(broker: Broker, group: str, offsets: Mapping[Partition, Position]) -> None:
    """As another client, before ours is there."""
    client = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": group, **QUIET})
    client.commit(
        offsets=[TopicPartition(p.topic, p.number, at.offset, metadata=at.metadata) for p, at in offsets.items()],
        asynchronous=False,
    )
    client.close()


def all_of(topic: str, offsets: range) -> dict[Partition, list[int]]:
    return {Partition(topic, number): list(offsets) for number in range(4)}


# ---- reading and committing


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_reads_everything_commits_with_metadata_and_goes_on_from_there(broker, topic, group, protocol):
    fill(broker, topic, 400)
    with Driver(broker, (topic,), group=group, properties=PROTOCOLS[protocol]) as first:
        assigned = first.wait_for(PartitionsAssigned)
        assert dict.fromkeys(all_of(topic, range(0)), Position(0, "")) == assigned.positions
        assert assigned.counts == {topic: len(assigned.positions)}
        first.wait(lambda: first.count() == 400)
        assert all_of(topic, range(100)) == first.records
        asked = {Partition(topic, 0): Position(60, "sixty"), Partition(topic, 1): Position(61)}
        first.commit(asked)
        assert CommitDone(asked, None) == first.wait_for(CommitDone)
        assert broker.committed(group, topic) == {0: 60, 1: 61, 2: 0, 3: 0}
        assert broker.committed_metadata(group, topic)[0] == "sixty"
        first.positions[Partition(topic, 0)] = Position(70, "seventy")
        first.stop()
        released = [event for event in first.events if isinstance(event, PartitionsReleased)]
        assert [event.committed for event in released] == [True]
    assert broker.committed(group, topic) == {0: 70, 1: 100, 2: 100, 3: 100}
    with Driver(broker, (topic,), group=group, properties=PROTOCOLS[protocol]) as second:
        assigned = second.wait_for(PartitionsAssigned)
        assert Position(70, "seventy") == assigned.positions[Partition(topic, 0)]
        second.wait(lambda: second.count() == 30)
        assert {Partition(topic, 0): list(range(70, 100))} == second.records


def test_where_it_starts_is_committed_before_anything_is_read(broker, topic, group):
    with Driver(broker, (topic,), group=group) as driver:
        driver.wait_for(PartitionsAssigned)
        assert broker.committed(group, topic) == {0: 0, 1: 0, 2: 0, 3: 0}


def test_the_end_of_each_partition_is_known_for_the_lag(broker, topic, group):
    fill(broker, topic, 40)
    with Driver(broker, (topic,), group=group) as driver:
        driver.wait(lambda: len(driver.source.ends()) == 4)
        assert dict.fromkeys(all_of(topic, range(0)), 10) == driver.source.ends()


def test_topics_by_pattern(broker, topic, group):
    fill(broker, topic, 4)
    other = f"{topic}-other"
    broker.create_topic(other, 2)
    broker.produce(other, [Record(b"x", partition=1)])
    with Driver(broker, (f"^{topic}-ot.*r$",), group=group) as driver:
        assigned = driver.wait_for(PartitionsAssigned)
        assert {Partition(other, 0), Partition(other, 1)} == assigned.positions.keys()
        assert assigned.counts == {other: 2}
        driver.wait(lambda: driver.count() == 1)


def test_a_missing_topic_is_told_waited_for_and_read_once_it_is_there(broker, group):
    topic = broker.unique("later")
    with Driver(broker, (topic,), group=group) as driver:
        told = driver.wait_for(SourceError)
        assert told.code == "UNKNOWN_TOPIC_OR_PART"
        assert topic in told.message
        assert not told.fatal
        broker.create_topic(topic, 4)
        fill(broker, topic, 8)
        driver.wait(lambda: driver.count() == 8)


def test_an_unknown_property_is_refused_before_anything_starts(broker):
    with pytest.raises(ConfigurationError, match=r"kafka.properties: .*no.such"):
        Driver(broker, ("events",), group="group", properties={"no.such": "s3cr3t"})


# ---- backpressure


def test_what_is_not_taken_stops_the_flow_and_nothing_is_lost_or_doubled(broker, topic, group):
    fill(broker, topic, 4000, size=1000)
    settings: dict[str, Any] = {"buffer_bytes": 2**20}
    with Driver(broker, (topic,), group=group, take=False, **settings) as driver:
        driver.wait(lambda: driver.source._loop._assignment.paused)
        bound = settings["buffer_bytes"] // 8
        one_batch = loop.BATCH * (1000 + loop.RECORD_BYTES)
        # What librdkafka has on its way when it is told to pause may add a batch of each partition.
        assert bound < sum(driver.not_taken) <= bound + 4 * one_batch
        driver.take_all()
        driver.wait(lambda: driver.count() == 4000)
        assert all_of(topic, range(1000)) == driver.records


def test_a_paused_partition_stands_still_while_others_go_on(broker, topic, group):
    fill(broker, topic, 40)
    with Driver(broker, (topic,), group=group) as driver:
        driver.wait(lambda: driver.count() == 40)
        stuck = Partition(topic, 2)
        driver.source.set_paused(frozenset({stuck}))
        driver.wait(lambda: driver.source._loop._assignment.paused == {stuck})
        fill(broker, topic, 400)
        driver.wait(lambda: driver.count() == 40 + 300)
        assert list(range(10)) == driver.records[stuck]
        driver.source.set_paused(frozenset())
        driver.wait(lambda: driver.count() == 440)
        assert all_of(topic, range(110)) == driver.records


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_was_paused_comes_at_once_when_it_is_resumed(broker, topic, group, protocol):
    """Librdkafka would leave it until its broker's thread wakes up by itself: up to a second."""
    fill(broker, topic, 40)
    everything = frozenset(all_of(topic, range(0)))
    with Driver(broker, (topic,), group=group, properties=PROTOCOLS[protocol]) as driver:
        assignment = driver.source._loop._assignment

        def came(count: int) -> Callable[[], bool]:
            return lambda: driver.count() >= count

        driver.wait(came(40))
        waited = []
        for turn in range(1, 4):
            driver.source.set_paused(everything)
            driver.wait(lambda: assignment.paused == everything)
            fill(broker, topic, 40)
            time.sleep(0.2 * turn)
            driver.source.set_paused(frozenset())
            resumed = time.monotonic()
            driver.wait(came(40 * turn + 1))
            waited.append(time.monotonic() - resumed)
            driver.wait(came(40 * turn + 40))
        assert all_of(topic, range(40)) == driver.records
        assert sorted(waited)[1] < 0.3


def test_pausing_again_and_again_loses_and_doubles_nothing(broker, topic, group):
    fill(broker, topic, 4000, size=400)
    partitions = [Partition(topic, number) for number in range(4)]
    with Driver(broker, (topic,), group=group, buffer_bytes=2**20) as driver:
        turn = 0
        while driver.count() < 4000:
            driver.source.set_paused(frozenset(partitions[turn % 4 :] if turn % 2 else partitions[: turn % 4]))
            driver.step(0.01)
            turn += 1
        assert all_of(topic, range(1000)) == driver.records


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_partition_paused_before_its_first_record_is_read_from_its_start_later(real_kafka, protocol):
    topic, group = real_kafka.unique("events"), real_kafka.unique("group")
    real_kafka.create_topic(topic, 4)
    everything = frozenset(all_of(topic, range(0)))
    with Driver(real_kafka, (topic,), group=group, properties=PROTOCOLS[protocol]) as driver:
        assignment = driver.source._loop._assignment
        driver.wait_for(PartitionsAssigned)
        if assignment._cooperative:
            for _ in range(3):
                driver.source.set_paused(everything)
                driver.wait(lambda: assignment.paused == everything)
                driver.source.set_paused(frozenset())
                driver.wait(lambda: not assignment.paused)
        driver.source.set_paused(everything)
        fill(real_kafka, topic, 40)
        driver.wait(lambda: assignment.paused == everything)
        driver.source.set_paused(frozenset())
        driver.wait(lambda: driver.count() == 40)
        assert all_of(topic, range(10)) == driver.records


def test_a_partition_paused_when_it_was_given_up_is_read_when_it_comes_back(broker, topic, group):
    fill(broker, topic, 40)
    everything = frozenset(all_of(topic, range(0)))
    with Driver(broker, (topic,), group=group) as driver:
        driver.wait(lambda: driver.count() == 40)
        driver.source.set_paused(everything)
        driver.wait(lambda: driver.source._loop._assignment.paused == everything)
        with Driver(broker, (topic,), group=group) as other:
            other.wait(lambda: _turn(driver) and len(other.positions) == 2)
            given = frozenset(other.positions)
        driver.source.set_paused(frozenset())
        driver.wait(lambda: given <= driver.positions.keys())
        fill(broker, topic, 40)
        driver.wait(lambda: driver.count() == 80)


def _turn(driver: Driver) -> bool:
    driver.step(0.01)
    return True


# ---- rebalances


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_second_replica_takes_over_where_the_first_let_go(real_kafka, protocol):
    """On the real broker only: the embedded one refuses eager commits while it rebalances."""
    topic, group = real_kafka.unique("events"), real_kafka.unique("group")
    real_kafka.create_topic(topic, 4)
    fill(real_kafka, topic, 400)
    properties = PROTOCOLS[protocol]
    with (
        Driver(real_kafka, (topic,), group=group, properties=properties) as first,
    ):
        first.wait(lambda: first.count() == 400)
        old = first.epoch
        for partition in first.positions:
            first.positions[partition] = Position(50 + partition.number, f"map-{partition.number}")
        with Driver(real_kafka, (topic,), group=group, properties=properties) as second:
            second.wait(lambda: _turn(first) and len(second.positions) == 2 and len(first.positions) == 2)
            taken = sorted(second.positions)
            second.wait(lambda: all(second.records.get(p) == list(range(50 + p.number, 100)) for p in taken))
            metadata = next(e.positions for e in second.events if isinstance(e, PartitionsAssigned))
            assert {p: f"map-{p.number}" for p in taken} == {p: at.metadata for p, at in metadata.items()}
            # The fence: what the first says of partitions it has given up is not committed any more.
            before = real_kafka.committed(group, topic)
            first.commit(dict.fromkeys(taken, Position(1, "zombie")), epoch=old)
            assert CommitDone({}, None) == first.wait_for(CommitDone)
            assert before == real_kafka.committed(group, topic)
        first.wait(lambda: len(first.positions) == 4)


def test_a_replica_without_partitions_has_joined(broker, group):
    topic = broker.unique("narrow")
    broker.create_topic(topic, 1)
    properties = PROTOCOLS["KIP-848"]
    with Driver(broker, (topic,), group=group, properties=properties) as first:
        first.wait_for(PartitionsAssigned)
        with Driver(broker, (topic,), group=group, properties=properties) as second:
            second.wait(lambda: _turn(first) and any(isinstance(event, Joined) for event in second.events))
            assert len(first.positions) + len(second.positions) == 1


def test_a_commit_of_an_earlier_epoch_is_left_out(broker, topic, group):
    with Driver(broker, (topic,), group=group) as driver:
        driver.wait_for(PartitionsAssigned)
        driver.commit({Partition(topic, 0): Position(7)}, epoch=driver.epoch - 1)
        assert CommitDone({}, None) == driver.wait_for(CommitDone)
        assert broker.committed(group, topic)[0] == 0


def test_without_a_reply_nothing_more_is_committed(broker, topic, group):
    fill(broker, topic, 40)
    with Driver(broker, (topic,), group=group, reply=False, drain_timeout_seconds=0.1) as driver:
        driver.wait(lambda: driver.count() == 40)
        driver.source.stop()
        revoking = driver.wait_for(PartitionsRevoking)
        driver.wait_for(PartitionsReleased, lambda event: not event.committed)
        revoking.reply.set({Partition(topic, 0): Position(9)})
        driver.wait_for(SourceError, lambda event: event.code == "RELEASE")
    assert broker.committed(group, topic) == {0: 0, 1: 0, 2: 0, 3: 0}


def test_commits_asked_for_while_it_waits_for_the_reply_are_answered(broker, topic, group):
    with Driver(broker, (topic,), group=group, reply=False) as driver:
        driver.wait_for(PartitionsAssigned)
        driver.source.stop()
        revoking = driver.wait_for(PartitionsRevoking)
        asked = {Partition(topic, 1): Position(3, "m")}
        driver.commit(asked)
        assert CommitDone(asked, None) == driver.wait_for(CommitDone)
        revoking.reply.set({Partition(topic, 1): Position(4, "n")})
        driver.wait_for(PartitionsReleased, lambda event: event.committed)
    assert broker.committed(group, topic)[1] == 4


# ---- starting points


def test_latest_reads_only_what_comes_and_remembers_since_when(broker, topic, group):
    fill(broker, topic, 40)
    before = time.time_ns() // 1_000_000
    with Driver(broker, (topic,), group=group, start_from="latest") as driver:
        driver.wait_for(PartitionsAssigned)
        metadata = broker.committed_metadata(group, topic)
        times = {start_of(text) for text in metadata.values()}
        assert len(times) == 1
        assert before <= (times.pop() or 0) <= time.time_ns() // 1_000_000
        fill(broker, topic, 8)
        driver.wait(lambda: driver.count() == 8)
        assert all_of(topic, range(10, 12)) == driver.records


def test_latest_reads_partitions_found_later_from_the_groups_start(real_kafka):
    topic, group = real_kafka.unique("events"), real_kafka.unique("group")
    real_kafka.create_topic(topic, 1)
    with Driver(real_kafka, (topic,), group=group, start_from="latest") as first:
        first.wait_for(PartitionsAssigned)
    admin = AdminClient({"bootstrap.servers": real_kafka.bootstrap_servers, **QUIET})
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
    real_kafka.produce(topic, [Record(b"new", partition=1)] * 5)
    with Driver(real_kafka, (topic,), group=group, start_from="latest") as second:
        second.wait(lambda: second.count() == 5)
        assert {Partition(topic, 1): [0, 1, 2, 3, 4]} == second.records


def test_latest_leaves_no_gap_to_what_another_replica_resolved(real_kafka):
    topic, group = real_kafka.unique("events"), real_kafka.unique("group")
    real_kafka.create_topic(topic, 2)
    old = [Record(b"old", partition=n, timestamp_ms=1_000_000) for n in (0, 1)]
    since = time.time_ns() // 1_000_000
    new = [Record(b"new", partition=n, timestamp_ms=since + 5) for n in (0, 1)]
    real_kafka.produce(topic, old + new)
    # Another replica has resolved partition 0 between the old and the new records, and died before it got to 1.
    commit(real_kafka, group, {Partition(topic, 0): Position(1, start_metadata(since))})
    with Driver(real_kafka, (topic,), group=group, start_from="latest") as driver:
        driver.wait(lambda: driver.count() == 2)
        assert {Partition(topic, 0): [1], Partition(topic, 1): [1]} == driver.records


def test_a_time_is_where_it_starts(real_kafka):
    topic, group = real_kafka.unique("events"), real_kafka.unique("group")
    real_kafka.create_topic(topic, 2)
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    milliseconds = int(moment.timestamp() * 1000)
    times = (milliseconds - 1, milliseconds, milliseconds + 1)
    real_kafka.produce(topic, [Record(b"x", partition=0, timestamp_ms=at) for at in times])
    with Driver(real_kafka, (topic,), group=group, start_from=moment) as driver:
        driver.wait(lambda: driver.count() == 2)
        assert {Partition(topic, 0): [1, 2]} == driver.records
        assert real_kafka.committed(group, topic) == {0: 1, 1: 0}


# ---- offsets that are not there


@pytest.mark.parametrize("protocol", ["cooperative", "eager"])
@pytest.mark.parametrize(
    ("policy", "expected"), [("halt", []), ("earliest", list(range(20))), ("latest", list(range(10, 20)))]
)
def test_an_offset_out_of_range(broker, topic, group, policy, expected, protocol):  # noqa: PLR0917 - fixtures
    fill(broker, topic, 40)
    lost = Partition(topic, 0)
    commit(broker, group, {lost: Position(1000, "of another life")})
    properties = PROTOCOLS[protocol]
    with Driver(broker, (topic,), group=group, on_out_of_range=policy, properties=properties) as driver:
        driver.wait_for(SourceError, lambda event: event.code == "OFFSET_OUT_OF_RANGE")
        if policy == "halt":
            driver.wait(lambda: OutOfRange({lost: 1000}) in driver.events)
        else:
            driver.wait(lambda: driver.positions.get(lost, Position(1000)).offset < 1000)
            assert PartitionsLost([lost]) in driver.events
            assert driver.positions[lost].offset >= broker.committed(group, topic)[0]
        fill(broker, topic, 40)
        driver.wait(lambda: driver.count() == 60 + len(expected))
        assert expected == driver.records.get(lost, [])
        assert list(range(20)) == driver.records[Partition(topic, 1)]
    if policy == "halt":
        assert broker.committed(group, topic)[0] == 1000


# ---- a broker that is away (embedded: it can be switched off at once)


@pytest.fixture
def switchable() -> Any:
    with EmbeddedBroker() as embedded:
        embedded.create_topic("events", 4)
        yield embedded


def client_of(embedded: EmbeddedBroker) -> Broker:
    return Broker("embedded", embedded.bootstrap_servers, "")


IMPATIENT = {"reconnect.backoff.ms": "50", "reconnect.backoff.max.ms": "100"}


def test_a_broker_that_goes_and_comes_back_costs_nothing(switchable):
    broker = client_of(switchable)
    fill(broker, "events", 40)
    with Driver(broker, ("events",), group="group", properties=IMPATIENT) as driver:
        driver.wait(lambda: driver.count() == 40)
        switchable.set_down()
        driver.wait_for(SourceError, lambda event: not event.fatal)
        switchable.set_up()
        fill(broker, "events", 40)
        driver.wait(lambda: driver.count() == 80)


def test_partitions_wait_for_their_positions_while_the_coordinator_is_away(monkeypatch):
    monkeypatch.setattr("consumer.kafka.start.REQUEST_SECONDS", 0.2)
    failures = iter([True, True])

    def first_fails(self: Any) -> None:
        from consumer.errors import KafkaUnavailableError

        if next(failures, False):
            raise KafkaUnavailableError("the topics' metadata: timed out")
        original(self)

    original: Callable[[Any], None] = loop.TopicWatch.refresh_counts
    monkeypatch.setattr(loop.TopicWatch, "refresh_counts", first_fails)
    with EmbeddedBroker() as embedded:
        embedded.create_topic("events", 4)
        broker = client_of(embedded)
        fill(broker, "events", 40)
        with Driver(broker, ("events",), group="group") as driver:
            told = driver.wait_for(SourceError)
            assert told.code == "UNAVAILABLE"
            assert driver.count() == 0
            driver.wait(lambda: driver.count() == 40)


def test_stopping_ends_though_the_broker_is_away(switchable, monkeypatch):
    monkeypatch.setattr(loop, "_COMMIT_SECONDS", 0.3)
    broker = client_of(switchable)
    fill(broker, "events", 40)
    with Driver(broker, ("events",), group="group", properties=IMPATIENT) as driver:
        driver.wait(lambda: driver.count() == 40)
        switchable.set_down()
        driver.commit({Partition("events", 0): Position(10)})
        driver.stop()
        assert [event.committed for event in driver.events if isinstance(event, PartitionsReleased)] == [False]
