"""What the service shows of itself at one moment: metrics, readiness and the status page are views of this value.

`SnapshotExchange` brings it from the event loop's thread to the threads that serve HTTP. It is taken between two turns
of the loop and its counters are copied, so that within one scrape the numbers agree with each other.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from consumer.delivery.snapshot import Histogram, Snapshot, Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumer.delivery.messages import Partition


class Lag(Struct, frozen=True):
    """How far a partition is behind.

    Attributes:
        high_watermark: the offset of the next record to be produced; None where the broker has not said yet.
        oldest_seconds: age, by its timestamp, of the oldest record that is not done; 0 where all is done, None where
            it is not known.
    """

    partition: Partition
    high_watermark: int | None
    oldest_seconds: float | None = None


class MappingsInfo(Struct, frozen=True):
    """The mappings in use.

    Attributes:
        source: the file's name, or "default".
        loaded_at: Unix seconds.
        error: why the file as it stands now is not in use; "" where it is. Never holds an event's contents.
    """

    source: str = "default"
    names: tuple[str, ...] = ()
    loaded_at: float = 0.0
    reloads_ok: int = 0
    reloads_failed: int = 0
    error: str = ""


class DecodingInfo(Struct, frozen=True):
    """What stands between records and events.

    Attributes:
        fallbacks: uses by field and source.
        schema_loads: requests to the schema registry by result; empty without one.
        waiting: partitions whose next record waits for its schema.
    """

    fallbacks: Mapping[tuple[str, str], int] = field(default_factory=dict)
    schema_loads: Mapping[str, int] = field(default_factory=dict)
    waiting: Sequence[Partition] = ()


class Failure(Struct, frozen=True):
    """One delivery that failed for good, for the status page.

    Attributes:
        at: Unix seconds.
        excerpt: of the answer, redacted (`consumer.ops.redact.redact_excerpt`).
    """

    at: float
    partition: Partition
    offset: int
    mapping: str
    reason: str
    status: int = 0
    excerpt: str = ""


class ServiceSnapshot(Struct, frozen=True):
    """The service as it stands.

    Attributes:
        joined: whether the consumer is a member of its group.
        out_of_range: assigned partitions that stand still because the topic no longer has their offset.
        obstacles: why it is not ready, besides what the rest says; a plain sentence with a remedy each.
    """

    delivery: Snapshot
    joined: bool
    lags: Sequence[Lag] = ()
    mappings: MappingsInfo = field(default_factory=MappingsInfo)
    decoding: DecodingInfo = field(default_factory=DecodingInfo)
    out_of_range: Sequence[Partition] = ()
    obstacles: tuple[str, ...] = ()
    failures: Sequence[Failure] = ()


def copy_stats(stats: Stats) -> Stats:
    """The counters as they are now; what the machine counts later does not show in it."""
    return Stats(**{name: _copy(getattr(stats, name)) for name in stats.__struct_fields__})


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return value.copy()
    if isinstance(value, Histogram):
        twin = Histogram(value.bounds)
        twin.counts, twin.total = value.counts.copy(), value.total
        return twin
    return value


class SnapshotExchange:
    """Asks the loop for a snapshot from another thread, and makes do with the last one when the loop does not answer.

    Args:
        post: runs a function on the loop's thread, soon: ``loop.call_soon_threadsafe``.
        take: builds the snapshot; called on the loop's thread only.
        patience_seconds: how long to wait for the loop: less than a scrape's or a probe's time-out.
    """

    def __init__(
        self,
        post: Callable[[Callable[[], None]], object],
        take: Callable[[], ServiceSnapshot],
        *,
        patience_seconds: float = 1.0,
    ) -> None:
        self._post = post
        self._take = take
        self._patience = patience_seconds
        self._last: ServiceSnapshot | None = None
        self._lock = threading.Lock()
        self._asked: threading.Event | None = None

    def __call__(self) -> ServiceSnapshot | None:
        """The service now, or as it last was; None before there was anything to show."""
        with self._lock:
            # One request to the loop serves everybody who waits: a crowd of scrapers cannot flood it.
            asked = self._asked
            first = asked is None
            if asked is None:
                asked = self._asked = threading.Event()
        if first:
            try:
                self._post(self._answer)
            except RuntimeError:  # the loop is closed: what was last is all there is
                asked.set()
        asked.wait(self._patience)
        return self._last

    def _answer(self) -> None:
        with self._lock:
            asked, self._asked = self._asked, None
        try:
            taken = self._take()
            self._last = replace(taken, delivery=replace(taken.delivery, stats=copy_stats(taken.delivery.stats)))
        finally:
            if asked is not None:
                asked.set()
