"""What goes wrong around the service, brought about on a real Kafka while a stream goes on: each must pass by itself.

    python tests/crash/faults.py                             all of them, one after the other
    python tests/crash/faults.py broker-restart clock        these
    python tests/crash/faults.py webhook-down --minutes 10

For each: nothing is lost, everything in order, the right readiness with its reason, the right metric, work again without a
restart. The figures are printed, an object a fault; exit 0 only if every expectation of every one of them held.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

sys.path.insert(0, str(Path(__file__).parents[2]))

from consumer.ops.catalogue import PREFIX
from consumer.sandbox.runner import ThreadedSandbox
from tests.crash.outage import outage
from tests.crash.scene import Scene, metric
from tests.integration.harness import wait_for
from tests.kafka.broker import QUIET, KafkaBroker
from tests.kafka.client import Broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DOWN_SECONDS = 15.0
BACK_SECONDS = 20.0
"""In which it has to be ready again after the fault is gone; Kafka's own waits (sessions, elections) are within."""


@contextmanager
def scene(nodes: int = 1, config: Mapping[str, str] | None = None, **about: Any) -> Iterator[tuple[KafkaBroker, Scene]]:
    """A cluster, a stand-in, and the service between them."""
    with (
        KafkaBroker(nodes, config) as kafka,
        ThreadedSandbox(rate_per_second=None, max_parallel=None) as sandbox,
        tempfile.TemporaryDirectory() as folder,
        Scene(Broker("real", kafka.bootstrap_servers, ""), sandbox, Path(folder), **about) as running,
    ):
        yield kafka, running


# ---- brokers


def broker_restart(nodes: int = 1) -> Scene:
    """All brokers are shut down and come back; then they are killed and come back while nothing is written."""
    with scene(nodes, replicas=nodes) as (kafka, it):
        it.steady()
        for idle, how in ((False, kafka.stop), (True, kafka.kill)):
            if idle:
                it.stream.pause()
                wait_for(lambda: it.broker.lag(it.settings["kafka"]["group_id"], it.topic) == 0, "all is committed")
            began = time.monotonic()
            how()
            it.wait(DOWN_SECONDS)
            it.expect_not_ready(began, time.monotonic(), "no broker can be reached")
            kafka.start()
            it.figures["ready_again_idle_seconds" if idle else "ready_again_seconds"] = round(it.ready_again(), 1)
        it.stream.go_on()
        it.wait(2)
        it.settle()
    return it


def cluster_restart() -> Scene:
    """The same with three brokers."""
    return broker_restart(3)


def controller_change() -> Scene:
    """Of three nodes the one that leads the quorum is killed; later it comes back."""
    with scene(3, topic_settings={"min.insync.replicas": "2"}, replicas=3) as (kafka, it):
        it.steady()
        began, leader = time.monotonic(), kafka.controller()
        kafka.kill(leader)
        wait_for(lambda: kafka.controller() != leader, "another leads")
        it.figures["elected_after_seconds"] = round(time.monotonic() - began, 1)
        before = it.sandbox.stats()["delivered"]
        wait_for(lambda: it.sandbox.stats()["delivered"] > before + 100, "it delivers on two nodes")
        it.figures["delivering_after_seconds"] = round(time.monotonic() - began, 1)
        # Without traffic, too: then nothing but the lost connection is heard of.
        it.stream.pause()
        it.wait(DOWN_SECONDS)
        kafka.start(leader)
        it.stream.go_on()
        it.wait(5)
        it.ready_throughout(began)
        it.settle()
    return it


# ---- dead letters


def _dead_letters_away(it: Scene, began: float, reason: str, heal: Callable[[], None]) -> None:
    """They cannot be written: delivery halts and says why; healed, it goes on."""
    wait_for(lambda: metric(it.probe.now().metrics, "halted", reason="dead_letter_unavailable") == 1, "it halts")
    it.figures["halted_after_seconds"] = round(time.monotonic() - began, 1)
    it.wait(DOWN_SECONDS)
    it.expect_not_ready(began, time.monotonic(), reason)
    it.expect("write failures are counted", metric(it.probe.now().metrics, "dead_letter_write_failures_total") > 0)
    it.expect("letters wait", metric(it.probe.now().metrics, "dead_letters_pending") > 0)
    heal()
    it.figures["ready_again_seconds"] = round(it.ready_again(), 1)
    it.wait(3)
    it.settle()


def dead_letters_missing() -> Scene:
    """The dead-letter topic does not exist when the service starts; somebody makes it."""
    with scene(dead_letters=False) as (_, it):
        _dead_letters_away(it, it.began, "the dead-letter topic does not exist", it.create_dead_letters)
    return it


