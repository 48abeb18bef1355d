"""One machine against a webhook that behaves as a scenario file says, on virtual time: what the gate makes of it.

A scenario names the limits, what the webhook does from when to when, and the ranges in which the figures must lie.
There is always work: each record has a lane of its own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import yaml

from consumer.delivery.gate import GateSettings
from consumer.delivery.machine import Machine
from consumer.delivery.messages import (
    Answer,
    Assigned,
    Commit,
    Committed,
    Completed,
    DeadLetter,
    DeadLettersWritten,
    Partition,
    Pause,
    Polled,
    Position,
    Record,
    Send,
    Tick,
    Timer,
)
from consumer.delivery.settings import DeliverySettings
from consumer.outcomes import Action, FailureKind, Post
from tests.simulation.clock import Clock

if TYPE_CHECKING:
    from consumer.delivery.messages import Event

FOLDER = Path(__file__).parent / "scenarios"
TIMEOUT_SECONDS = 15.0
_AHEAD = 300
_P = Partition("events", 0)


@dataclass(frozen=True, slots=True)
class Phase:
    """How the webhook behaves for a while.

    Attributes:
        until_seconds: when it ends.
        latency_ms: between these, evenly.
        share_503, share_dropped: of the requests, by chance; a dropped one is a connection reset.
        most_per_second: above it 429, with ``retry_after_seconds`` where that is given.
        most_connections: above it 503.
        outage: down (connections refused), hang (no answer), or "".
    """

    until_seconds: float
    latency_ms: tuple[float, float] = (20.0, 60.0)
    share_503: float = 0.0
    share_dropped: float = 0.0
    most_per_second: int | None = None
    retry_after_seconds: float | None = None
    most_connections: int | None = None
    outage: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario file.

    Attributes:
        capacity_per_second: what could be delivered at best, for the share of it.
        measured_seconds: from when to when the figures are taken.
        expect: lowest and highest of each figure.
    """

    name: str
    about: str
    rate_per_second: float | None
    concurrency: int
    capacity_per_second: float
    measured_seconds: tuple[float, float]
    webhook: tuple[Phase, ...]
    expect: dict[str, tuple[float, float]]
    burst_requests: int = 1


@dataclass(slots=True)
class Seen:
    """What happened: times of requests, of deliveries, of failures; what was dead-lettered."""

    requests: list[float] = field(default_factory=list)
    delivered: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    dead_letters: int = 0
    most_connections: int = 0


def load(name: str) -> Scenario:
    """Read a scenario file."""
    raw: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    phases = tuple(
        Phase(**{key: tuple(value) if isinstance(value, list) else value for key, value in phase.items()})
        for phase in raw.pop("webhook")
    )
    expect = {figure: (float(low), float(high)) for figure, (low, high) in raw.pop("expect").items()}
    first, last = raw.pop("measured_seconds")
    return Scenario(name, webhook=phases, expect=expect, measured_seconds=(float(first), float(last)), **raw)


