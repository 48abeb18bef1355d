"""Requests: made up from ready deliveries, started when the gate lets them, parked until their retry time.

A delivery is ready when it is the first of its lane. Requests that are due again go before fresh ones: they are older.
A request keeps its deliveries over all its attempts, except that a batch may be halved, and that deliveries whose
partition was given up leave it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from consumer.delivery.gate import NEVER, Gate
from consumer.delivery.messages import Probe, Send
from consumer.outcomes import Post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.delivery.messages import Action, Answer
    from consumer.delivery.partition import Delivery
    from consumer.delivery.snapshot import Stats


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """How many deliveries a request carries.

    Attributes:
        max_events: 1 is ChartMogul's webhook itself: one object a POST.
        max_bytes: of bodies; one delivery is sent however large it is.
        linger_seconds: how long a request that is not full waits for more.
    """

    max_events: int = 1
    max_bytes: int = 524_288
    linger_seconds: float = 0.0


class Request:
    """Deliveries that travel together, over all their attempts."""

    __slots__ = ("attempts", "deliveries")

    def __init__(self, deliveries: list[Delivery], attempts: int = 0) -> None:
        self.deliveries = deliveries
        self.attempts = attempts


class Dispatcher:
    """Everything that waits to be sent or is under way. Appends `Send` and `Probe` to ``out``."""

    def __init__(self, settings: BatchSettings, gate: Gate, stats: Stats, out: list[Action], now: float) -> None:
        self._settings = settings
        self._gate = gate
        self._stats = stats
        self._out = out
        self._ident = 0
        self._ready: deque[Delivery] = deque()
        self._ready_since = now
        """Since when the oldest ready delivery has waited for its request to fill."""
        self._due: deque[Request] = deque()
        self._parked: list[tuple[float, int, Request]] = []
        self._in_flight: dict[int, Request] = {}
        self.wake_at = NEVER
        """When something can be sent next, as far as time decides it."""

    def ready(self, delivery: Delivery, now: float) -> None:
        """A delivery has come first in its lane."""
        if not self._ready:
            self._ready_since = now
        self._ready.append(delivery)

    def again(self, requests: Sequence[Request]) -> None:
        """Send these before anything else: the halves of a batch."""
        self._due.extendleft(reversed(requests))

    def park(self, request: Request, ident: int, at: float) -> None:
        """Send this again at that time."""
        heappush(self._parked, (at, ident, request))

    def answered(self, answer: Answer) -> Request:
        """Take the request that this answers out of those under way; deliveries of partitions given up leave it."""
        request = self._in_flight.pop(answer.send.ident)
        live = []
        for delivery in request.deliveries:
            owner = delivery.of.owner
            if owner.alive:
                owner.in_flight -= 1
                live.append(delivery)
            else:
                self._stats.stale += 1
        request.deliveries = live
        return request

    def forget_given_up(self) -> None:
        """Drop what was not sent of partitions that are no longer ours."""
        self._ready = deque(d for d in self._ready if d.of.owner.alive)

    def run(self, now: float) -> None:
        """Start what the gate lets through; remember what holds the rest, and when to look again."""
        gate, parked = self._gate, self._parked
        while parked and parked[0][0] <= now:
            self._due.append(heappop(parked)[2])
        self.wake_at = parked[0][0] if parked else NEVER
        while self._due or self._ready:
            full_at = self._full_at(now)
            held, at = gate.blocker() if full_at <= now else (None, full_at)
            if held is not None or full_at > now:
                self.wake_at = min(self.wake_at, at)
                gate.hold(held)
                return
            request = self._next(now)
            if request is not None:
                self._send(request)
        gate.hold(None)

    def _full_at(self, now: float) -> float:
        """When the next request is complete: now, or at the end of its linger."""
        settings = self._settings
        if self._due or not settings.linger_seconds or len(self._ready) >= settings.max_events:
            return now
        return self._ready_since + settings.linger_seconds

    def _next(self, now: float) -> Request | None:
        while self._due:
            request = self._due.popleft()
            request.deliveries = [d for d in request.deliveries if d.of.owner.sends]
            if request.deliveries:
                return request
        settings, ready = self._settings, self._ready
        chosen: list[Delivery] = []
        size = 0
        while ready and len(chosen) < settings.max_events:
            delivery = ready[0]
            if delivery.of.owner.sends:
                assert isinstance(delivery.plan, Post)
                size += len(delivery.plan.body)
                if chosen and size > settings.max_bytes:
                    break
                chosen.append(delivery)
            ready.popleft()
        self._ready_since = now
        return Request(chosen) if chosen else None

    def _send(self, request: Request) -> None:
        gate = self._gate
        if gate.halted:
            self._out.append(Probe())
        self._ident += 1
        request.attempts += 1
        self._in_flight[self._ident] = request
        gate.start(self._ident)
        bodies = []
        for delivery in request.deliveries:
            opened = delivery.of
            opened.owner.in_flight += 1
            if opened.first_attempt is None:
                opened.first_attempt = gate.open_seconds
            assert isinstance(delivery.plan, Post)
            bodies.append(delivery.plan.body)
        self._stats.batch_sizes.observe(len(bodies))
        self._out.append(Send(self._ident, bodies, request.attempts))

    @property
    def waiting(self) -> int:
        """Deliveries that could be sent, were the gate open."""
        return len(self._ready) + sum(len(request.deliveries) for request in self._due)

    @property
    def parked(self) -> int:
        """Deliveries that wait for their retry time."""
        return sum(d.of.owner.alive for _, _, request in self._parked for d in request.deliveries)
