"""Which offset of a partition may be committed: the promise "an offset is passed only when its record is done".

Theory of operation
    Everything below ``base`` is done; ``base`` is what may be committed. Done offsets above it are kept as runs, so one
    stuck record with two million done behind it costs one run. Offsets need not be consecutive: compaction and
    transaction markers leave gaps, and an offset that the broker skips over does not exist, hence is done. So
    ``poll(offset)`` first closes the gap between the offset expected and the one that came, then opens that one; every
    offset between ``base`` and the cursor that is in no run is *open*: its record is in memory and not done.

    After a restart the ledger starts from the committed offset and the runs in the commit's metadata. Offsets above the
    cursor and below the last run's end, in no run, are those that were open then: they are polled again, or they no
    longer exist, which closing the gap finds out.

    What may be committed is the lowest open offset, or the cursor where nothing is open, never the highest seen
    (https://github.com/confluentinc/parallel-consumer/issues/826).

One ledger lives from an assignment to its end; it cannot hear of completions from before (the machine fences them).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from consumer.delivery.offset_map import MAX_CHARS, MAX_DISTANCE, Restored, Run, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIT_SHARE = 0.75
"""Records are taken in while the map fills less of its limit; those in memory may still scatter it up to all of it."""

_CHARS_PER_RUN = 8  # two varints of up to three bytes each, in base64


class Ledger:
    """Polled and done offsets of one partition in one assignment."""

    __slots__ = (
        "_ends",
        "_max_chars",
        "_starts",
        "base",
        "changes",
        "cursor",
        "restored_holes_closed",
        "started_at_ms",
    )

    def __init__(self, committed: int, restored: Restored | None = None, max_chars: int = MAX_CHARS) -> None:
        """Start at the committed offset, with what its metadata says; ``max_chars``: of the metadata to be written."""
        restored = restored or Restored()
        self.base = committed
        self.cursor = committed
        """The next offset that the partition can give."""
        self.changes = 0
        """How often something was closed: it says whether there is anything new to commit."""
        self.started_at_ms = restored.started_at_ms
        self.restored_holes_closed = 0
        """Offsets that the restored map had as open and that no longer exist."""
        self._max_chars = max_chars
        self._starts = [first for first, _ in restored.runs]
        self._ends = [end for _, end in restored.runs]

    def poll(self, offset: int) -> bool:
        """A record came: open its offset.

        Returns:
            False where there is nothing to do: it was done before (the restored map says so, or it came twice).
        """
        if offset > self.cursor:
            self._close_gap(offset)
        elif offset < self.cursor:
            return False
        self.cursor = offset + 1
        if offset < self.base:
            return False
        at = bisect_right(self._starts, offset) - 1
        return at < 0 or offset >= self._ends[at]

    def done(self, offset: int) -> None:
        """The record at this open offset is done."""
        if offset == self.base and not self._starts:
            self.changes += 1
            self.base = offset + 1
        else:
            self._add(offset, offset + 1)

    @property
    def span(self) -> int:
        """Offsets from the committable one to the last completion: what a map has to cover; 0 where nothing is open."""
        return self._ends[-1] - self.base if self._ends else 0

    @property
    def runs(self) -> Iterator[Run]:
        """Done offsets above ``base``, ascending."""
        return zip(self._starts, self._ends, strict=True)

    def admits(self) -> bool:
        """Whether one more record may be opened: its completion would still fit the map."""
        if not self._starts or self.cursor < self._ends[-1]:
            # Nothing is done above an open offset, at whatever distance it lies; or what comes lies within a restored
            # map, which it can only make smaller: not to take it in would leave its holes open for ever.
            return True
        if self.cursor - self.base >= MAX_DISTANCE:
            return False
        most = self._max_chars * ADMIT_SHARE
        return len(self._starts) * _CHARS_PER_RUN <= most or len(self._encode(0)) <= most

    def metadata(self, elapsed_seconds: int = 0, *, with_map: bool = True) -> tuple[str, bool]:
        """The commit's metadata, and whether the runs are in it (False where they would not fit, or are not wanted)."""
        if not with_map:
            return encode(self.base, (), elapsed_seconds=elapsed_seconds, started_at_ms=self.started_at_ms), False
        text = self._encode(elapsed_seconds) if self.span <= MAX_DISTANCE else ""
        if (text or not self._starts) and len(text) <= self._max_chars:
            return text, True
        return encode(self.base, (), elapsed_seconds=elapsed_seconds, started_at_ms=self.started_at_ms), False

    def _encode(self, elapsed_seconds: int) -> str:
        return encode(self.base, list(self.runs), elapsed_seconds=elapsed_seconds, started_at_ms=self.started_at_ms)

    def _close_gap(self, until: int) -> None:
        # A restored run may have carried the base beyond the cursor: what lies between them was done.
        first = max(self.cursor, self.base)
        if first >= until:
            return
        if self._ends and self._ends[-1] > first:
            # Only inside what the restored map spans can a gap swallow offsets that were open.
            within = min(until, self._ends[-1])
            known = sum(max(0, min(end, within) - max(start, first)) for start, end in self.runs if end > first)
            self.restored_holes_closed += within - first - known
        self._add(first, until)

    def _add(self, first: int, end: int) -> None:
        """Mark ``first`` up to ``end`` done, joining what touches."""
        self.changes += 1
        starts, ends = self._starts, self._ends
        lo = bisect_left(ends, first)
        hi = bisect_right(starts, end)
        if lo < hi:
            first = min(first, starts[lo])
            end = max(end, ends[hi - 1])
        if first <= self.base:
            self.base = max(self.base, end)
            del starts[:hi], ends[:hi]
        else:
            starts[lo:hi] = [first]
            ends[lo:hi] = [end]