class Bench:
    """Runs one scenario."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario = scenario
        self._random = Random(f"{scenario.name} {seed}")
        self._clock = Clock()
        gate = GateSettings(
            requests_per_second=scenario.rate_per_second,
            burst_requests=scenario.burst_requests,
            concurrency=scenario.concurrency,
        )
        self._machine = Machine(DeliverySettings(gate=gate), Random(seed), 0.0)
        self._offset = 0
        self._paused = False
        self._timer = 0
        self._connections = 0
        self._accepted: deque[float] = deque()
        self.seen = Seen()

    def run(self) -> Seen:
        """Let it happen."""
        self._turn(Assigned({_P: Position(0)}, {_P.topic: 1}))
        self._feed()
        self._clock.run(self._scenario.webhook[-1].until_seconds)
        return self.seen

    def _turn(self, event: Event) -> None:
        for action in self._machine.handle(event, self._clock.now):
            match action:
                case Send():
                    self._send(action)
                case Timer(at):
                    self._timer += 1
                    self._clock.at(at, self._tick, self._timer)
                case Commit(positions):
                    self._clock.after(0.005, self._turn, Committed(positions, ok=True))
                case DeadLetter():
                    self.seen.dead_letters += 1
                    self._clock.after(0.005, self._turn, DeadLettersWritten([action]))
                case Pause(partitions):
                    self._paused = bool(partitions)

    def _tick(self, number: int) -> None:
        if number == self._timer:
            self._turn(Tick())

    def _feed(self) -> None:
        """Keep some records ahead, unless it has enough."""
        self._clock.after(0.1 if self._scenario.rate_per_second is None else 1.0, self._feed)
        waiting = self._machine._dispatcher.waiting
        if self._paused or waiting >= _AHEAD:
            return
        records = []
        for _ in range(_AHEAD - waiting):
            body = b"%d" % self._offset
            plan = Post("mapping", Action.SEND_CONTACT, f"lane {self._offset}", body, "", "identify")
            records.append(Record(_P, self._offset, 300, (plan,), None))
            self._offset += 1
        self._turn(Polled(records))

    def _send(self, send: Send) -> None:
        now = self._clock.now
        self.seen.requests.append(now)
        self._connections += 1
        self.seen.most_connections = max(self.seen.most_connections, self._connections)
        answer = self._answer(send, next(p for p in self._scenario.webhook if now <= p.until_seconds), now)
        self._clock.after(answer.seconds, self._answered, answer)

    def _answer(self, send: Send, phase: Phase, now: float) -> Answer:
        seconds = self._random.uniform(*phase.latency_ms) / 1000.0
        if phase.outage == "down":
            return Answer(send, 0, FailureKind.CONNECT, seconds=0.002)
        if phase.outage == "hang":
            return Answer(send, 0, FailureKind.TIMEOUT, seconds=TIMEOUT_SECONDS)
        chance = self._random.random()
        if chance < phase.share_503:
            return Answer(send, 503, seconds=seconds)
        if chance < phase.share_503 + phase.share_dropped:
            return Answer(send, 0, FailureKind.RESET, seconds=seconds)
        if phase.most_connections is not None and self._connections > phase.most_connections:
            return Answer(send, 503, seconds=0.005)
        if phase.most_per_second is not None:
            while self._accepted and self._accepted[0] <= now - 1.0:
                self._accepted.popleft()
            if len(self._accepted) >= phase.most_per_second:
                return Answer(send, 429, retry_after=phase.retry_after_seconds, seconds=0.005)
            self._accepted.append(now)
        return Answer(send, 200, seconds=seconds)

    def _answered(self, answer: Answer) -> None:
        self._connections -= 1
        (self.seen.delivered if answer.status == 200 else self.seen.failed).append(self._clock.now)
        self._turn(Completed([answer]))


def figures(scenario: Scenario, seen: Seen) -> dict[str, float]:
    """Everything that a scenario can expect something of."""
    first, last = scenario.measured_seconds
    delivered = _between(seen.delivered, first, last)
    failed = _between(seen.failed, first, last)
    outages = [
        (before.until_seconds, phase.until_seconds)
        for before, phase in zip(scenario.webhook, scenario.webhook[1:], strict=False)
        if phase.outage
    ]
    result = {
        "delivered_per_second": delivered / (last - first),
        "share_of_capacity": delivered / (last - first) / scenario.capacity_per_second,
        "share_failed": failed / max(1, delivered + failed),
        "most_in_a_second": max(_between(seen.requests, at, at + 1.0) for at in seen.requests),
        "most_connections": seen.most_connections,
        "dead_letters": seen.dead_letters,
    }
    if outages:
        _, end = outages[-1]
        result["requests_in_the_outage"] = sum(_between(seen.requests, *outage) for outage in outages)
        result["seconds_to_recover"] = _recovered(seen.delivered, end, scenario.capacity_per_second) - end
    return result


def _between(times: list[float], first: float, last: float) -> int:
    """How many lie from the first, included, to the last, excluded."""
    return bisect_left(times, last) - bisect_left(times, first)


def _recovered(delivered: list[float], end: float, capacity: float) -> float:
    """From when on nine tenths of the capacity were delivered over ten seconds."""
    at = end
    for time in delivered[bisect_right(delivered, end) :]:
        at = time
        if _between(delivered, at, at + 10.0) >= 9.0 * capacity:
            return at
    return float("inf") if at == end else at + 1e9
