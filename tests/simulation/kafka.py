"""What the Kafka thread does, without Kafka and without a thread: fetching, commits, rebalances, and the order of it all.

It keeps to the promises of `consumer.kafka.loop`: what it tells arrives in order and after a while; while partitions are
being revoked nothing is fetched; the commit under way is settled before; and nothing is committed for partitions that
it has let go, whatever the machine, which learns of it later, still asks for.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from consumer.delivery.messages import Assigned, Committed, Lost, Partition, Polled, Position, Revoking
from tests.simulation.broker import SESSION_SECONDS
from tests.simulation.plan import FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumer.delivery.messages import Event, Record
    from tests.simulation.broker import Broker

DRAIN_SECONDS = 4.0
GRACE_SECONDS = 1.0
BATCH = 15
"""Records in one fetch, at most."""
_RETRY_SECONDS = 0.5


class Expelled(NamedTuple):
    """Partitions that are somebody else's by now. The machine hears `Lost`, as where an offset is out of range."""

    partitions: Sequence[Partition]


class KafkaSide:
    """One process's connection to the broker.

    Args:
        tell: takes what the machine is to hear; called at the time at which it happens here.
        forget: told when the offset map of a partition is thrown away, with the offset from which on.

    Attributes:
        cut: it cannot reach the broker; it may be expelled from the group meanwhile.
        fetches_while_cut: but it can still fetch.
        zombie: it was expelled, and the machine does not know.
        started: partitions being read, each with the epoch in which it was started.
        reply_number: of the revocation whose reply is waited for; a reply to another comes too late.
    """

    def __init__(
        self, broker: Broker, tell: Callable[[Event | Expelled], None], forget: Callable[[Partition, int, str], None]
    ) -> None:
        self._broker = broker
        self._clock = broker.clock
        self._random = broker.random
        self._tell = tell
        self._forget = forget
        self.cut = False
        self.fetches_while_cut = False
        self.zombie = False
        self.gone = False
        self.epoch = 0
        self.held: dict[Partition, int] = {}
        self.started: dict[Partition, int] = {}
        self.paused: frozenset[Partition] = frozenset()
        self.polled_twice = False
        self._pending: dict[Partition, bool] = {}  # held, not started; True: its offset was out of range
        self._cursors: dict[Partition, int] = {}  # indexes into the logs
        self._poll_due = False
        self._handed_over = False
        self._revoking: list[Partition] | None = None
        self._revoke_later: list[Partition] | None = None
        self.reply_number = 0
        self._stopping: Callable[[], None] | None = None
        self._commit_under_way: tuple[int, Mapping[Partition, Position], Callable[[bool], None]] | None = None
        self._commits = 0

    # ---- membership

    def join(self) -> None:
        """Become a member."""
        if not self.gone:
            self._broker.group.join(self)

    def cut_off(self, seconds: float, *, fetches: bool) -> None:
        """Lose the broker for a while; expelled if that is longer than a session."""
        if self.gone or self.cut:
            return
        self.cut, self.fetches_while_cut = True, fetches
        self._clock.after(SESSION_SECONDS, self._expired)
        self._clock.after(seconds, self._heal)

    def _expired(self) -> None:
        if self.cut and not self.gone and self in self._broker.group.members:
            self.zombie = True
            self._broker.group.leave(self)

    def _heal(self) -> None:
        self.cut = False
        if self.gone:
            return
        if self._revoking is not None:
            self._clock.after(_RETRY_SECONDS, self._heal)
            return
        if self in self._broker.group.members:
            later, self._revoke_later = self._revoke_later, None
            if later is not None:
                self.revoke(later)
            self.wake()
            return
        self.lose()
        self._clock.after(0.5, self._rejoin)

    def _rejoin(self) -> None:
        if not self.gone and self._stopping is None and self not in self._broker.group.members:
            self.join()

    def lose(self) -> None:
        """Notice that the partitions are somebody else's by now."""
        self._revoke_later = None
        lost = list(self.started)
        self._let_go(list(self.held))
        if self._commit_under_way is not None:
            self._commit_ended(self._commit_under_way[0], ok=False)
        if lost:
            self._tell(Expelled(lost))
        else:
            self.zombie = False

    def expelled_at_once(self) -> None:
        """The broker takes everything away, and this side notices soon."""
        if self.gone or self._revoking is not None or self not in self._broker.group.members:
            return
        self.zombie = True
        self._broker.group.leave(self)
        self._clock.after(0.2, self._noticed)

    def _noticed(self) -> None:
        if self.zombie and not self.gone and not self.cut:
            self._heal()

    def die(self) -> None:
        """The process is gone; the group learns of it when its session ends."""
        self.gone = True
        self._clock.after(SESSION_SECONDS, self._broker.group.leave, self)

    # ---- partitions start

    def assign(self, partitions: Sequence[Partition]) -> None:
        """The group gives us these."""
        if self.gone:
            return
        self.epoch += 1
        for partition in partitions:
            self.held[partition] = self.epoch
            self._pending[partition] = False
        self._clock.after(0.05, self._start_pending)

    def _start_pending(self) -> None:
        if self.gone or not self._pending or self._stopping is not None:
            return
        slow = FaultKind.COMMIT_SLOW in self._broker.active and self._random.random() < 0.7
        if self._broker.down or self.cut or self._revoking is not None or slow:
            self._clock.after(_RETRY_SECONDS, self._start_pending)
            return
        positions: dict[Partition, Position] = {}
        for partition, out_of_range in self._pending.items():
            if out_of_range:
                start = self._broker.logs[partition].start
                self._forget(partition, start, "truncation")
                self._broker.committed[partition] = Position(start)
            positions[partition] = self._broker.position(partition)
        self._pending.clear()
        for partition, position in positions.items():
            self.started[partition] = self.held[partition]
            self._cursors[partition] = self._broker.logs[partition].index(position.offset)
        self._tell(Assigned(positions, Counter(partition.topic for partition in self._broker.logs)))
        for partition, position in positions.items():
            log = self._broker.logs[partition]
            if not log.start <= position.offset <= log.end:
                self._out_of_range(partition)
        self.wake()

    def _out_of_range(self, partition: Partition) -> None:
        self._tell(Lost([partition]))
        self.started.pop(partition)
        self.epoch += 1
        self.held[partition] = self.epoch
        self._pending[partition] = True
        self._clock.after(0.05, self._start_pending)

    def _let_go(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self.held.pop(partition, None)
            self.started.pop(partition, None)
            self._pending.pop(partition, None)

    # ---- fetching

    def pause(self, partitions: frozenset[Partition]) -> None:
        """Fetch nothing of these."""
        self.paused = partitions
        self.wake()

    def wake(self) -> None:
        """There may be something to fetch."""
        if not self._poll_due:
            self._poll_due = True
            self._clock.after(0.01 + 0.05 * self._random.random(), self._poll)

    def _poll(self) -> None:
        self._poll_due = False
        if self.gone or self._handed_over or self._revoking is not None or self._stopping is not None:
            return
        if self._broker.down or (self.cut and not self.fetches_while_cut):
            self._poll_due = True
            self._clock.after(_RETRY_SECONDS, self._poll)
            return
        batch: list[Record] = []
        turn = list(self.started)
        self._random.shuffle(turn)
        for partition in turn:
            if partition in self.paused:
                continue
            log, at = self._broker.logs[partition], self._cursors[partition]
            if at < len(log.entries) and log.offsets[at] < log.start:
                self._out_of_range(partition)
                continue
            if self.polled_twice and at > 0 and self._random.random() < 0.3:
                at = max(at - 5, log.index(log.start), 0)
            while at < len(log.entries) and len(batch) < BATCH:
                if not log.entries[at].gone:
                    batch.append(log.entries[at].record)
                at += 1
            self._cursors[partition] = at
        if batch:
            self._handed_over = True
            self._tell(Polled(batch))

    def took(self) -> None:
        """The last fetch was taken in: the next may come."""
        self._handed_over = False
        self.wake()

    # ---- commits

    def commit(
        self, positions: Mapping[Partition, Position], epoch: int, done: Callable[[Committed, bool], None]
    ) -> None:
        """Commit without waiting; ``done`` is told what the machine will hear, and whether it was applied."""
        own = {p: position for p, position in positions.items() if p in self.started and self.held[p] <= epoch}
        slow = FaultKind.COMMIT_SLOW in self._broker.active
        self._commits += 1
        number = self._commits

        def ended(ok: bool) -> None:
            applied, heard = self._broker.commit(self, own) if ok and own else (not own, True)
            done(Committed(own, applied and heard), applied)

        self._commit_under_way = (number, own, ended)
        if self._revoking is not None:
            # What is committed while partitions are drained is waited for: it must not come after their release.
            self._commit_ended(number, ok=True)
            return
        self._clock.after(2.0 if slow else 0.005 + 0.02 * self._random.random(), self._commit_arrives, number)

    def _commit_arrives(self, number: int) -> None:
        self._commit_ended(number, ok=True)

    def _commit_ended(self, number: int, *, ok: bool) -> None:
        if self._commit_under_way is not None and self._commit_under_way[0] == number:
            ended = self._commit_under_way[2]
            self._commit_under_way = None
            ended(ok)

    # ---- giving up

    def revoke(self, partitions: Sequence[Partition]) -> None:
        """The group wants these back: settle, drain, commit, let go."""
        if self.gone or self not in self._broker.group.members:
            return
        if self.cut or self._broker.down:
            self._revoke_later = list(partitions)
            if not self.cut:
                self._clock.after(_RETRY_SECONDS, self._try_revoke)
            return
        if self._stopping is not None:
            return  # leaving the group answers it
        self._drain(list(partitions))

    def _try_revoke(self) -> None:
        later, self._revoke_later = self._revoke_later, None
        if later is not None:
            self.revoke(later)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Give everything up and leave."""
        if self._stopping is None:
            self._stopping = stopped
            if self._revoking is None:
                self._drain(list(self.held))

    def _drain(self, partitions: list[Partition]) -> None:
        self._revoking = partitions
        if self._commit_under_way is not None:
            self._commit_ended(self._commit_under_way[0], ok=True)
        started = [p for p in partitions if p in self.started]
        self.reply_number += 1
        if not started:
            self._released(None)
            return
        # The machine's deadline is on its own clock, and counts from when it hears of it: the process puts it there.
        self._tell(Revoking(started, DRAIN_SECONDS))
        self._clock.after(DRAIN_SECONDS + GRACE_SECONDS, self._too_late, self.reply_number)

    def _too_late(self, number: int) -> None:
        if not self.gone and self._revoking is not None and number == self.reply_number:
            self._released(None)

    def release(self, positions: Mapping[Partition, Position], reply_number: int) -> bool:
        """The machine's reply; whether it was committed."""
        if self._revoking is None or reply_number != self.reply_number:
            return False
        own = {p: position for p, position in positions.items() if p in self._revoking}
        applied, _ = self._broker.commit(self, own)
        if not applied and FaultKind.COMMIT_FAILS not in self._broker.active and self._random.random() < 0.5:
            applied, _ = self._broker.commit(self, own)
        self._clock.after(0.01, self._released, self.reply_number)
        return applied

    def _released(self, number: int | None) -> None:
        if self.gone or self._revoking is None or (number is not None and number != self.reply_number):
            return
        partitions, self._revoking = self._revoking, None
        self._let_go(partitions)
        if self._stopping is not None:
            self._leave()
            return
        self._broker.group.gave_up(self, partitions)
        if self._pending:
            self._clock.after(0.05, self._start_pending)
        self.wake()

    def _leave(self) -> None:
        if self.held:
            self._drain(list(self.held))
            return
        self.gone = True
        self._broker.group.leave(self)
        assert self._stopping is not None
        self._stopping()
