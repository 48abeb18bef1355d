"""For each alert: the service itself is brought into the state, the alert fires, the state ends, the alert clears.

Durations of the rules are divided by `FACTORS`; what they compare with stays. A scenario is a function of a
`Deployment` of its own, named after the alert's page.
"""

from __future__ import annotations

import ctypes
import io
import signal
import time
from typing import TYPE_CHECKING, Final

import fastavro
import orjson
from confluent_kafka import Consumer, TopicPartition

from tests.integration.harness import identify, wait_for
from tests.kafka.broker import QUIET
from tests.kafka.client import Record
from tests.kafka.local_registry import LocalRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy_metrics.live import Deployment

FACTORS: Final = {
    "ChartmogulConsumerAbsent": 600,
    "ChartmogulConsumerThrottled": 240,
    "ChartmogulConsumerDeadLetters": 240,
    "ChartmogulConsumerFailureRatio": 240,
    "ChartmogulConsumerRestarts": 120,
}
"""By how much the alert's durations are divided; 60 (a minute is a second) where it is not named."""

GOOD: Final = "mappings: [{name: Contacts, action: sendContact, preset: default}]\n"
BAD: Final = "mappings: [{name: Contacts, action: sendNothing}]\n"

HANGING: Final = "import signal, threading\nsignal.signal(signal.SIGUSR1, lambda *_: threading.Event().wait(75))\n"
"""A sitecustomize.py with which the service does nothing for 75 s when it is told so: longer than the alert's 60."""

SCHEMA: Final = {
    "type": "record",
    "name": "Event",
    "fields": [{"name": "type", "type": "string"}, {"name": "userId", "type": "string"}],
}

_OFFSET_COMMIT: Final = 8
_GROUP_AUTHORIZATION_FAILED: Final = 30


def halted(deployment: Deployment) -> None:
    """A webhook URL that was revoked; the right one in its file."""
    url = deployment.url_file.read_text()
    deployment.url_file.write_text(url + "x")
    deployment.produce(20)
    with deployment.service():
        deployment.fires("ChartmogulConsumerHalted", reason="webhook_refused")
        deployment.url_file.write_text(url)
        deployment.clears("ChartmogulConsumerHalted")


def out_of_range(deployment: Deployment) -> None:
    """A group whose offset the topic does not have; a person decides where to go on.

    Its commit was another program's: its metadata is no offset map.
    """
    deployment.produce(20)
    config = deployment.settings()
    former = Consumer(
        {"bootstrap.servers": deployment.broker.bootstrap_servers, "group.id": config["kafka"]["group_id"], **QUIET}
    )
    former.commit(offsets=[TopicPartition(deployment.topic, 0, 10_000, "theirs")], asynchronous=False)
    former.close()
    with deployment.service(config):
        deployment.fires("ChartmogulConsumerHalted", reason="offset_out_of_range")
    config["kafka"]["on_out_of_range"] = "earliest"
    with deployment.service(config):
        deployment.clears("ChartmogulConsumerHalted")
        wait_for(lambda: deployment.sandbox.stats()["delivered"] == 20, "what was held is delivered")


def no_progress(deployment: Deployment) -> None:
    """ChartMogul is down."""
    with deployment.service():
        deployment.produce(20)
        wait_for(lambda: deployment.sandbox.stats()["delivered"] == 20, "it delivers")
        deployment.sandbox.set_faults({"status": 503})
        deployment.produce(5)
        deployment.fires("ChartmogulConsumerNoProgress")
        deployment.sandbox.set_faults()
        deployment.clears("ChartmogulConsumerNoProgress")


def absent(deployment: Deployment) -> None:
    """The only replica is killed."""
    with deployment.service() as service:
        wait_for(lambda: deployment.prometheus.query(f'up{{job="{deployment.job}"}} == 1'), "it is scraped")
        service.kill()
        deployment.fires("ChartmogulConsumerAbsent")
    with deployment.service():
        deployment.clears("ChartmogulConsumerAbsent")


def not_ready(deployment: Deployment) -> None:
    """The broker goes and comes back, while there is no traffic."""
    with deployment.service() as service:
        deployment.produce(20)
        wait_for(lambda: deployment.sandbox.stats()["delivered"] == 20, "it delivers")
        deployment.embedded.set_down()
        deployment.fires("ChartmogulConsumerNotReady")
        deployment.embedded.set_up()
        deployment.clears("ChartmogulConsumerNotReady")
        assert service.get("/readyz") == (200, "ready\n")


