"""The demo: Kafka, ChartMogul and a stream of sample events in one process, and the production service between them.

Nothing of the service is replaced: it reads the embedded broker over TCP and posts to the stand-in over HTTP.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, Producer, TopicPartition
from msgspec import Struct, field

from consumer.app import Application
from consumer.config.model import Settings
from consumer.kafka.embedded import EmbeddedBroker
from consumer.outcomes import RejectReason
from consumer.sandbox.runner import ThreadedSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.ops.snapshot import ServiceSnapshot
    from consumer.sandbox.samples import Sample

TOPIC = "segment-events"
DEAD_LETTERS = "segment-events.chartmogul.dlq"
GROUP = "chartmogul-consumer"
PARTITIONS = 4
_ANY_SIZE = {"message.max.bytes": 1_000_000_000}
"""A line that is too long for a broker's defaults is the service's to name."""
RATE_PER_SECOND = 250.0

# The embedded broker keeps 5 MiB a partition and drops the oldest silently: no more than this is ahead of the service.
_AHEAD_BYTES = 2_000_000
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 30.0


class Account(Struct):
    """What became of every event, and by whose word.

    Attributes:
        records: produced.
        delivered, duplicates, customers, contacts: counted by the stand-in.
        dead_lettered: counted on the dead-letter topic.
        committed_lag: records not committed, by the broker's word.
        skipped, dead_letters: by reason, by the service's word.
        claimed: delivered, by the service's word.
        unfinished: deliveries planned and not ended.
        phases: seconds by what they went into.
    """

    records: int = 0
    delivered: int = 0
    duplicates: int = 0
    customers: int = 0
    contacts: int = 0
    dead_lettered: int = 0
    committed_lag: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    dead_letters: dict[str, int] = field(default_factory=dict)
    claimed: int = 0
    read: int = 0
    unfinished: int = 0
    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)

    @property
    def rejected(self) -> dict[str, int]:
        """Dead letters by mapping and validation."""
        names = set(RejectReason)
        return {reason: number for reason, number in self.dead_letters.items() if reason in names}

    @property
    def balanced(self) -> bool:
        """Whether every event is accounted for, by the service, the stand-in and the broker alike."""
        return (
            self.read == self.records
            and not self.unfinished
            and not self.committed_lag
            and self.claimed == self.delivered + self.duplicates
            and sum(self.dead_letters.values()) == self.dead_lettered
        )

    def as_json(self) -> dict[str, Any]:
        """The last line of ``demo --json``."""
        return {
            "records": self.records,
            "deliveries": self.delivered + sum(self.skipped.values()) + self.dead_lettered,
            "delivered": self.delivered,
            "skipped": self.skipped,
            "dead_lettered": self.dead_lettered,
            "rejected": self.rejected,
            "customers": self.customers,
            "contacts": self.contacts,
            "duplicates": self.duplicates,
            "committed_lag": self.committed_lag,
            "seconds": round(self.seconds, 2),
        }


class Progress(Struct):
    """What the display shows."""

    produced: int
    total: int
    snapshot: ServiceSnapshot
    seconds: float


class DemoTimeoutError(Exception):
    """The service did not come to rest."""


async def run_demo(
    samples: Sequence[Sample],
    *,
    rate_per_second: float | None,
    show: Callable[[Progress], None],
) -> tuple[Account, list[dict[str, Any]], list[dict[str, Any]]]:
    """Run everything once.

    Args:
        samples: the records.
        rate_per_second: POSTs a second; None is unlimited.
        show: told of the progress twenty times a second.

    Returns:
        The account, the customers and the contacts at the stand-in.

    Raises:
        DemoTimeoutError: nothing has moved for half a minute.
    """
    started = time.monotonic()
    with (
        EmbeddedBroker() as broker,
        ThreadedSandbox(rate_per_second=None, max_parallel=None) as sandbox,
    ):
        broker.create_topic(TOPIC, PARTITIONS)
        broker.create_topic(DEAD_LETTERS, 1)
        settings = _settings(broker.bootstrap_servers, sandbox.url, rate_per_second)
        producer = Producer(
            {"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 1, "log_level": 0, **_ANY_SIZE}
        )
        ready = time.monotonic()
        async with Application(settings) as application:
            joined, first = await _drive(application, producer, samples, show, started)
            done = time.monotonic()
            application.stop()
            await application.closed()
            snapshot = application.service.snapshot()
        account = Account(records=len(samples), read=snapshot.stats.records)
        stats = sandbox.stats()
        account.delivered, account.duplicates = stats["delivered"], stats["duplicates"]
        account.customers, account.contacts = stats["customers"], stats["contacts"]
        account.committed_lag, account.dead_lettered = _ask_broker(broker.bootstrap_servers)
        for (_, _, outcome, reason), number in snapshot.stats.ended.items():
            if outcome == "delivered":
                account.claimed += number
            elif outcome == "skipped":
                account.skipped[reason] = account.skipped.get(reason, 0) + number
            elif outcome == "dead_lettered":
                account.dead_letters[reason] = account.dead_letters.get(reason, 0) + number
            else:
                account.unfinished += number
        account.unfinished += sum(snapshot.in_progress.values())
        held = snapshot.stats.gate_seconds
        account.phases = {
            "starting Kafka and the stand-in": ready - started,
            "joining the consumer group": joined - ready,
            "until the first delivery": first - joined,
            "delivering": done - first,
            **{f"  of this held by {name}": seconds for name, seconds in held.items() if seconds > 0.05},
            "draining and leaving": time.monotonic() - done,
        }
        account.seconds = time.monotonic() - started
        return account, sandbox.customers(), sandbox.contacts()


async def _drive(
    application: Application,
    producer: Producer,
    samples: Sequence[Sample],
    show: Callable[[Progress], None],
    started: float,
) -> tuple[float, float]:
    """Produce, no further ahead than the broker keeps, until all is done and committed; when it joined, first sent."""
    sizes = [len(sample.value or b"") + 200 for sample in samples]
    produced = ahead = read = 0
    joined = first = 0.0
    moved_at = time.monotonic()
    moved: object = None
    while True:
        snapshot = application.snapshot()
        stats = snapshot.delivery.stats
        ahead -= sum(sizes[read : stats.records])
        read = stats.records
        while produced < len(samples) and ahead < _AHEAD_BYTES:
            sample = samples[produced]
            producer.produce(TOPIC, value=sample.value, key=sample.key, headers=list(sample.headers))
            ahead += sizes[produced]
            produced += 1
        producer.poll(0)
        now = time.monotonic()
        joined = joined or (now if snapshot.delivery.partitions else 0.0)
        first = first or (now if stats.ended else 0.0)
        show(Progress(produced, len(samples), snapshot, now - started))
        if produced == len(samples) == read and application.service.settled:
            return joined or now, first or now
        signature = (read, sum(stats.ended.values()), snapshot.delivery.partitions and application.service.settled)
        if signature != moved:
            moved, moved_at = signature, now
        elif now - moved_at > _PATIENCE_SECONDS:
            raise DemoTimeoutError(
                f"nothing has moved for {_PATIENCE_SECONDS:.0f} s: {read} of {len(samples)} records read, state "
                f"{snapshot.delivery.state} {snapshot.delivery.halt_reason or snapshot.delivery.held_by}"
            )
        await asyncio.sleep(_POLL_SECONDS)


def _settings(bootstrap_servers: str, url: str, rate_per_second: float | None) -> Settings:
    """The shipped defaults, but for addresses, rate and guard: whoever brings broken events wants to see them end."""
    return Settings.model_validate(
        {
            "kafka": {
                "bootstrap_servers": bootstrap_servers,
                "group_id": GROUP,
                "topics": [TOPIC],
                "start_from": "earliest",
                "commit_interval_seconds": 0.2,
            },
            "destination": {"webhook_url": url},
            "delivery": {"requests_per_second": rate_per_second},
            "dead_letter": {"topic": DEAD_LETTERS, "halt_ratio": 1},
            "http": {"host": "127.0.0.1", "port": 0},
        }
    )


def _ask_broker(bootstrap_servers: str) -> tuple[int, int]:
    """Records not committed, and dead letters, by the broker's word."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": GROUP, "log_level": 0})
    try:
        lag = 0
        for committed in consumer.committed([TopicPartition(TOPIC, n) for n in range(PARTITIONS)], timeout=10):
            low, high = consumer.get_watermark_offsets(committed, timeout=10)
            lag += high - (committed.offset if committed.offset >= 0 else low)
        low, high = consumer.get_watermark_offsets(TopicPartition(DEAD_LETTERS, 0), timeout=10)
        return lag, high - low
    finally:
        consumer.close()
