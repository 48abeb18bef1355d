"""The promise, checked at each step: by what the broker and the webhook saw, not by what the machine says of itself.

What is checked
    passed      an offset that is committed, or that the map in the metadata has as done, passes no record with a
                delivery that has no durable end at that moment
    fenced      nothing is committed for a partition that the machine was told to give up
    whole       what was done and known at a commit is in it, offset or map: so what a crash repeats is bounded
    repeated    no delivery is sent again that has ended, or that the restored map covers, in one tenure
    bound       what was accepted twice is no more than was in flight, had ended since the last commit or was a sibling
                of something unfinished at a hand-over, or was answered ambiguously
    lanes       an attempt starts after every delivery before it in its lane has ended, whoever ended it: so first
                arrivals are in order, but for a request that was given up and comes late
    rate        requests of all members together: rate + burst at most, over any second
    asked       a Retry-After closes the gate; concurrency stays below the share; a permit that is free is used
    letters     what is dead-lettered, why, and not before its budget is spent; nor later
    memory      no partition beyond its share of the budget, but for one fetch; nor all beyond the whole, while there is
                enough to send; metadata's length; at rest nothing is left
    balance     planned = ended + in progress, after each turn but a timer's
    rest        it all comes to an end
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, cast

from consumer.delivery.gate import Held
from consumer.delivery.messages import Partition, Position
from consumer.delivery.offset_map import Restored, decode
from consumer.delivery.partition import OVERHEAD_BYTES
from consumer.delivery.settings import LanePolicy
from consumer.outcomes import DeliverReason, FailureKind, Post, Stage
from tests.simulation.kafka import BATCH
from tests.simulation.plan import LARGEST_RECORD, Kind, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.delivery.messages import Answer, DeadLetter, Record
    from tests.simulation.broker import Log
    from tests.simulation.entries import Delivery, Entry, Lane
    from tests.simulation.replica import Replica

RETRY_AFTER_CAP_SECONDS = 30.0
OUTAGE_SECONDS = 600.0
_HALT = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 410})


class Violation(Exception):  # noqa: N818 - it is the finding, not a fault
    """The promise is broken.

    Attributes:
        rule: which part of it.
    """

    def __init__(self, rule: str, text: str) -> None:
        self.rule = rule
        super().__init__(f"{rule}: {text}")


class Tenure:
    """One partition in one assignment of one process, as its machine was told; what it can know.

    Attributes:
        ends: deliveries that it was told have ended, in order.
        applied: how many of them there were when the last commit that the broker took was made up.
        over: it was handed over; a commit may still be on its way.
        taken_over: how many ends it had and could still have when another process was given the partition, which this
            one had not heard of; None where it was not.
        left_out: where the last commit that the broker took had no map, though it was needed: its offset.
        cursor: the offset after the last record polled.
        uncovered: records known to be done that no commit of this tenure covers yet.
        remaining: unended deliveries of the records that it has begun to end.
    """

    __slots__ = (
        "applied",
        "cursor",
        "elapsed",
        "ended",
        "ends",
        "in_flight",
        "left_out",
        "must_end",
        "offset",
        "open_at_start",
        "over",
        "partition",
        "remaining",
        "restored",
        "sent_at",
        "taken_over",
        "uncovered",
    )

    def __init__(self, partition: Partition, position: Position, open_seconds: float) -> None:
        self.partition = partition
        self.restored: Restored = decode(position.offset, position.metadata)
        self.offset = position.offset
        self.elapsed = self.restored.elapsed_seconds
        self.open_at_start = open_seconds
        self.ends: list[Delivery] = []
        self.ended: set[Delivery] = set()
        self.applied = 0
        self.left_out: int | None = None
        self.over = False
        self.taken_over: int | None = None
        self.cursor = position.offset
        self.uncovered: list[Entry] = []
        self.remaining: dict[Entry, int] = {}
        self.in_flight: set[Delivery] = set()
        self.sent_at: dict[Delivery, float] = {}
        self.must_end: set[Delivery] = set()

    def covers(self, offset: int) -> bool:
        """Whether it was told at its start that this offset is done."""
        return offset < self.offset or any(first <= offset < end for first, end in self.restored.runs)


class Promise:
    """See the module. Raises `Violation` where it is broken."""

    def __init__(self, plan: Plan, logs: dict[Partition, Log]) -> None:
        self._plan = plan
        self._logs = logs
        self._latest: dict[Partition, Tenure] = {}
        self._checked = dict.fromkeys(logs, 0)  # index into the log: all before it is passed, and was right to be
        self._sends: deque[float] = deque()
        self.allowance: Counter[str] = Counter()
        self.accepted_again = 0
        self.figures: Counter[str] = Counter()

    # ---- requests

    def sent(self, replica: Replica, deliveries: Sequence[Delivery], attempt: int, now: float) -> None:
        """A machine starts a request."""
        self.figures["requests"] += 1
        for delivery in deliveries:
            entry = delivery.entry
            tenure = replica.tenures.get(entry.partition)
            if tenure is None:
                raise Violation("fenced", f"{entry} is sent by {replica.name}, which was told to give it up")
            if delivery in tenure.ended or tenure.covers(entry.offset):
                raise Violation("repeated", f"{entry} is sent again by {replica.name}, which knows that it has ended")
            if delivery in tenure.in_flight:
                raise Violation("lanes", f"{entry} is under way twice in {replica.name}")
            if delivery in tenure.must_end:
                raise Violation(
                    "letters", f"{entry} goes on after its budget is spent, {tenure.elapsed} s before this start"
                )
            lane = delivery.lane
            assert lane is not None
            if delivery.place > lane.first_open and lane.advance() < delivery.place:
                self._may_pass(delivery, lane)
            tenure.in_flight.add(delivery)
            if delivery not in tenure.sent_at:
                tenure.sent_at[delivery] = replica.machine._gate.open_seconds
            if entry.first_sent < 0.0:
                entry.first_sent = now
            if delivery.first_sent < 0.0:
                delivery.first_sent = now
        self._gate_held(replica, now)

    def _may_pass(self, delivery: Delivery, lane: Lane) -> None:
        """Something before it in its lane has not ended: only the lane policy may have let it go, after it was tried."""
        released = self._plan.lane_policy is LanePolicy.RELEASE_ORDER
        for before in lane.deliveries[lane.first_open : delivery.place]:
            if not (before.ended or before.entry.gone or (released and before.first_sent >= 0.0)):
                raise Violation(
                    "lanes", f"{delivery.entry} is sent before {before.entry}, before it in its lane, has ended"
                )

    def _gate_held(self, replica: Replica, now: float) -> None:
        plan = self._plan
        if replica.in_flight > max(1, int(plan.concurrency * replica.share + 1e-9)):
            raise Violation(
                "asked", f"{replica.in_flight} requests of {replica.name} are under way, share {replica.share}"
            )
        if now < replica.closed_until:
            raise Violation("asked", f"{replica.name} sends {replica.closed_until - now:.3f} s before Retry-After ends")

    def left(self, replica: Replica, requests: int, now: float) -> None:
        """So many requests have just left a replica."""
        plan = self._plan
        if plan.rate is None or replica.kafka.zombie or not replica.tenures.keys() <= replica.kafka.held.keys():
            # Expelled, or its loop has stood still for longer than its revocation was waited for: it will learn of it.
            return
        sends = self._sends
        sends.extend([now] * requests)
        while sends[0] <= now - 1.0:
            sends.popleft()
        if len(sends) > plan.rate + plan.burst:
            raise Violation("rate", f"{len(sends)} requests of {plan.rate} + {plan.burst} within a second")

    def answered(
        self, replica: Replica, answer: Answer, deliveries: Sequence[tuple[Delivery, Tenure]], now: float
    ) -> None:
        """A machine is told how a request ended."""
        statuses = answer.statuses if answer.statuses is not None else [answer.status] * len(deliveries)
        for (delivery, tenure), status in zip(deliveries, statuses, strict=True):
            tenure.in_flight.discard(delivery)
            alive = tenure is replica.tenures.get(delivery.entry.partition)
            if 200 <= status < 300:
                if alive:
                    self._remember(replica, delivery)
                self.ended(replica, delivery, tenure)
                replica.delivered_at = now if alive else replica.delivered_at
            elif alive and answer.statuses is None:
                self._spent(replica, delivery, tenure, answer, now)
        retried = answer.status in (408, 423, 429) or (answer.status >= 500 and answer.status != 501)
        if answer.retry_after is not None and retried:
            asked = min(answer.retry_after, RETRY_AFTER_CAP_SECONDS)
            replica.closed_until = max(replica.closed_until, now + asked - 1e-6)

    def _spent(self, replica: Replica, delivery: Delivery, tenure: Tenure, answer: Answer, now: float) -> None:
        """Whether this was the last attempt: the delivery's age, and what was carried over of it, is beyond the budget."""
        if answer.failure is FailureKind.CERTIFICATE or answer.status in _HALT:
            return
        carried = tenure.elapsed if delivery.entry.offset == tenure.offset else 0
        spent = carried + replica.machine._gate.open_seconds - tenure.sent_at[delivery]
        lately = now - replica.delivered_at < OUTAGE_SECONDS - 1.0
        if lately and spent > self._plan.budget_seconds + 1.0 and answer.status not in (400, 413, 422):
            tenure.must_end.add(delivery)

    def accepted(self, replica: Replica, delivery: Delivery, *, told: bool) -> None:
        """The webhook takes a delivery; ``told``: the client will hear of it."""
        delivery.accepted += 1
        if delivery.accepted > 1:
            self.accepted_again += 1
        if not told:
            self.allowance["ambiguous"] += 1
        elif replica.kafka.zombie or delivery.entry.partition not in replica.kafka.held:
            # Expelled, or its loop stood still through the revocation, and it has not learned of it yet.
            self.allowance["zombie"] += 1

    def ended(self, replica: Replica, delivery: Delivery, tenure: Tenure) -> None:
        """A machine is told of a durable end."""
        entry = delivery.entry
        if not delivery.ended:
            delivery.ended = True
            entry.unended -= 1
        if tenure is not replica.tenures.get(entry.partition):
            return  # it was told to give it up: it will not know
        if delivery in tenure.ended:
            raise Violation("balance", f"{entry} ends twice in {replica.name}")
        tenure.ended.add(delivery)
        tenure.ends.append(delivery)
        left = tenure.remaining.get(entry)
        if left is None:
            left = sum(d.kind is not Kind.SKIP for d in entry.deliveries)
        tenure.remaining[entry] = left - 1
        if left == 1:
            tenure.uncovered.append(entry)

    # ---- dead letters

    def letter(self, replica: Replica, letter: DeadLetter, delivery: Delivery, now: float) -> None:
        """A machine writes a dead letter."""
        if letter.partition not in replica.tenures:
            raise Violation("fenced", f"{replica.name} dead-letters {delivery.entry}, which it was told to give up")
        self.figures[f"dead letters {letter.reason.value}"] += 1
        entry, kind = delivery.entry, delivery.kind
        if (letter.partition, letter.offset) != (entry.partition, entry.offset):
            raise Violation("letters", f"{entry} is said to be {letter.partition.number}/{letter.offset}")
        if kind in (Kind.REJECT, Kind.UNDECODABLE):
            right = letter.stage is (Stage.VALIDATE if kind is Kind.REJECT else Stage.DECODE)
        elif letter.reason is DeliverReason.HTTP_REJECTED:
            right = kind is Kind.REFUSED and letter.status == 422
        elif letter.reason is DeliverReason.LANE_POLICY:
            right = self._plan.lane_policy is LanePolicy.DEAD_LETTER_EVENT and delivery.first_sent >= 0.0
        else:
            tenure = replica.tenures[letter.partition]
            carried = tenure.elapsed and entry.offset == tenure.offset
            waited = now - (entry.first_sent if carried else delivery.first_sent)
            right = letter.reason is DeliverReason.RETRY_BUDGET_SPENT and waited >= self._plan.budget_seconds - 1.0
        if not right:
            raise Violation("letters", f"{entry}, {kind}, is dead-lettered: {letter.reason}, status {letter.status}")

    # ---- commits

    def commits(
        self, replica: Replica, positions: Mapping[Partition, Position], now: float
    ) -> dict[Partition, int | None]:
        """A machine makes up a commit: where it leaves out the map of what is done above its offset, that offset."""
        left_out: dict[Partition, int | None] = {}
        for partition, position in positions.items():
            tenure = replica.tenures.get(partition)
            if tenure is None:
                raise Violation("fenced", f"{replica.name} commits {partition.number}, which it was told to give up")
            self._passes(partition, position)
            left_out[partition] = position.offset if self._whole(replica, tenure, position, now) else None
        return left_out

    def _passes(self, partition: Partition, position: Position) -> None:
        if len(position.metadata) > self._plan.map_chars:
            raise Violation("memory", f"{len(position.metadata)} characters of metadata")
        log = self._logs[partition]
        at, end = self._checked[partition], log.index(position.offset)
        while at < end:
            self._done(log.entries[at], position)
            at += 1
            self._checked[partition] = at
        restored = decode(position.offset, position.metadata)
        if restored.ignored:
            raise Violation("passed", f"its own metadata cannot be read: {restored.ignored}")
        for first, beyond in restored.runs:
            for i in range(log.index(first), log.index(beyond)):
                self._done(log.entries[i], position)

    def _done(self, entry: Entry, position: Position) -> None:
        if entry.unended and not entry.gone:
            kinds = ", ".join(d.kind for d in entry.deliveries if not d.ended)
            raise Violation("passed", f"{entry} is passed by {position} with deliveries that have not ended: {kinds}")

    def _whole(self, replica: Replica, tenure: Tenure, position: Position, now: float) -> bool:
        """Whether the map is left out, which must not be for less than its limit."""
        restored = decode(position.offset, position.metadata)
        runs = restored.runs
        if position.offset < tenure.offset:
            raise Violation("whole", f"{tenure.partition.number} goes back from {tenure.offset} to {position.offset}")
        uncovered = [e for e in tenure.uncovered if e.offset >= position.offset]
        missing = [e for e in uncovered if not any(first <= e.offset < end for first, end in runs)]
        before = [run for run in tenure.restored.runs if run[1] > position.offset]
        left_out = not runs and bool(missing or before)
        # A run takes four bytes at most, and each has a record of its own or was restored.
        fit = ((self._plan.map_chars - 6) * 3 // 4 - 6) // 4
        if (missing and runs) or (left_out and len(missing) + len(tenure.restored.runs) < fit):
            raise Violation("whole", f"{missing or before} is done and not in the commit {position} with runs {runs}")
        self.figures["maps left out"] += left_out
        tenure.uncovered = uncovered
        self._elapsed(replica, tenure, position.offset, restored.elapsed_seconds, now)
        return left_out

    def _elapsed(self, replica: Replica, tenure: Tenure, offset: int, elapsed: int, now: float) -> None:
        log = self._logs[tenure.partition]
        at = log.index(offset)
        entry = log.entries[at] if at < len(log.entries) and log.offsets[at] == offset else None
        carried = tenure.elapsed if offset == tenure.offset else 0
        open_ = [d for d in entry.deliveries if d not in tenure.ended] if entry is not None else []
        first = min((d.first_sent for d in open_ if d.first_sent >= 0.0), default=-1.0)
        if carried and entry is not None:
            first = entry.first_sent
        if elapsed > (now - first if first >= 0.0 else 0.0) + 1.0:
            raise Violation(
                "letters", f"{elapsed} s are said to be spent on {entry or offset}, first sent at {first:.1f}"
            )
        sent_at = min((tenure.sent_at[d] for d in open_ if d in tenure.sent_at), default=None)
        if sent_at is not None:
            spent = carried + replica.machine._gate.open_seconds - sent_at
            if elapsed < spent - 1.5:
                raise Violation("letters", f"{elapsed} s are said to be spent on {entry}: it was {spent:.1f}")

    def took(self, tenure: Tenure, ends: int, left_out: int | None) -> None:
        """The broker has taken a commit that was made up when there were this many ends."""
        if ends < tenure.applied:
            return
        if tenure.taken_over is None:
            tenure.applied = ends
        tenure.left_out = left_out
        if tenure.over and left_out is not None:
            self.forgotten(tenure.partition, left_out, "map left out")

    # ---- hand-overs

    def assigned(self, tenure: Tenure) -> None:
        """A tenure begins; an earlier one that has not heard of its end is taken over: its commits come too late."""
        earlier = self._latest.get(tenure.partition)
        if earlier is not None and not earlier.over:
            earlier.taken_over = len(earlier.ends) + len(earlier.in_flight)
        self._latest[tenure.partition] = tenure

    def handed_over(self, tenure: Tenure) -> None:
        """A tenure is over, by whatever end: this much of it may be repeated."""
        tenure.over = True
        allowance = self.allowance
        allowance["in flight"] += len(tenure.in_flight)
        ends = len(tenure.ends) if tenure.taken_over is None else min(len(tenure.ends), tenure.taken_over)
        allowance["since the last commit"] += ends - tenure.applied
        # Unfinished when that commit was made up, that is: some of them have been finished since.
        unfinished = {entry for entry, left in tenure.remaining.items() if left}
        unfinished.update(d.entry for d in tenure.ends[tenure.applied :])
        allowance["siblings"] += sum(d.entry in unfinished for d in tenure.ends[: tenure.applied])
        if tenure.left_out is not None:
            self.forgotten(tenure.partition, tenure.left_out, "map left out")

    def forgotten(self, partition: Partition, offset: int, why: str) -> None:
        """What is known to be done from an offset on is thrown away: all that was accepted there may be repeated."""
        log = self._logs[partition]
        for entry in log.entries[log.index(offset) :]:
            self.allowance[why] += sum(d.accepted > 0 for d in entry.deliveries)

    def recreated(self, partition: Partition) -> None:
        """A log begins anew: none of its records was looked at."""
        self._checked[partition] = 0

    # ---- repeats

    def polled(self, replica: Replica, records: Sequence[Record]) -> None:
        """A machine is about to take records in.

        What it remembers ends there, as a skip. With a full memory and enough to send it takes no more than was under
        way.
        """
        replica.crammed += replica.has_enough
        if replica.crammed > 1:
            raise Violation("memory", f"{replica.name} has no room and enough to send, and has twice taken more in")
        for record in records:
            tenure = replica.tenures.get(record.partition)
            if tenure is None or record.offset < tenure.cursor:
                continue
            tenure.cursor = record.offset + 1
            if replica.remembered and not tenure.covers(record.offset):
                entry = cast("Entry", record.source)
                for delivery, plan in zip(entry.deliveries, record.planned, strict=True):
                    if isinstance(plan, Post) and (plan.mapping, plan.message_id) in replica.remembered:
                        self.figures["repeats skipped"] += 1
                        self.ended(replica, delivery, tenure)

    def _remember(self, replica: Replica, delivery: Delivery) -> None:
        plan = delivery.entry.record.planned[delivery.entry.deliveries.index(delivery)]
        assert isinstance(plan, Post)
        if self._plan.dedupe_entries and plan.message_id:
            replica.remembered[plan.mapping, plan.message_id] = None
            if len(replica.remembered) > self._plan.dedupe_entries:
                del replica.remembered[next(iter(replica.remembered))]

    # ---- turns

    def turned(self, replica: Replica) -> None:
        """A machine's turn is over."""
        machine = replica.machine
        gate = machine._gate
        held = sum(state.buffered_bytes for state in machine._partitions.values())
        replica.has_enough = held >= self._plan.buffer_bytes and machine._dispatcher.waiting > 0
        if not replica.has_enough:
            replica.crammed = 0
        if gate._held is Held.CONCURRENCY and replica.in_flight < gate.limit:
            raise Violation("asked", f"work waits for a permit, of {gate.limit} only {replica.in_flight} are in use")

    def balances(self, replica: Replica) -> None:
        """Planned = ended + in progress; a turn that moves none of them need not be looked at."""
        machine = replica.machine
        stats = machine._stats
        in_progress = 0
        for state in machine._partitions.values():
            in_progress += sum(state.unended.values())
        if sum(stats.planned.values()) != sum(stats.ended.values()) + in_progress:
            planned, ended = dict(stats.planned), dict(stats.ended)
            raise Violation("balance", f"planned {planned}, ended {ended}, in progress {in_progress}")

    def held(self, replica: Replica, records: Sequence[Record]) -> None:
        """A machine has taken records in: none beyond their partition's share of the memory, but for this fetch."""
        states = replica.machine._partitions
        # The fetch may be older than the assignment of others.
        share = self._plan.buffer_bytes / max(1, min(len(states), replica.partitions_before))
        replica.partitions_before = len(states)
        for partition in {record.partition for record in records} & states.keys():
            held = states[partition].buffered_bytes
            if held > share + BATCH * (LARGEST_RECORD + OVERHEAD_BYTES):
                raise Violation("memory", f"{held} bytes of {partition.number} are held by {replica.name}")

    # ---- the end

    def rested(self, replicas: Sequence[Replica], committed: Mapping[Partition, Position]) -> None:
        """Everything has ended: nothing is lost, nothing is left, nothing was repeated too often."""
        for partition, log in self._logs.items():
            for entry in log.entries:
                self._done(entry, Position(log.end))
            left = [entry for entry in log.entries[log.index(committed[partition].offset) :] if not entry.gone]
            if left:
                raise Violation("rest", f"{left[0]} is done and not committed, at {committed[partition]}")
        for replica in replicas:
            machine = replica.machine
            leftover = {
                "in flight": machine._gate.in_flight,
                "requests": len(machine._dispatcher._in_flight),
                "ready": machine._dispatcher.waiting,
                "parked": machine._dispatcher.parked,
                "letters": machine._dead_letters.waiting,
                "bytes": sum(s.buffered_bytes for s in machine._partitions.values()),
                "lanes": sum(len(s.lanes) for s in machine._partitions.values()),
            }
            if any(leftover.values()):
                raise Violation("memory", f"at rest {replica.name} still holds {leftover}")
        if self.accepted_again > sum(self.allowance.values()):
            raise Violation("bound", f"{self.accepted_again} were accepted again, allowed {dict(self.allowance)}")