def dead_letters_read_only() -> Scene:
    """An ACL takes the right to write dead letters away from a service that runs, and gives it back."""
    acls = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with scene(config=acls) as (_, it):
        admin = AdminClient({"bootstrap.servers": it.broker.bootstrap_servers, **QUIET})

        # A topic with any ACL is no longer everybody's: what it does not allow is forbidden.
        read_only = (
            ResourceType.TOPIC,
            it.dead_letters,
            ResourcePatternType.LITERAL,
            "User:ANONYMOUS",
            "*",
            AclOperation.READ,
            AclPermissionType.ALLOW,
        )

        it.steady()
        began = time.monotonic()
        for future in admin.create_acls([AclBinding(*read_only)]).values():
            future.result(10)

        def give_back() -> None:
            for future in admin.delete_acls([AclBindingFilter(*read_only)]).values():
                future.result(10)

        _dead_letters_away(it, began, "dead letters cannot be written", give_back)
    return it


def dead_letters_short_of_replicas() -> Scene:
    """The dead-letter topic asks for three replicas in sync, and one of three nodes is killed; the rest has enough."""
    with scene(3, topic_settings={"min.insync.replicas": "2"}, replicas=3, dead_letters=False) as (kafka, it):
        kafka.create_topic(it.dead_letters, 1, {"min.insync.replicas": "3"})
        it.steady()
        began = time.monotonic()
        kafka.kill(3)
        _dead_letters_away(it, began, "dead letters cannot be written", lambda: kafka.start(3))
    return it


# ---- time


def clock() -> Scene:
    """The wall clock jumps an hour ahead, and back, and back an hour more, while one contact fails."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
    if library is None:
        raise SystemExit("clock needs libfaketime (Debian, Ubuntu: apt install faketime)")
    with tempfile.TemporaryDirectory() as folder:
        offset = Path(folder) / "offset"
        offset.write_text("+0")
        environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            # Clocks that jump are wall clocks; the machine's own goes on.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with scene(environment=environment) as (_, it):
            it.steady()
            began = time.monotonic()
            it.sandbox.set_faults({"status": 503, "match": {"user_id": "user0"}}, {"latency_seconds": [0.0, 0.02]})
            for jump in ("+3600", "+0", "-3600", "+0"):
                offset.write_text(jump)
                at, before = time.monotonic(), it.sandbox.stats()["delivered"]
                wait_for(lambda before=before: it.sandbox.stats()["delivered"] > before + 100, "delivery goes on")
                name = f"hundred_deliveries_seconds_{jump}"
                it.figures[name] = round(max(time.monotonic() - at, it.figures.get(name, 0)), 1)
                it.wait(5)
                # The failing contact's record is as old as the wall clock says, and never younger than nothing.
                age = max(
                    v for k, v in it.probe.now().metrics.items() if k.startswith(f"{PREFIX}partition_lag_seconds{{")
                )
                it.figures[f"lag_seconds_{jump}"] = round(max(age, it.figures.get(f"lag_seconds_{jump}", 0)))
            it.expect("an hour ahead the lag shows it", it.figures["lag_seconds_+3600"] >= 3600)
            it.expect("an hour behind it is 0", it.figures["lag_seconds_-3600"] == 0)
            it.sandbox.set_faults({"latency_seconds": [0.0, 0.02]})
            it.ready_throughout(began)
            it.figures["assignments"] = len(it.service.logged("assigned"))
            it.expect("it stays in its group", it.figures["assignments"] == 1)
            it.settle()
    return it


FAULTS: dict[str, Callable[[], Scene]] = {
    "broker-restart": broker_restart,
    "cluster-restart": cluster_restart,
    "controller-change": controller_change,
    "dead-letters-missing": dead_letters_missing,
    "dead-letters-read-only": dead_letters_read_only,
    "dead-letters-short-of-replicas": dead_letters_short_of_replicas,
    "clock": clock,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join([*FAULTS, "webhook-down"]))
    parser.add_argument("--minutes", type=float, default=10, help="of webhook-down")
    options = parser.parse_args()
    if unknown := set(options.faults) - {*FAULTS, "webhook-down"}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    good = True
    for name in options.faults or [*FAULTS, "webhook-down"]:
        if name == "webhook-down":
            figures, failed = outage(options.minutes * 60)
        else:
            try:
                ended = FAULTS[name]()
                figures, failed = ended.figures, ended.failed
            except AssertionError as error:  # what was waited for did not come
                figures, failed = {}, [str(error)]
        print(json.dumps({"fault": name, **figures, "failed": failed}, indent=1), flush=True)
        good = good and not failed
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
