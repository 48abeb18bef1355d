"""What a history is made of, as values that a seed gives and that can be printed, and made smaller.

A plan says which records there are, what each delivery of them will meet, how the deployment is set up, and what goes
wrong when. Everything else (latencies, jitter, who gets which partition) follows from the plan's seed while it runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

from consumer.delivery.offset_map import MAX_CHARS
from consumer.delivery.settings import LanePolicy

LARGEST_RECORD = 2500
"""Bytes."""

ROOMY_BYTES = 25_000_000
"""A buffer that no history fills."""


class Kind(StrEnum):
    """What becomes of a delivery in the end."""

    FINE = "fine"
    REFUSED = "refused"  # the webhook answers 422, always
    STUCK = "stuck"  # the webhook answers 503, always
    SKIP = "skip"
    REJECT = "reject"
    UNDECODABLE = "undecodable"

    @property
    def posted(self) -> bool:
        """Whether it has a request."""
        return self in (Kind.FINE, Kind.REFUSED, Kind.STUCK)


class RecordPlan(NamedTuple):
    """A record to be.

    Attributes:
        at: seconds, when it is written.
        gap: offsets before it that do not exist (compaction, transaction markers).
        message: its messageId, or -1 for none; two records with the same are a repeat.
        deliveries: kind and lane of each; the lane is "" where it has no request.
    """

    partition: int
    at: float
    gap: int
    size: int
    deliveries: tuple[tuple[Kind, str], ...]
    message: int = -1


class FaultKind(StrEnum):
    """What can go wrong."""

    CRASH = "crash"
    CRASH_BETWEEN_ACTIONS = "crash between actions"
    CRASH_ALL = "crash of all"
    STOP = "stop"
    JOIN = "join"
    COOPERATIVE = "cooperative rebalance"
    EAGER = "eager rebalance"
    LOST = "partitions lost"
    ZOMBIE = "zombie"
    SLOW_LOOP = "loop stands still"
    BROKER_DOWN = "broker down"
    COMMIT_FAILS = "commit fails"
    COMMIT_TIMES_OUT = "commit times out, applied"
    COMMIT_SLOW = "commit slow"
    RESET_BACK = "operator resets back"
    RESET_FORWARD = "operator resets forward"
    FOREIGN_METADATA = "foreign metadata"
    TRUNCATION = "truncation by retention"
    RECREATED = "topic recreated"
    COMPACTION = "compaction"
    POLLED_TWICE = "records polled twice"
    LETTERS_FAIL = "dead letters fail"
    LETTER_ACKS_LOST = "dead letter written, reported as failed"
    LETTERS_SLOW = "dead letters slow"
    UNDECODABLE = "undecodable stretch"
    DOWN = "webhook down"
    DNS = "webhook dns"
    ANSWERS_503 = "webhook 503"
    ANSWERS_429 = "webhook 429"
    ANSWERS_429_LATER = "webhook 429 with Retry-After"
    ANSWERS_403 = "webhook 403"
    REDIRECTS = "webhook 302"
    CERTIFICATE = "webhook certificate"
    HANG = "webhook hangs"
    ANSWERS_LOST = "webhook answers lost"
    SLOW = "webhook slow"
    FLAKY = "webhook flaky"
    PER_SECOND = "webhook 429 above a rate"
    PER_CONNECTION = "webhook 503 above connections"


class Fault(NamedTuple):
    """Something that goes wrong.

    Attributes:
        at, seconds: when, and for how long.
        which: of replicas or partitions, counted round.
        amount: what it means depends on the kind: a part of a second, a number of offsets, ...
    """

    kind: FaultKind
    at: float
    seconds: float
    which: int
    amount: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole history, but for its dice.

    Attributes:
        per_item: the webhook says of each event in a request what became of it.
        map_chars: what fits in a commit's metadata.
        dedupe_entries: deliveries that a process remembers by their messageId.
    """

    seed: int
    partitions: int
    replicas: int
    rate: float | None
    burst: int
    concurrency: int
    max_events: int
    linger_seconds: float
    buffer_bytes: int
    commit_interval_seconds: float
    budget_seconds: float
    per_item: bool
    map_chars: int
    dedupe_entries: int
    lane_policy: LanePolicy
    records: tuple[RecordPlan, ...]
    faults: tuple[Fault, ...]

    def describe(self) -> str:
        """The plan in a few lines, for a person."""
        deliveries = sum(len(record.deliveries) for record in self.records)
        lanes = {(r.partition, lane) for r in self.records for _, lane in r.deliveries if lane}
        lines = [
            (
                f"seed {self.seed}: {len(self.records)} records, {deliveries} deliveries, {len(lanes)} lanes, "
                f"{self.partitions} partitions, {self.replicas} replicas"
            ),
            (
                f"rate {self.rate}/s burst {self.burst}, concurrency {self.concurrency}, batches of {self.max_events} "
                f"linger {self.linger_seconds} s, buffer {self.buffer_bytes} B, commit every {self.commit_interval_seconds} s, "
                f"budget {self.budget_seconds} s, lanes {self.lane_policy}{', answers per item' * self.per_item}, "
                f"metadata of {self.map_chars} characters, {self.dedupe_entries} remembered"
            ),
        ]
        lines += [
            f"  {fault.at:7.2f} s  {fault.kind} for {fault.seconds:.1f} s (which {fault.which}, amount {fault.amount})"
            for fault in sorted(self.faults, key=lambda fault: fault.at)
        ]
        return "\n".join(lines)


