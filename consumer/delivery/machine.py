"""The machine: ``handle(event, now) -> actions``. It decides what is sent when, and which offset may be committed.

Theory of operation
    A polled record opens its offset in its partition's ledger. Its skips end at once; its rejects become dead letters;
    its posts join their lanes. The first of each lane is ready; while the gate is open, ready deliveries become
    requests.
    An answer ends its deliveries, parks them until their retry time, or halves their batch. A record whose deliveries
    have all ended is done: its offset is closed in the ledger, which says what may be committed. Each turn ends with
    what follows from the state and is not stored anywhere: which partitions are to be paused, whether a commit is due,
    which of the revoked partitions can be let go, and when to be called again.

Promise
    An offset is passed only when its record is done, in the current assignment; a dead letter counts only once the
    broker has acknowledged it. Completions of a partition that was given up find ``alive`` false and change nothing.

The machine does no I/O, reads no clock and draws no randomness but the injected one: the simulator and the service are
two drivers of the same code.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from consumer.delivery.backpressure import Backpressure
from consumer.delivery.commits import Commits
from consumer.delivery.dead_letters import DeadLetters
from consumer.delivery.dedupe import Delivered
from consumer.delivery.dispatch import Dispatcher, Request
from consumer.delivery.gate import Gate
from consumer.delivery.halt import HaltReason
from consumer.delivery.halts import Halts
from consumer.delivery.ledger import Ledger
from consumer.delivery.messages import (
    Action,
    Assigned,
    Committed,
    Completed,
    CountsChanged,
    DeadLetter,
    DeadLettersWritten,
    DestinationChanged,
    Event,
    Lost,
    Partition,
    Pause,
    Polled,
    Position,
    Record,
    Release,
    Reset,
    Revoking,
    Stop,
    Tick,
    Timer,
)
from consumer.delivery.offset_map import decode
from consumer.delivery.partition import Delivery, OpenRecord, PartitionState
from consumer.delivery.rate import NEVER
from consumer.delivery.retry import Verdict
from consumer.delivery.settings import DeliverySettings, LanePolicy
from consumer.delivery.snapshot import Snapshot, Stats
from consumer.outcomes import DeliverReason, Post, Reject, Skip, SkipReason, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from consumer.delivery.messages import Answer
    from consumer.outcomes import DecodeReason, Planned, RejectReason

_RELIEVE_SECONDS = 1.0


class Machine:
    """See the module. One instance a process; not safe to call from two threads."""

    def __init__(self, settings: DeliverySettings, random: Random, now: float) -> None:
        self._settings = settings
        self._random = random
        self._now = now
        self._out: list[Action] = []
        self._stats = Stats()
        self._gate = Gate(settings.gate, random, now)
        self._gate.set_share(0.0, rounds_up=False)
        self._dispatcher = Dispatcher(settings.batch, self._gate, self._stats, self._out, now)
        self._dead_letters = DeadLetters(settings.halt_ratio, self._out)
        self._partitions: dict[Partition, PartitionState] = {}
        self._counts: Mapping[str, int] = {}
        self._revoking: list[PartitionState] = []
        self._halts = Halts(self._out)
        self._commits = Commits(settings, self._gate, self._stats, self._out, now)
        self._backpressure = Backpressure(settings.buffer_bytes)
        self._stopping = False
        self._delivered = Delivered(settings.dedupe_entries) if settings.dedupe_entries else None
        self._letters = self._admitted = 0
        self._last_delivered_at = -NEVER
        self._relieve_at = now
        self._paused: frozenset[Partition] = frozenset()
        self._timer = NEVER
        self._handlers: dict[type, Callable[..., None]] = {
            Polled: self._on_polled,
            Completed: self._on_completed,
            DeadLettersWritten: self._on_dead_letters_written,
            Committed: lambda event: self._commits.ended(event, self._partitions, self._now),
            Assigned: self._on_assigned,
            Revoking: self._on_revoking,
            Lost: self._on_lost,
            CountsChanged: self._on_counts_changed,
            DestinationChanged: lambda _: self._gate.probe_now(),
            Tick: lambda _: self._on_tick(),
            Reset: lambda _: self._on_reset(),
            Stop: lambda _: self._on_stop(),
        }

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take in what happened and say what to do, in order.

        Args:
            event: what happened.
            now: monotonic seconds, not below the last call's.
        """
        self._now = max(now, self._now)
        self._gate.advance(self._now)
        self._handlers[type(event)](event)
        if self._settings.lane_policy is not LanePolicy.BLOCK:
            self._relieve()
        if self._stopping:
            self._gate.hold(None)
        else:
            self._dispatcher.run(self._now)
        self._dead_letters.run(self._now)
        if self._revoking:
            self._release()
        if not self._revoking:
            self._commits.run(self._partitions.values(), self._now)
        self._pause()
        self._set_timer()
        actions = self._out[:]
        self._out.clear()
        return actions

    def written(self, now: float) -> None:
        """Hear that the requests of every `Send` so far have left for the webhook by now: the rate counts from then on.

        A driver that never says so has them counted from the call that told it to send.
        """
        self._gate.written(now)

    # ---- partitions come and go

    def _on_assigned(self, event: Assigned) -> None:
        self._stats.rebalances["assigned"] += 1
        for partition, position in event.positions.items():
            restored = decode(position.offset, position.metadata)
            if restored.ignored:
                self._stats.maps_ignored[restored.ignored] += 1
            if partition in self._partitions:
                # The Kafka side has waited long enough for its release: it has come back before that was heard of.
                self._lose(self._partitions[partition])
            ledger = Ledger(position.offset, restored, self._settings.map_chars)
            elapsed = float(restored.elapsed_seconds)
            self._partitions[partition] = PartitionState(partition, ledger, position, elapsed, self._now)
        self._counts = event.counts
        self._share()

    def _on_counts_changed(self, event: CountsChanged) -> None:
        self._counts = event.counts
        self._share()

    def _on_revoking(self, event: Revoking) -> None:
        self._stats.rebalances["revoked"] += 1
        for partition in event.partitions:
            state = self._partitions.get(partition)
            if state is not None:
                if state not in self._revoking:
                    self._revoking.append(state)
                state.deadline = event.deadline
        if not self._revoking:
            self._out.append(Release({}))

    def _on_lost(self, event: Lost) -> None:
        self._stats.rebalances["lost"] += 1
        held = len(self._partitions)
        for partition in event.partitions:
            state = self._partitions.get(partition)
            if state is not None:
                self._lose(state)
        if len(self._partitions) < held:
            self._share()

    def _lose(self, state: PartitionState) -> None:
        """Give up what is ours no longer: nothing of it may be committed, whatever was asked for before."""
        self._give_up(state)
        if state in self._revoking:
            self._revoking.remove(state)
            if not self._revoking:
                self._out.append(Release({}))

    def _release(self) -> None:
        """Let revoked partitions go together, once nothing of them is under way or their time is up."""
        revoking = self._revoking
        if any(state.in_flight and self._now < (state.deadline or 0.0) for state in revoking):
            return
        positions: dict[Partition, Position] = {}
        for state in revoking:
            positions[state.partition] = self._commits.position(state)
            self._give_up(state)
        self._revoking = []
        self._share()
        self._out.append(Release(positions))

    def _share(self) -> None:
        """Take what our partitions are of all; of those that are gone, before anybody else has it."""
        ours, counts = self._partitions, self._counts
        # Exactly one replica has the first partition of the first topic: it rounds up where the others round down.
        first = Partition(min(counts, default=""), 0)
        self._gate.set_share(min(1.0, len(ours) / max(sum(counts.values()), 1)), rounds_up=first in ours)
        self._backpressure.set_partitions(ours)

    def _give_up(self, state: PartitionState) -> None:
        state.alive = False
        self._partitions.pop(state.partition, None)
        self._stats.gap_offsets += state.ledger.restored_holes_closed
        for (mapping, event_type), number in state.unended.items():
            if number:
                self._stats.ended[mapping, event_type, "released", ""] += number
        # What was not sent goes with it; requests under way keep their permits until they end.
        self._dispatcher.forget_given_up()
        self._dead_letters.forget_given_up()
        if not self._dead_letters.failing:
            self._halts.end(HaltReason.DEAD_LETTER_UNAVAILABLE)
        self._end_a_halt_without_partitions()

    def _end_a_halt_without_partitions(self) -> None:
        if not self._partitions and self._halts.only(HaltReason.WEBHOOK_REFUSED):
            # It could never find out that the webhook is well again; where it is not, one more refusal will say so.
            self._gate.stand_still(halted=False)
            self._halts.end(HaltReason.WEBHOOK_REFUSED)

    def _on_tick(self) -> None:
        # The timer is spent, be it a moment too early, as asyncio's may be: it has to be asked for again.
        self._timer = NEVER

    def _on_stop(self) -> None:
        self._stopping = True

    # ---- records come in

    def _on_polled(self, event: Polled) -> None:
        stats, partitions, touched = self._stats, self._partitions, self._backpressure.touched
        stats.records += len(event.records)
        for record in event.records:
            state = partitions.get(record.partition)
            if state is None:
                stats.stale += 1
                continue
            touched.add(state)
            if state.ledger.poll(record.offset):
                self._take_in(state, record)
            else:
                stats.already_done += 1

    def _take_in(self, state: PartitionState, record: Record) -> None:
        stats = self._stats
        opened: OpenRecord | None = None
        if self._delivered is not None:
            record = record._replace(planned=self._without_repeats(record.planned, self._delivered))
        for plan in record.planned:
            key = (plan.mapping, plan.event_type)
            stats.planned[key] += 1
            if isinstance(plan, Skip):
                stats.ended[plan.mapping, plan.event_type, "skipped", plan.reason] += 1
                self._dead_letters.guard.count(failure=False)
                continue
            if opened is None:
                planned = record.planned
                unended = 1 if len(planned) == 1 else sum(not isinstance(p, Skip) for p in planned)
                self._admitted += 1
                opened = state.admit(record, unended, self._now, self._gate.open_seconds, self._admitted)
            state.unended[key] += 1
            delivery = Delivery(opened, plan)
            if isinstance(plan, Post):
                if state.join_lane(delivery, plan.lane):
                    self._dispatcher.ready(delivery, self._now)
            else:
                detail = "; ".join(f"{error.field}: {error.message}" for error in plan.errors)
                self._dead_letter(delivery, plan.stage, plan.reason, detail=detail)
        if opened is None:
            state.ledger.done(record.offset)

    @staticmethod
    def _without_repeats(planned: Sequence[Planned], delivered: Delivered) -> Sequence[Planned]:
        return [
            Skip(SkipReason.DUPLICATE, plan.mapping, plan.event_type)
            if isinstance(plan, Post) and (plan.mapping, plan.message_id) in delivered
            else plan
            for plan in planned
        ]

    # ---- answers come back

    def _on_completed(self, event: Completed) -> None:
        for answer in event.answers:
            self._on_answer(answer, event.unix_ms)

    def _on_answer(self, answer: Answer, unix_ms: int) -> None:
        stats = self._stats
        verdict = self._settings.retry.verdict(answer.status, answer.failure, len(answer.send.bodies))
        what = answer.failure.value if answer.failure is not None else str(answer.status)
        stats.attempts[verdict.value, what] += 1
        stats.attempt_seconds.observe(answer.seconds)
        if self._gate.finish(answer, verdict):
            if self._gate.halted:
                self._halts.begin(HaltReason.WEBHOOK_REFUSED, what)
                self._end_a_halt_without_partitions()  # the answers may come after the last partition has gone
            else:
                self._halts.end(HaltReason.WEBHOOK_REFUSED)
        request, statuses = self._dispatcher.answered(answer)
        if answer.statuses is not None:
            self._on_statuses(request, statuses, answer, unix_ms)
        elif request.deliveries:
            self._on_verdict(request, verdict, answer, what, unix_ms)

    def _on_statuses(self, request: Request, statuses: Sequence[int], answer: Answer, unix_ms: int) -> None:
        """An answer that says what became of each delivery: those with the same end go on together."""
        by_status: dict[int, list[Delivery]] = defaultdict(list)
        for delivery, status in zip(request.deliveries, statuses, strict=True):
            by_status[status].append(delivery)
        for status, deliveries in by_status.items():
            part = Request(deliveries, request.attempts)
            verdict = self._settings.retry.verdict(status, None, 1)
            self._on_verdict(part, verdict, answer._replace(status=status), str(status), unix_ms)

    def _on_verdict(self, request: Request, verdict: Verdict, answer: Answer, what: str, unix_ms: int) -> None:
        stats, deliveries = self._stats, request.deliveries
        if verdict is Verdict.DELIVERED:
            self._last_delivered_at = self._now
            for delivery in deliveries:
                if unix_ms and delivery.of.record.timestamp_ms:
                    stats.delivery_seconds.observe((unix_ms - delivery.of.record.timestamp_ms) / 1000.0)
                self._end(delivery, "delivered", "")
        elif verdict is Verdict.REJECT:
            for delivery in deliveries:
                self._refuse(delivery, DeliverReason.HTTP_REJECTED, answer)
        elif verdict is Verdict.BISECT and len(deliveries) > 1:
            middle = len(deliveries) // 2
            self._dispatcher.again((Request(deliveries[:middle]), Request(deliveries[middle:])))
        elif verdict is Verdict.BISECT:
            # The others left it while it was under way, so nobody knows whose fault it was: once more, alone.
            self._dispatcher.again((Request(deliveries),))
        else:
            self._retry(request, answer, what)

    def _retry(self, request: Request, answer: Answer, what: str) -> None:
        policy = self._settings.retry
        if self._now - self._last_delivered_at <= policy.outage_seconds:
            waiting = []
            for delivery in request.deliveries:
                if self._budget_spent(delivery):
                    self._refuse(delivery, DeliverReason.RETRY_BUDGET_SPENT, answer)
                else:
                    waiting.append(delivery)
            request.deliveries = waiting
        if request.deliveries:
            self._stats.retries[what] += 1
            at = self._now + policy.delay(request.attempts, self._random)
            self._dispatcher.park(request, at)

    def _budget_spent(self, delivery: Delivery) -> bool:
        first = delivery.first_attempt
        return first is not None and self._gate.open_seconds - first >= self._settings.retry.budget_seconds

    def _end(self, delivery: Delivery, outcome: str, reason: str) -> None:
        """A delivery has ended: count it, hand its lane on, close its record's offset with its last one."""
        opened, plan = delivery.of, delivery.plan
        owner = opened.owner
        owner.unended[plan.mapping, plan.event_type] -= 1
        self._stats.ended[plan.mapping, plan.event_type, outcome, reason] += 1
        if isinstance(plan, Post):
            if self._delivered is not None and outcome == "delivered":
                self._delivered.mark(plan.mapping, plan.message_id)
            following = owner.leave_lane(delivery, plan.lane)
            if following is not None:
                self._dispatcher.ready(following, self._now)
        # Failures at these stages were counted when their letters were written.
        if outcome == "delivered" or (isinstance(plan, Reject) and plan.stage is not Stage.DECODE):
            self._dead_letters.guard.count(failure=False)
        if not delivery.ends():
            owner.finish(opened)
            self._backpressure.touched.add(owner)

    # ---- dead letters

    def _refuse(self, delivery: Delivery, reason: DeliverReason, answer: Answer) -> None:
        self._dead_letter(delivery, Stage.DELIVER, reason, answer=answer)

    def _dead_letter(
        self,
        delivery: Delivery,
        stage: Stage,
        reason: RejectReason | DecodeReason | DeliverReason,
        *,
        detail: str = "",
        answer: Answer | None = None,
    ) -> None:
        self._letters += 1
        record = delivery.of.record
        letter = DeadLetter(
            ident=self._letters,
            partition=record.partition,
            offset=record.offset,
            source=record.source,
            stage=stage,
            reason=reason,
            mapping=delivery.plan.mapping,
            detail=detail,
            body=delivery.plan.body if isinstance(delivery.plan, Post) else b"",
            status=answer.status if answer is not None else 0,
            excerpt=answer.excerpt if answer is not None else "",
            attempts=answer.send.attempt if answer is not None else 0,
            event=delivery.plan.event,
        )
        if not self._dead_letters.add(delivery, letter):
            self._gate.stand_still(halted=True)
            self._halts.begin(HaltReason.DEAD_LETTER_RATIO, f"{stage.value}: {reason.value}")

    def _on_dead_letters_written(self, event: DeadLettersWritten) -> None:
        for letter in event.acknowledged:
            delivery = self._dead_letters.acknowledged(letter)
            if delivery is None:
                self._stats.stale += 1
            else:
                self._end(delivery, "dead_lettered", letter.reason.value)
        if event.acknowledged:
            self._halts.end(HaltReason.DEAD_LETTER_UNAVAILABLE)
        for letter in event.failed:
            self._stats.dead_letter_failures += 1
            if self._dead_letters.failed(letter, self._now):
                self._halts.begin(HaltReason.DEAD_LETTER_UNAVAILABLE)

    def _on_reset(self) -> None:
        if HaltReason.DEAD_LETTER_RATIO in self._halts:
            self._halts.end(HaltReason.DEAD_LETTER_RATIO)
            # The gate is open now, whatever else had closed it; a webhook that still refuses closes it again.
            self._gate.stand_still(halted=False)
            self._halts.end(HaltReason.WEBHOOK_REFUSED)
        self._dead_letters.reset()

    # ---- lanes that fill their partition

    def _relieve(self) -> None:
        """Apply the lane policy to partitions that have been full for too long while others were delivered."""
        settings = self._settings
        if self._now < self._relieve_at:
            return
        self._relieve_at = self._now + _RELIEVE_SECONDS
        if self._halts or self._now - self._last_delivered_at > settings.retry.outage_seconds:
            return
        for state in self._partitions.values():
            if state.full_since is None or self._now - state.full_since < settings.lane_patience_seconds:
                continue
            delivery = self._dispatcher.oldest_failing(state.partition)
            if delivery is None:
                continue
            if settings.lane_policy is LanePolicy.DEAD_LETTER_EVENT:
                delivery.given_up = True
                self._dead_letter(delivery, Stage.DELIVER, DeliverReason.LANE_POLICY)
            else:
                following = state.release_lane(delivery)
                if following is not None:
                    self._dispatcher.ready(following, self._now)

    # ---- what follows from the state

    def _pause(self) -> None:
        """Pause what `Backpressure` says; everything in a halt."""
        still = bool(self._halts) and not self._wants_another()
        busy = self._dispatcher.waiting > 0 or (still if self._halts else self._gate.probing)
        full = self._backpressure.paused(self._now, busy=busy)
        wanted = self._backpressure.all if self._stopping or still else full
        if wanted is not self._paused and wanted != self._paused:
            self._paused = wanted
            self._out.append(Pause(wanted))

    def _wants_another(self) -> bool:
        """Whether a halt needs records.

        A webhook that refuses is tried with an event that waits. Where none does, or those that do fail for reasons of
        their own, others have to come in for that.
        """
        gate, dispatcher = self._gate, self._dispatcher
        return self._halts.only(HaltReason.WEBHOOK_REFUSED) and (
            dispatcher.idle or (gate.undecided and not dispatcher.fresh)
        )

    def _set_timer(self) -> None:
        at = self._dead_letters.wake_at
        if not self._stopping:
            at = min(at, self._dispatcher.wake_at, self._backpressure.wake_at)
        for state in self._revoking:
            at = min(at, state.deadline or at)
        if not self._revoking:
            at = min(at, self._commits.wake_at(self._partitions.values()))
        if self._paused and self._settings.lane_policy is not LanePolicy.BLOCK:
            at = min(at, self._relieve_at)
        if at != self._timer and at < NEVER:
            self._out.append(Timer(at))
        self._timer = at

    # ---- what can be seen

    def snapshot(self) -> Snapshot:
        """The machine as it stands, for metrics and the status page."""
        in_progress: dict[str, int] = defaultdict(int)
        for state in self._partitions.values():
            for (mapping, _), number in state.unended.items():
                in_progress[mapping] += number
        self._stats.gate_seconds.update({held.value: s for held, s in self._gate.held_seconds.items()})
        held, halt = self._gate.held, self._halts.shown
        return Snapshot(
            state="stopping" if self._stopping else "halted" if self._halts else "running",
            halt_reason=halt.value if halt is not None else "",
            held_by=held.value if held is not None else "",
            stats=self._stats,
            in_progress=dict(in_progress),
            waiting=self._dispatcher.waiting,
            parked=self._dispatcher.parked,
            in_flight=self._gate.in_flight,
            share=self._gate.share,
            concurrency_limit=self._gate.limit,
            rate_per_second=self._gate.rate_per_second,
            dead_letters_pending=self._dead_letters.waiting,
            partitions=[
                state.view(self._now, paused=partition in self._paused) for partition, state in self._partitions.items()
            ],
        )

    @property
    def settled(self) -> bool:
        """Whether nothing is under way, waiting or to be committed: what a drain and the demo wait for."""
        return not any(state.open or state.changed for state in self._partitions.values())
