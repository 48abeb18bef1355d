"""A fake broker: logs, committed offsets, and the group that shares partitions out.

Like Kafka it takes a commit from any member of the group, whether or not the partition is that member's; it refuses
those of who is no member. A member that has not been heard of for the session's time-out is expelled; it may live on.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from consumer.delivery.messages import Partition, Position
from tests.simulation.plan import FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from tests.simulation.clock import Clock
    from tests.simulation.entries import Entry
    from tests.simulation.kafka import KafkaSide

SESSION_SECONDS = 6.0


class Log:
    """A partition's records. Those that are gone stay in the list, marked: indexes into it stay good."""

    __slots__ = ("entries", "offsets", "start")

    def __init__(self, start: int) -> None:
        self.entries: list[Entry] = []
        self.offsets: list[int] = []
        self.start = start

    def append(self, entry: Entry) -> None:
        """Write a record."""
        self.entries.append(entry)
        self.offsets.append(entry.offset)

    def recreate(self) -> None:
        """Begin anew."""
        self.entries.clear()
        self.offsets.clear()
        self.start = 0

    def index(self, offset: int) -> int:
        """Of the first record at or after an offset."""
        return bisect_left(self.offsets, offset)

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self.offsets[-1] + 1 if self.offsets else self.start


class Broker:
    """Logs and commits.

    Attributes:
        active: faults of its own (down, commits failing) that are in force.
    """

    def __init__(self, clock: Clock, random: Random, logs: dict[Partition, Log]) -> None:
        self.clock = clock
        self.random = random
        self.logs = logs
        self.committed: dict[Partition, Position] = {}
        self.active: set[FaultKind] = set()
        self.group = Group(clock, random, list(logs))

    @property
    def down(self) -> bool:
        """Whether nobody can reach it."""
        return FaultKind.BROKER_DOWN in self.active

    def position(self, partition: Partition) -> Position:
        """Where a partition starts for the group; the beginning is committed at once where nothing was."""
        position = self.committed.get(partition)
        if position is None:
            position = self.committed[partition] = Position(self.logs[partition].start)
        return position

    def commit(self, member: KafkaSide, positions: Mapping[Partition, Position]) -> tuple[bool, bool]:
        """Take a commit.

        Returns:
            Whether it was applied, and whether its sender hears that it was.
        """
        active = self.active
        if self.down or member.cut or member not in self.group.members or FaultKind.COMMIT_FAILS in active:
            return False, False
        self.committed.update(positions)
        return True, FaultKind.COMMIT_TIMES_OUT not in active


class Group:
    """Shares the partitions out over its members, one rebalance after the other."""

    def __init__(self, clock: Clock, random: Random, partitions: list[Partition]) -> None:
        self._clock = clock
        self._random = random
        self._partitions = partitions
        self.members: list[KafkaSide] = []
        self.owners: dict[Partition, KafkaSide] = {}
        self._target: dict[Partition, KafkaSide] = {}
        self._waiting: list[KafkaSide] = []
        self._balancing = False
        self._again = False

    def join(self, member: KafkaSide) -> None:
        """Take somebody in."""
        self.members.append(member)
        self.rebalance()

    def leave(self, member: KafkaSide) -> None:
        """Somebody leaves, or is expelled: its partitions are free."""
        if member not in self.members:
            return
        self.members.remove(member)
        self.owners = {p: owner for p, owner in self.owners.items() if owner is not member}
        self.rebalance()
        self.gave_up(member)

    def gave_up(self, member: KafkaSide, partitions: Iterable[Partition] = ()) -> None:
        """Somebody has let go of what it was asked for."""
        for partition in partitions:
            if self.owners.get(partition) is member:
                del self.owners[partition]
        if member in self._waiting:
            self._waiting.remove(member)
            self._assign_when_free()

    def rebalance(self, *, eager: bool = False) -> None:
        """Share out anew: what moves is taken first (all, where ``eager``), then given."""
        if self._balancing:
            self._again = True
            return
        self._balancing = True
        self._again = False
        self._target = self._share_out()
        moving: dict[KafkaSide, list[Partition]] = {}
        for partition, owner in self.owners.items():
            if eager or self._target.get(partition) is not owner:
                moving.setdefault(owner, []).append(partition)
        self._waiting = list(moving)
        for owner, partitions in moving.items():
            self._clock.after(0.02, owner.revoke, partitions)
        self._assign_when_free()

    def _share_out(self) -> dict[Partition, KafkaSide]:
        if not self.members:
            return {}
        members = self.members[:]
        self._random.shuffle(members)
        most = -(-len(self._partitions) // len(members))
        target: dict[Partition, KafkaSide] = {}
        count = dict.fromkeys(members, 0)
        partitions = self._partitions[:]
        self._random.shuffle(partitions)
        for partition in partitions:
            owner = self.owners.get(partition)
            if owner in count and count[owner] < most:
                target[partition] = owner
                count[owner] += 1
        for partition in partitions:
            if partition not in target:
                target[partition] = member = min(members, key=count.__getitem__)
                count[member] += 1
        return target

    def _assign_when_free(self) -> None:
        if self._waiting or not self._balancing:
            return
        given: dict[KafkaSide, list[Partition]] = {}
        for partition, member in self._target.items():
            if member in self.members and partition not in self.owners:
                self.owners[partition] = member
                given.setdefault(member, []).append(partition)
        for member, partitions in given.items():
            member.assign(partitions)
        self._balancing = False
        if self._again:
            self._clock.after(0.1, self.rebalance)