def waiting_for_schema(deployment: Deployment) -> None:
    """The schema registry is away, and comes back; the events of it lack a time that another field has."""
    with LocalRegistry() as registry:
        schema_id = registry.register(SCHEMA)
        registry.status = 503
        value = io.BytesIO(b"\0" + schema_id.to_bytes(4, "big"))
        value.seek(0, io.SEEK_END)
        fastavro.schemaless_writer(value, fastavro.parse_schema(SCHEMA), {"type": "identify", "userId": "one"})
        timeless = {key: each for key, each in identify(1, "one").items() if key != "sentAt"}
        made = [Record(orjson.dumps(timeless)), Record(value.getvalue())]
        deployment.broker.produce(deployment.topic, made)
        source = {"registry": {"urls": [registry.url]}, "fallbacks": {"sent_at": ["record_time"]}}
        with deployment.service(deployment.settings(source=source)):
            deployment.fires("ChartmogulConsumerNotReady")
            registry.status = 0
            deployment.clears("ChartmogulConsumerNotReady")


def unassigned(deployment: Deployment) -> None:
    """A pattern that no topic matches, and then one does."""
    config = deployment.settings()
    config["kafka"]["topics"] = ["^later-.*"]
    config["kafka"]["properties"]["topic.metadata.refresh.interval.ms"] = 1000
    with deployment.service(config):
        deployment.fires("ChartmogulConsumerUnassigned")
        deployment.embedded.create_topic("later-events", 2)
        deployment.clears("ChartmogulConsumerUnassigned")


def hangs(deployment: Deployment) -> None:
    """The event loop does not turn for longer than a minute, and turns again."""
    folder = deployment.file("sitecustomize.py", HANGING).parent
    with deployment.service(environment={"PYTHONPATH": str(folder)}) as service:
        wait_for(lambda: service.get("/readyz")[0] == 200, "it is ready")
        service.process.send_signal(signal.SIGUSR1)
        deployment.fires("ChartmogulConsumerHangs")
        assert service.get("/healthz")[0] == 503
        deployment.clears("ChartmogulConsumerHangs")
        assert service.get("/healthz")[0] == 200
        assert service.logged("loop_hangs")


def oldest_event(deployment: Deployment) -> None:
    """One contact fails, with an event of two hours ago; the others are delivered."""
    deployment.sandbox.set_faults({"status": 500, "match": {"user_id": "stuck"}})
    deployment.produce(1, user="stuck", at=time.time() - 7200)
    config = deployment.settings(delivery={"requests_per_second": None, "retry": {"cap_seconds": 2}})
    with deployment.service(config), deployment.traffic():
        deployment.fires("ChartmogulConsumerOldestEventTooOld", topic=deployment.topic)
        deployment.sandbox.set_faults()
        deployment.clears("ChartmogulConsumerOldestEventTooOld")


def partition_full(deployment: Deployment) -> None:
    """One contact fails, with so much behind it that its partition's memory is full."""
    deployment.sandbox.set_faults({"status": 500, "match": {"user_id": "stuck"}})
    deployment.produce(1500, user="stuck")
    retry = {"base_seconds": 10, "cap_seconds": 10}  # rare enough to be no outage, which would open the breaker
    config = deployment.settings(delivery={"requests_per_second": None, "retry": retry})
    config["kafka"]["buffer_bytes"] = 1_048_576
    with deployment.service(config):
        deployment.fires("ChartmogulConsumerPartitionFull", topic=deployment.topic)
        deployment.sandbox.set_faults()
        deployment.clears("ChartmogulConsumerPartitionFull")


def throttled(deployment: Deployment) -> None:
    """A backlog larger than the rate, until it is worked off."""
    deployment.produce(160)
    with deployment.service(deployment.settings(delivery={"requests_per_second": 4})):
        deployment.fires("ChartmogulConsumerThrottled", by="rate")
        deployment.clears("ChartmogulConsumerThrottled")


def dead_letters(deployment: Deployment) -> None:
    """Events without an address that ChartMogul would take; then none any more."""
    deployment.produce(150, email="no address")
    with deployment.service():
        deployment.fires("ChartmogulConsumerDeadLetters", reason="invalid_payload")
        deployment.clears("ChartmogulConsumerDeadLetters")
    assert len(deployment.broker.consume_all(deployment.dead_letters)) == 150


def failure_ratio(deployment: Deployment) -> None:
    """A third of a few; no single reason has a hundred."""
    deployment.produce(15, email="no address")
    deployment.produce(30)
    with deployment.service():
        deployment.fires("ChartmogulConsumerFailureRatio")
        assert not deployment.prometheus.firing("ChartmogulConsumerDeadLetters", deployment.job)
        deployment.clears("ChartmogulConsumerFailureRatio")


