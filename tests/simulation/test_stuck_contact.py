"""One contact that always fails does not slow the others of its partition, not even across a restart.

Two runs with the same events at the same times and the same latencies; in one of them a contact is answered 503 from its
first event to the end. In the middle of both, the process is killed and comes back from what was committed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from statistics import fmean, quantiles

import pytest

from consumer.delivery.gate import GateSettings
from consumer.delivery.machine import Machine
from consumer.delivery.messages import (
    Answer,
    Assigned,
    Commit,
    Committed,
    Completed,
    DeadLetter,
    Event,
    Partition,
    Polled,
    Position,
    Record,
    Send,
    Tick,
    Timer,
)
from consumer.delivery.settings import DeliverySettings
from consumer.outcomes import Action, Post
from tests.simulation.clock import Clock

P = Partition("events", 0)
CONTACTS = 500
STUCK = "contact 0"
DOWN_SECONDS = 5.0
POLLED_PER_SECOND = 50_000
"""Records that are read again after a restart, be they done or not; decoding is what takes the time."""


@dataclass
class Traffic:
    """The events: when each is written, whose it is, how long its request takes."""

    count: int
    at: list[float] = field(default_factory=list)
    lanes: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        random, now = Random(5), 0.0
        for _ in range(self.count):
            now += random.expovariate(20.0)
            self.at.append(now)
            self.lanes.append(f"contact {random.randrange(CONTACTS)}")
            self.seconds.append(random.uniform(0.02, 0.2))
        self.lanes[10] = STUCK


class Run:
    """The traffic through one process, killed once."""

    def __init__(self, traffic: Traffic, *, fails: bool) -> None:
        self._traffic = traffic
        self._fails = fails
        self._clock = Clock()
        self._committed = Position(0)
        self._cursor = 0
        self._life = 0
        self._timer = 0
        self.posts = [0] * traffic.count
        self.delivered = [0.0] * traffic.count
        self.longest_map = 0
        self.most_bytes = 0
        self.letters = 0
        self.under_way_at_the_kill = 0
        self.since_the_commit = 0
        self._since: int = 0
        self._under_way = 0
        self._start()
        self._clock.run(traffic.at[-1] / 2.0)
        self._kill()
        self._clock.run(traffic.at[-1] + 60.0)
        self.snapshot = self.machine.snapshot()

    def _start(self) -> None:
        gate = GateSettings(requests_per_second=40.0, concurrency=20)
        self.machine = Machine(DeliverySettings(gate=gate), Random(1), self._clock.now)
        self._cursor = self._committed.offset
        self._turn(self._life, Assigned({P: self._committed}, {P.topic: 1}))
        self._poll(self._life)

    def _kill(self) -> None:
        self._life += 1
        self.under_way_at_the_kill, self.since_the_commit = self._under_way, self._since
        self._since = 0
        self._under_way = 0
        self._clock.after(DOWN_SECONDS, self._start)

    def _turn(self, life: int, event: Event) -> None:
        if life != self._life:
            return
        for action in self.machine.handle(event, self._clock.now):
            match action:
                case Send():
                    self._send(action)
                case Timer(at):
                    self._timer += 1
                    self._clock.at(at, self._tick, life, self._timer)
                case Commit(positions):
                    self._clock.after(0.01, self._commits, life, positions[P], self._since)
                case DeadLetter():
                    self.letters += 1
        self.most_bytes = max(self.most_bytes, sum(s.buffered_bytes for s in self.machine._partitions.values()))

    def _tick(self, life: int, number: int) -> None:
        if number == self._timer:
            self._turn(life, Tick())

    def _poll(self, life: int) -> None:
        if life != self._life:
            return
        traffic, records = self._traffic, []
        while self._cursor < traffic.count and traffic.at[self._cursor] <= self._clock.now and len(records) < 500:
            n = self._cursor
            plan = Post("mapping", Action.SEND_CONTACT, traffic.lanes[n], b"%d" % n, "", "identify")
            records.append(Record(P, n, 500, (plan,), None))
            self._cursor += 1
        if records:
            self._turn(life, Polled(records))
        self._clock.after(max(0.02, len(records) / POLLED_PER_SECOND), self._poll, life)

    def _commits(self, life: int, position: Position, ended: int) -> None:
        self._committed = position
        self._since -= ended if life == self._life else 0
        self.longest_map = max(self.longest_map, len(position.metadata))
        self._turn(life, Committed({P: position}, ok=True))

    def _send(self, send: Send) -> None:
        (body,) = send.bodies
        number = int(body)
        self.posts[number] += 1
        self._under_way += 1
        status = 503 if self._fails and self._traffic.lanes[number] == STUCK else 200
        self._clock.after(self._traffic.seconds[number], self._answer, self._life, number, Answer(send, status))

    def _answer(self, life: int, number: int, answer: Answer) -> None:
        if answer.status == 200 and not self.delivered[number]:
            self.delivered[number] = self._clock.now
        if life == self._life:
            self._under_way -= 1
            self._since += answer.status == 200
            self._turn(life, Completed([answer]))

    def delays(self) -> list[float]:
        """From written to delivered, of everybody else's events."""
        return [
            delivered - at
            for at, delivered, lane in zip(self._traffic.at, self.delivered, self._traffic.lanes, strict=True)
            if lane != STUCK
        ]


@pytest.mark.parametrize("count", [6_000, pytest.param(61_000, marks=pytest.mark.slow)])
def test_one_stuck_contact_does_not_slow_the_others(count: int) -> None:
    traffic = Traffic(count)
    alone, beside = Run(traffic, fails=False), Run(traffic, fails=True)
    others = [n for n, lane in enumerate(traffic.lanes) if lane != STUCK]
    for run in (alone, beside):
        assert all(run.delivered[n] for n in others)
        repeated = sum(run.posts[n] - 1 for n in others)
        assert repeated <= run.under_way_at_the_kill + run.since_the_commit
        assert run.letters == 0
    assert not any(beside.delivered[n] for n, lane in enumerate(traffic.lanes) if lane == STUCK)
    stuck = next(n for n, lane in enumerate(traffic.lanes) if lane == STUCK)
    assert beside.posts[stuck] > 10
    assert beside.snapshot.partitions[0].committed == stuck, "its offset has never passed"
    assert beside.snapshot.stats.already_done > 0.48 * count, "and after the restart nothing is sent again"

    expected, measured = alone.delays(), beside.delays()
    for what, figure in (
        ("mean", fmean),
        ("p50", lambda d: quantiles(d, n=100)[49]),
        ("p99", lambda d: quantiles(d, n=100)[98]),
    ):
        print(
            f"{count} events, {what}: {figure(expected) * 1000:.2f} ms alone, {figure(measured) * 1000:.2f} ms beside it"
        )
        assert figure(measured) <= 1.05 * figure(expected), what
    print(f"longest map {beside.longest_map} characters, most bytes held {beside.most_bytes}")
    assert beside.longest_map < 4096
    assert beside.most_bytes < 2_000_000
