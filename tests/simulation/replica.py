"""One process: the machine and its driver, on virtual time. It may die at any point, between two actions too."""

from __future__ import annotations

from collections import deque
from functools import partial
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any

from consumer.delivery.halt import HaltReason
from consumer.delivery.machine import Machine
from consumer.delivery.messages import (
    Answer,
    Assigned,
    Commit,
    Committed,
    Completed,
    DeadLetter,
    DeadLettersWritten,
    HaltChanged,
    Lost,
    Pause,
    Polled,
    Probe,
    Release,
    Reset,
    Revoking,
    Send,
    Stop,
    Tick,
    Timer,
)
from tests.simulation.kafka import Expelled, KafkaSide
from tests.simulation.promise import Tenure, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.delivery.messages import Event, Partition
    from tests.simulation.entries import Delivery
    from tests.simulation.history import World

_TICK = Tick()
_LEAVING_SECONDS = (0.0, 0.0, 0.004, 0.0, 0.012)
_LOOK_AFTER_SECONDS = 20.0
"""A person looks at a halted process this much later."""


class Replica:
    """See the module.

    Attributes:
        tenures: the partitions that the machine believes to be its own.
        in_flight: requests without an answer.
        share: of rate and concurrency, as the machine was told.
        closed_until: a Retry-After's end.
        partitions_before: how many it had when it last took records in.
        has_enough: whether its memory is full, and of something that could be sent.
        crammed: how often it has taken records in nevertheless.
        remembered: what it is to remember of deliveries with a 2xx, oldest first.
        crash_after: dies after this many more actions.
    """

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._clock = world.clock
        self._random = Random(world.random.getrandbits(32))
        self.name = name
        # Each process has a clock of its own: nothing may depend on what it shows.
        self._skew = self._random.choice((0.0, 1.0, 86_400.123, 1e6))
        self.machine = Machine(world.settings, Random(self._random.getrandbits(32)), self._mine)
        self.kafka = KafkaSide(world.broker, self._tell, world.promise.forgotten)
        self.tenures: dict[Partition, Tenure] = {}
        self.in_flight = 0
        self.share = 1.0
        self.closed_until = 0.0
        self.delivered_at = float("-inf")
        self.partitions_before = 1
        self.has_enough = False
        self.crammed = 0
        self.remembered: dict[tuple[str, str], None] = {}
        self.dead = False
        self.crash_after: int | None = None
        self.frozen_until = 0.0
        self._told_until = 0.0
        self._inbox: deque[tuple[Event | Expelled, int, int]] = deque()
        self._epoch = 0
        self._reply_number = 0
        self._timer = 0
        self._answers: list[tuple[Answer, list[tuple[Delivery, Tenure]]]] = []
        self._acknowledged: list[tuple[DeadLetter, Delivery, Tenure]] = []
        self._failed: list[DeadLetter] = []
        self._turn_due = False
        self._turns = 0
        self._left_until = 0.0
        self._do: dict[type, Callable[[Any], None]] = {
            Send: self._send,
            DeadLetter: self._letter,
            Commit: self._commit,
            Release: self._release,
            Pause: lambda action: self.kafka.pause(action.partitions),
            Timer: self._set_timer,
            HaltChanged: self._halted,
            Probe: lambda _: None,
        }

    @property
    def _mine(self) -> float:
        """This process's monotonic clock."""
        return self._clock.now + self._skew

    # ---- life

    def start(self) -> None:
        """Join the group."""
        self.kafka.join()

    def die(self) -> None:
        """Be killed: what is in memory is gone, what is under way may arrive."""
        if self.dead:
            return
        self.dead = True
        self._world.note("%s dies", self.name)
        self.kafka.die()
        self._hand_over(list(self.tenures))

    def stop(self, stopped: Callable[[], None]) -> None:
        """Be told to stop (SIGTERM)."""
        if not self.dead:
            self._world.note("%s is told to stop", self.name)
            self.turn(Stop())
            self.kafka.stop(partial(self._stopped, stopped))

    def _stopped(self, stopped: Callable[[], None]) -> None:
        self.dead = True
        self._hand_over(list(self.tenures))
        self._world.note("%s has stopped", self.name)
        stopped()

    def _hand_over(self, partitions: list[Partition]) -> None:
        for partition in partitions:
            tenure = self.tenures.pop(partition, None)
            if tenure is not None:
                self._world.promise.handed_over(tenure)

    # ---- what the machine hears

    def turn(self, event: Event) -> None:
        """One call of the machine, and what it says is done."""
        if self.dead:
            return
        world = self._world
        try:
            actions = self.machine.handle(event, self._mine)
        except Exception as error:
            raise Violation("raised", f"{type(error).__name__}: {error}") from error
        if world.trace is not None and (said := world.show.turn(self.name, event, actions)) is not None:
            world.note("%s", said)
        do = self._do
        sends = sum(type(action) is Send for action in actions) if world.settings.gate.requests_per_second else 0
        if sends:
            # They leave once the loop has turned; the machine hears of it then.
            seconds = _LEAVING_SECONDS[self._turns % len(_LEAVING_SECONDS)]
            self._left_until = max(self._left_until, self._clock.now + seconds)
            self._clock.at(self._left_until, self._written, sends)
            self._turns += 1
        for action in actions:
            if self.crash_after is not None:
                if self.crash_after <= 0:
                    self.die()
                    return
                self.crash_after -= 1
            do[type(action)](action)
        world.promise.turned(self)
        if event is not _TICK:
            world.promise.balances(self)

    def _written(self, sends: int) -> None:
        if not self.dead:
            self._world.promise.left(self, sends, self._clock.now)
            self.machine.written(self._mine)

    def _tell(self, event: Event | Expelled) -> None:
        """From the Kafka side: arrives in order, a moment later."""
        self._told_until = max(self._told_until, self._clock.now + 0.01 * self._random.random())
        self._inbox.append((event, self.kafka.epoch, self.kafka.reply_number))
        self._clock.at(self._told_until, self._told)

    def _told(self) -> None:
        if self.dead:
            return
        if self._clock.now < self.frozen_until:
            # One call a message, the oldest first: a loop that freezes twice must not mix up their order.
            self._clock.at(self.frozen_until, self._told)
            return
        event, epoch, reply_number = self._inbox.popleft()
        match event:
            case Assigned(positions, counts):
                self._epoch = epoch
                self._hand_over(list(positions))
                open_seconds = self.machine._gate.open_seconds
                for partition, position in positions.items():
                    self.tenures[partition] = Tenure(partition, position, open_seconds)
                    if partition in self.kafka.held:  # else it stood still, and others have been given it since
                        self._world.promise.assigned(self.tenures[partition])
                self.share = len(self.tenures) / sum(counts.values())
            case Lost(partitions):
                self._hand_over(list(partitions))
            case Expelled(partitions):
                self._hand_over(list(partitions))
                self.kafka.zombie = False
                event = Lost(partitions)
            case Revoking(partitions, seconds):
                event = Revoking(partitions, self._mine + seconds)
                self._reply_number = reply_number
            case Polled(records):
                self._world.promise.polled(self, records)
        self.turn(event)
        if type(event) is Polled and not self.dead:
            self._world.promise.held(self, event.records)
            self.kafka.took()

    def _tick(self, number: int) -> None:
        if number == self._timer and not self.dead:
            if self._clock.now < self.frozen_until:
                self._clock.at(self.frozen_until, self._tick, number)
            else:
                self.turn(_TICK)

    def _answer(self, answer: Answer, deliveries: list[tuple[Delivery, Tenure]]) -> None:
        self._world.webhook.under_way -= 1
        if not self.dead:
            self._answers.append((answer, deliveries))
            self._want_turn()

    def _letter_ended(self, letter: DeadLetter, delivery: Delivery, tenure: Tenure, ok: bool) -> None:
        if self.dead:
            return
        if ok:
            self._acknowledged.append((letter, delivery, tenure))
        else:
            self._failed.append(letter)
        self._want_turn()

    def _want_turn(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._clock.at(max(self._clock.now, self.frozen_until), self._turn_with_what_came)

    def _turn_with_what_came(self) -> None:
        self._turn_due = False
        if self._clock.now < self.frozen_until:
            self._want_turn()
            return
        promise, now = self._world.promise, self._clock.now
        if self._answers and not self.dead:
            answers, self._answers = self._answers, []
            self.in_flight -= len(answers)
            for answer, deliveries in answers:
                promise.answered(self, answer, deliveries, now)
            self.turn(Completed([answer for answer, _ in answers]))
        if (self._acknowledged or self._failed) and not self.dead:
            acknowledged, self._acknowledged = self._acknowledged, []
            failed, self._failed = self._failed, []
            for _, delivery, tenure in acknowledged:
                promise.ended(self, delivery, tenure)
            self.turn(DeadLettersWritten([letter for letter, _, _ in acknowledged], failed))

    # ---- what the machine says

    def _send(self, send: Send) -> None:
        world, now = self._world, self._clock.now
        deliveries = [world.deliveries[int(body)] for body in send.bodies]
        self.in_flight += 1
        world.promise.sent(self, deliveries, send.attempt, now)
        world.webhook.under_way += 1
        reply = world.webhook.post(deliveries, now)
        world.coverage[str(reply.failure or reply.status)] += 1
        if reply.accepted:
            for delivery, status in zip(deliveries, reply.statuses or [200] * len(deliveries), strict=True):
                if status == 200:
                    world.promise.accepted(self, delivery, told=reply.status == 200)
        answer = Answer(send, reply.status, reply.failure, reply.retry_after, reply.seconds, "", reply.statuses)
        sent = [(delivery, self.tenures[delivery.entry.partition]) for delivery in deliveries]
        # Answers come in bunches: the loop turns once for all that are there.
        self._clock.at(ceil((now + reply.seconds) * 100.0) / 100.0, self._answer, answer, sent)

    def _letter(self, letter: DeadLetter) -> None:
        world = self._world
        entry = letter.source
        delivery = entry.deliveries[int(letter.mapping.removeprefix("mapping "))]  # type: ignore[attr-defined] # an Entry
        world.promise.letter(self, letter, delivery, self._clock.now)
        seconds, ok = world.letter_written(cut=self.kafka.cut)
        tenure = self.tenures[letter.partition]
        self._clock.after(seconds, self._letter_ended, letter, delivery, tenure, ok)

    def _commit(self, action: Commit) -> None:
        promise = self._world.promise
        left_out = promise.commits(self, action.positions, self._clock.now)
        made_up = {p: (self.tenures[p], len(self.tenures[p].ends)) for p in action.positions}

        def done(event: Committed, applied: bool) -> None:
            if applied:
                for partition in event.positions:
                    tenure, ends = made_up[partition]
                    promise.took(tenure, ends, left_out.get(partition))
            if not self.dead:
                self._tell(event)

        self.kafka.commit(action.positions, self._epoch, done)

    def _release(self, action: Release) -> None:
        left_out = self._world.promise.commits(self, action.positions, self._clock.now)
        applied = self.kafka.release(action.positions, self._reply_number)
        for partition in action.positions:
            if applied:
                tenure = self.tenures[partition]
                self._world.promise.took(tenure, len(tenure.ends), left_out.get(partition))
        self._hand_over(list(action.positions))

    def _set_timer(self, action: Timer) -> None:
        self._timer += 1
        chance = self._random.random()
        # asyncio may call by its clock's resolution too early, and often calls late.
        late = -1e-9 if chance < 0.05 else 0.0 if chance < 0.7 else 0.004 * self._random.random()
        self._clock.at(action.at - self._skew + late, self._tick, self._timer)

    def _halted(self, action: HaltChanged) -> None:
        self._world.coverage[f"halt {action.reason.value}" if action.reason else "halt ends"] += 1
        if action.reason is HaltReason.DEAD_LETTER_RATIO:
            self._clock.after(_LOOK_AFTER_SECONDS, self.turn, Reset())
