"""What the machine holds of one assigned partition: its ledger, its lanes and the records that are not done.

Lanes
    Deliveries of one lane (action and customer, or contact) follow each other. A lane is a linked list through its
    deliveries: the first is ready, parked or under way, each knows the next, and ``lanes`` has the last. Joining and
    leaving a lane cost one dictionary operation, a lane that is empty costs nothing, and a failing head holds back its
    own lane alone.
"""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import TYPE_CHECKING

from consumer.delivery.messages import Position
from consumer.delivery.offset_map import MAX_CHARS
from consumer.delivery.snapshot import PartitionView
from consumer.outcomes import Post

if TYPE_CHECKING:
    from consumer.delivery.ledger import Ledger
    from consumer.delivery.messages import Partition, Record
    from consumer.outcomes import Reject

OVERHEAD_BYTES = 1_600
"""What a record costs in memory beside its bytes: the client's message, its deliveries and their bodies."""

ELAPSED_COMMIT_SECONDS = 60.0
"""How often a stuck partition is committed again, so that the age of its oldest event survives a restart."""


class OpenRecord:
    """A record with deliveries that have not ended."""

    __slots__ = ("owner", "polled_at", "record", "remaining", "sequence", "tried", "tried_before")

    def __init__(self, owner: PartitionState, record: Record, remaining: int, polled_at: float, sequence: int) -> None:
        self.owner = owner
        self.record = record
        self.remaining = remaining
        self.polled_at = polled_at
        self.sequence = sequence
        """The how-manieth record of the process it is, over all partitions."""
        self.tried: list[float] = []
        """Open-gate seconds at the first attempts of its deliveries that have been tried and have not ended."""
        self.tried_before: float | None = None
        """The same of the record's first attempt by an earlier owner, which counts for each of them."""

    @property
    def first_attempt(self) -> float | None:
        """Of its deliveries that have not ended, the first attempt at the one tried longest; None before it."""
        return min(self.tried, default=self.tried_before)


class Delivery:
    """One delivery that has not ended: a post in its lane, or a reject on its way to the dead-letter topic."""

    __slots__ = ("first_attempt", "following", "given_up", "of", "parked", "plan", "released")

    def __init__(self, of: OpenRecord, plan: Post | Reject) -> None:
        self.of = of
        self.plan = plan
        self.first_attempt: float | None = None
        """Open-gate seconds at its first attempt, None before it: its retry budget counts from here."""
        self.following: Delivery | None = None
        self.parked = False
        """It waits for its retry time."""
        self.given_up = False
        """The lane policy has ended it: the request that it was part of goes on without it."""
        self.released = False
        """The lane policy has taken it out of its lane: those behind it do not wait any more."""

    def starts(self, open_seconds: float) -> None:
        """An attempt at it starts."""
        self.parked = False
        if self.first_attempt is None:
            before = self.of.tried_before
            self.first_attempt = open_seconds if before is None else before
            self.of.tried.append(self.first_attempt)

    def ends(self) -> int:
        """It has ended: how many of its record have not."""
        opened = self.of
        if self.first_attempt is not None:
            opened.tried.remove(self.first_attempt)
        opened.remaining -= 1
        return opened.remaining

    @property
    def sends(self) -> bool:
        """Whether it may be sent."""
        owner = self.of.owner
        return owner.alive and owner.deadline is None and not self.given_up