_REPEATED = 0.05
_DELIVERIES = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
_UNUSUAL = (
    (Kind.SKIP, 0.09),
    (Kind.REJECT, 0.05),
    (Kind.REFUSED, 0.03),
    (Kind.UNDECODABLE, 0.02),
)


def make(seed: int) -> Plan:
    """The history of a seed: at least 200 records, 2 replicas and 3 faults."""
    random = Random(seed)
    partitions = random.choice((2, 3, 4, 6))
    max_events = random.choice((1, 1, 1, 4, 16))
    per_item = max_events > 1 and random.random() < 0.4
    span = random.choice((5.0, 20.0, 60.0))
    return Plan(
        seed=seed,
        partitions=partitions,
        replicas=random.choice((2, 2, 3)),
        rate=random.choice((None, 20.0, 40.0, 40.0, 200.0)),
        burst=random.choice((1, 1, 1, 5)),
        concurrency=random.choice((1, 4, 20, 20)),
        max_events=max_events,
        linger_seconds=random.choice((0.0, 0.2)) if max_events > 1 else 0.0,
        buffer_bytes=random.choice((15_000, 60_000, ROOMY_BYTES)),
        commit_interval_seconds=random.choice((0.5, 1.0, 3.0)),
        budget_seconds=random.choice((90.0, 200.0)),
        per_item=per_item,
        map_chars=random.choice((MAX_CHARS, MAX_CHARS, MAX_CHARS, 20)),
        dedupe_entries=random.choice((0, 0, 0, 8, 1000)),
        lane_policy=random.choice((LanePolicy.BLOCK, LanePolicy.BLOCK, *LanePolicy)),
        # Where a request is answered as a whole, what is stuck would take along whatever travels with it.
        records=_records(random, partitions, span, stuck=2 if max_events == 1 or per_item else 0),
        faults=_faults(random, span),
    )


def _records(random: Random, partitions: int, span: float, *, stuck: int) -> tuple[RecordPlan, ...]:
    lanes = random.choice((2, 5, 15, 60))
    count = random.randint(200, 220)
    stuck_at = {random.randrange(count) for _ in range(random.randint(0, stuck))}
    times = sorted(float(int(random.random() * span)) for _ in range(count))
    gappy = random.choice((0.0, 0.02, 0.3))
    records: list[RecordPlan] = []
    for i, at in enumerate(times):
        deliveries = tuple(_delivery(random, lanes) for _ in range(random.choice(_DELIVERIES)))
        if i in stuck_at:
            # All of them or the first: what waits in a stuck lane and is stuck itself has a budget of its own.
            number = random.choice((1, len(deliveries)))
            stuck_ones = tuple((Kind.STUCK, f"lane {random.randrange(lanes)}") for _ in range(number))
            deliveries = stuck_ones + deliveries[number:]
        if any(kind is Kind.UNDECODABLE for kind, _ in deliveries):
            deliveries = ((Kind.UNDECODABLE, ""),)
        gap = random.choice((1, 1, 2, 50)) if random.random() < gappy else 0
        partition, message = random.randrange(partitions), i
        if i and random.random() < _REPEATED:
            # A producer's repeat: the same event once more.
            earlier = records[random.randrange(max(0, i - 40), i)]
            partition, message, deliveries = earlier.partition, earlier.message, earlier.deliveries
        size = random.randint(50, LARGEST_RECORD)
        records.append(RecordPlan(partition, at, gap, size, deliveries, message))
    return tuple(records)


def _delivery(random: Random, lanes: int) -> tuple[Kind, str]:
    chance = random.random()
    for kind, share in _UNUSUAL:
        if chance < share:
            return kind, f"lane {random.randrange(lanes)}" if kind.posted else ""
        chance -= share
    return Kind.FINE, f"lane {random.randrange(lanes)}"


def _faults(random: Random, span: float) -> tuple[Fault, ...]:
    kinds = list(FaultKind)
    return tuple(
        Fault(
            kind=random.choice(kinds),
            at=round(random.uniform(1.0, span + 30.0), 3),
            seconds=round(random.choice((1.0, 5.0, 15.0, 40.0)) * random.uniform(0.5, 1.5), 3),
            which=random.randrange(12),
            amount=random.randrange(1, 60),
        )
        for _ in range(random.randint(3, 9))
    )