def commits(deployment: Deployment) -> None:
    """The group may be read, and not committed to; then it may."""
    with deployment.service() as service, deployment.traffic():
        wait_for(lambda: deployment.sandbox.stats()["delivered"], "it delivers")
        refuse_commits(deployment, 60)
        deployment.fires("ChartmogulConsumerCommitsFail")
        assert service.get("/readyz") == (200, "ready\n"), "it delivers all the same"
        deployment.clears("ChartmogulConsumerCommitsFail")


def refuse_commits(deployment: Deployment, times: int) -> None:
    """The mock cluster answers so many commits with a refusal."""
    cluster = deployment.embedded._cluster
    push = cluster._library.rd_kafka_mock_push_request_errors_array
    push.restype = None
    push.argtypes = [ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int32)]
    push(cluster._mock, _OFFSET_COMMIT, times, (ctypes.c_int32 * times)(*[_GROUP_AUTHORIZATION_FAILED] * times))


def restarts(deployment: Deployment) -> None:
    """It is killed again and again, and then no more."""
    job = deployment.job
    started = f'changes(process_start_time_seconds{{job="{job}"}}[2m])'
    for times in range(5):
        with deployment.service() as service:
            wait_for(
                lambda times=times: any(
                    float(each["value"][1]) == times for each in deployment.prometheus.query(started)
                ),
                "this start is scraped",
            )
            service.kill()
    with deployment.service():
        deployment.fires("ChartmogulConsumerRestarts")
        deployment.clears("ChartmogulConsumerRestarts")


def rebalances(deployment: Deployment) -> None:
    """Another member joins and leaves, again and again; each time half of the partitions go and come back."""
    config = deployment.settings()
    # The mock cluster waits for a second less than this in each rebalance.
    config["kafka"]["properties"]["session.timeout.ms"] = 2000
    with deployment.service(config) as service:
        wait_for(lambda: service.metrics().get("chartmogul_consumer_assigned_partitions") == 2, "it has both")
        deployment.produce(200)
        firing: list[dict[str, str]] = []
        for _ in range(40):
            other = Consumer(
                {
                    "bootstrap.servers": deployment.broker.bootstrap_servers,
                    "group.id": config["kafka"]["group_id"],
                    "partition.assignment.strategy": "cooperative-sticky",
                    "heartbeat.interval.ms": 300,
                    "session.timeout.ms": 2000,
                    **QUIET,
                }
            )
            other.subscribe([deployment.topic])
            wait_for(lambda other=other: other.poll(0.05) or other.assignment(), "the other has a partition")
            other.close()
            deployment.produce(50)
            wait_for(lambda: service.metrics()["chartmogul_consumer_assigned_partitions"] == 2, "it has both again")
            if firing := deployment.prometheus.firing("ChartmogulConsumerRebalances", deployment.job):
                break
        assert firing
        deployment.clears("ChartmogulConsumerRebalances")


def mappings(deployment: Deployment) -> None:
    """A mappings file that cannot be used, and a good one again."""
    file = deployment.file("mappings.yaml", GOOD)
    with deployment.service(deployment.settings() | {"mappings_file": str(file)}) as service:
        file.write_text(BAD)
        deployment.fires("ChartmogulConsumerMappingsRefused")
        assert service.logged("mappings_refused")
        file.write_text(GOOD + "# put right\n")
        deployment.clears("ChartmogulConsumerMappingsRefused")


SCENARIOS: Final[dict[str, tuple[Callable[[Deployment], None], int]]] = {
    "hangs": (hangs, 2),
    "rebalances": (rebalances, 2),
    "restarts": (restarts, 2),
    "throttled": (throttled, 2),
    "halted": (halted, 2),
    "out-of-range": (out_of_range, 1),
    "no-progress": (no_progress, 2),
    "absent": (absent, 2),
    "not-ready": (not_ready, 2),
    "waiting-for-schema": (waiting_for_schema, 2),
    "unassigned": (unassigned, 2),
    "oldest-event": (oldest_event, 2),
    "partition-full": (partition_full, 1),
    "dead-letters": (dead_letters, 2),
    "failure-ratio": (failure_ratio, 2),
    "commits": (commits, 2),
    "mappings": (mappings, 2),
}
"""Name of the page (or of a second way into its state) → scenario and partitions of its topic; the longest first."""