class PartitionState:
    """One partition in one assignment. ``alive`` ends with it: completions for a dead one are ignored (the fence)."""

    __slots__ = (
        "_committed_changes",
        "_committing_changes",
        "_restored_elapsed",
        "_restored_offset",
        "alive",
        "buffered_bytes",
        "committed",
        "deadline",
        "full_since",
        "in_flight",
        "lanes",
        "ledger",
        "map_chars",
        "open",
        "partition",
        "stamped_at",
        "unended",
    )

    def __init__(self, partition: Partition, ledger: Ledger, committed: Position, elapsed: float, now: float) -> None:
        self.partition = partition
        self.ledger = ledger
        self.committed = committed
        self._restored_offset = committed.offset
        self._restored_elapsed = elapsed
        """Open-gate seconds that the record at this offset, and no other, was tried for before this assignment."""
        self.stamped_at = now
        """When it was last committed."""
        self._committed_changes = ledger.changes
        self._committing_changes: int | None = None
        """What the commit under way says, None where there is none of this assignment."""
        self.alive = True
        self.deadline: float | None = None
        """When it must be released: set while it is being revoked."""
        self.full_since: float | None = None
        """Since when its share of the memory, or its map, is full; None while it is not."""
        self.in_flight = 0
        self.buffered_bytes = 0
        self.map_chars = len(committed.metadata)
        self.open: dict[int, OpenRecord] = {}
        self.lanes: dict[str, Delivery] = {}
        self.unended: dict[tuple[str, str], int] = defaultdict(int)
        """Deliveries planned and not ended, by (mapping, event type)."""

    @property
    def sends(self) -> bool:
        """Whether requests may be started for it."""
        return self.alive and self.deadline is None

    @property
    def changed(self) -> bool:
        """Whether the ledger says more than the last acknowledged commit."""
        return self.ledger.changes != self._committed_changes

    @property
    def commit_at(self) -> float:
        """When to commit it: at once where there is news, a minute after the last time while its oldest is stuck."""
        if self.changed:
            return self.stamped_at
        oldest = self.open.get(self.ledger.base)
        stuck = oldest is not None and oldest.first_attempt is not None
        return self.stamped_at + ELAPSED_COMMIT_SECONDS if stuck else inf

    def committing(self, now: float) -> None:
        """A commit of it is under way."""
        self.stamped_at = now
        self._committing_changes = self.ledger.changes

    def committed_at(self, position: Position, *, ok: bool) -> None:
        """The commit under way has ended."""
        if ok and self._committing_changes is not None:
            self.committed = position
            self._committed_changes = self._committing_changes
        self._committing_changes = None

    def admit(self, record: Record, remaining: int, now: float, open_seconds: float, sequence: int) -> OpenRecord:
        """Take in a record whose offset the ledger has just opened."""
        opened = OpenRecord(self, record, remaining, now, sequence)
        if record.offset == self._restored_offset and self._restored_elapsed:
            opened.tried_before = open_seconds - self._restored_elapsed
        self.open[record.offset] = opened
        self.buffered_bytes += record.size + OVERHEAD_BYTES
        return opened

    def finish(self, opened: OpenRecord) -> None:
        """A record's last delivery has ended."""
        offset = opened.record.offset
        del self.open[offset]
        self.buffered_bytes -= opened.record.size + OVERHEAD_BYTES
        self.ledger.done(offset)

    def join_lane(self, delivery: Delivery, lane: str) -> bool:
        """Queue a delivery behind those of its lane.

        Returns:
            True where it is the first: it may be sent.
        """
        last = self.lanes.get(lane)
        self.lanes[lane] = delivery
        if last is None:
            return True
        last.following = delivery
        return False

    def leave_lane(self, delivery: Delivery, lane: str) -> Delivery | None:
        """A lane's first delivery has ended; the next one, which may be sent now, or None."""
        if delivery.released:
            return None
        following = delivery.following
        if following is None:
            del self.lanes[lane]
        return following

    def release_lane(self, delivery: Delivery) -> Delivery | None:
        """Take a lane's first delivery out of it; the next one, which may be sent now."""
        assert isinstance(delivery.plan, Post)
        following = self.leave_lane(delivery, delivery.plan.lane)
        delivery.released = True
        return following

    def oldest_elapsed(self, open_seconds: float) -> int:
        """Whole open-gate seconds that the record at the committable offset has been tried for."""
        oldest = self.open.get(self.ledger.base)
        if oldest is None or oldest.first_attempt is None:
            return int(self._restored_elapsed) if self.ledger.base == self._restored_offset else 0
        return max(0, int(open_seconds - oldest.first_attempt))

    def position(self, open_seconds: float, *, with_map: bool) -> tuple[Position, bool]:
        """What to commit, and whether the map is in it."""
        metadata, whole = self.ledger.metadata(self.oldest_elapsed(open_seconds), with_map=with_map)
        assert len(metadata) <= MAX_CHARS
        self.map_chars = len(metadata)
        return Position(self.ledger.base, metadata), whole

    def view(self, now: float, *, paused: bool) -> PartitionView:
        """What can be seen of it."""
        oldest = next(iter(self.open.values()), None)
        return PartitionView(
            partition=self.partition,
            committed=self.committed.offset,
            position=self.ledger.cursor,
            incomplete=len(self.open),
            buffered_bytes=self.buffered_bytes,
            oldest_age_seconds=now - oldest.polled_at if oldest else 0.0,
            oldest_timestamp_ms=oldest.record.timestamp_ms if oldest else 0,
            paused=paused,
            map_chars=self.map_chars,
        )
