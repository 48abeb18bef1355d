"""What the machine counts and what it can show of itself: every delivery metric and the status page come from here."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.delivery.messages import Partition

ATTEMPT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
EVENT_BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 14400.0)
BATCH_BOUNDS = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0)


class Histogram:
    """Counts by bucket: ``counts[i]`` holds values <= ``bounds[i]``, the last those above all. Not cumulative."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Stats(Struct):
    """Counters since the start of the process. Only the machine writes them.

    Attributes:
        records: polled.
        planned: deliveries by (mapping, event type); the mapping is "" where none matched.
        ended: deliveries by (mapping, event type, outcome, reason); outcome is delivered | skipped | dead_lettered |
            released (in progress when its partition was given up: the next owner delivers it).
        attempts: by outcome (delivered | retry | halt | reject | bisect) and status or failure kind as text.
        retries: by status or failure kind.
        gate_seconds: how long work waited, by what held it (halt | breaker | retry_after | rate | concurrency).
        commits: by ok | failed.
        dead_letter_failures: writes that the broker did not acknowledge.
        already_done: records that the offset map had as done: duplicates prevented.
        maps_left_out: commits whose map did not fit.
        maps_ignored: restored metadata that could not be used, by reason.
        gap_offsets: offsets that the map had as open and that no longer exist (compaction, retention).
        stale: completions for partitions given up.
        rebalances: by assigned | revoked | lost.
        attempt_seconds: of one request.
        delivery_seconds: from the record's timestamp to its 2xx.
        batch_sizes: deliveries in a request.
    """

    records: int = 0
    planned: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    ended: dict[tuple[str, str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    attempts: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    retries: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    gate_seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    commits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    dead_letter_failures: int = 0
    already_done: int = 0
    maps_left_out: int = 0
    maps_ignored: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    gap_offsets: int = 0
    stale: int = 0
    rebalances: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    attempt_seconds: Histogram = field(default_factory=lambda: Histogram(ATTEMPT_BOUNDS))
    delivery_seconds: Histogram = field(default_factory=lambda: Histogram(EVENT_BOUNDS))
    batch_sizes: Histogram = field(default_factory=lambda: Histogram(BATCH_BOUNDS))


class PartitionView(Struct, frozen=True):
    """One assigned partition.

    Attributes:
        committed: the last acknowledged commit's offset.
        position: the next offset to be polled.
        incomplete: records in memory that are not done.
        buffered_bytes: what they hold.
        oldest_age_seconds: since the oldest of them was polled; 0 where there is none.
        oldest_timestamp_ms: that record's timestamp (Unix milliseconds); 0 where there is none.
        map_chars: length of the last commit's metadata.
    """

    partition: Partition
    committed: int
    position: int
    incomplete: int
    buffered_bytes: int
    oldest_age_seconds: float
    oldest_timestamp_ms: int
    paused: bool
    map_chars: int


class Snapshot(Struct, frozen=True):
    """The machine as it stands; taken between two turns, so its numbers agree with each other.

    Attributes:
        state: running | halted | stopping.
        halt_reason: what it waits for; "" while running.
        held_by: what the gate waits for just now; "" while it is open.
        in_progress: planned and not ended, by mapping.
        waiting: deliveries that could be sent, were the gate open.
        parked: deliveries that wait for their retry time.
        in_flight: requests under way.
        share: this process's part of rate and concurrency: of all partitions.
        concurrency_limit, rate_per_second: this process's share; the rate is None where unlimited.
    """

    state: str
    halt_reason: str
    held_by: str
    stats: Stats
    in_progress: Mapping[str, int]
    waiting: int
    parked: int
    in_flight: int
    share: float
    concurrency_limit: int
    rate_per_second: float | None
    dead_letters_pending: int
    partitions: Sequence[PartitionView]
