"""Requests: made up from ready deliveries, started when the gate lets them, parked until their retry time.

A delivery is ready when it is the first of its lane. Requests that are due again go before fresh ones: they are older.
But a halt or a breaker is tried with a fresh one where there is one: it would never end by an event that always fails.
A request keeps its deliveries over all its attempts, except that a batch may be halved, and that deliveries whose
partition was given up leave it.
"""

from __future__ import annotations

from collections import deque
from hashlib import sha256
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from msgspec import Struct

from consumer.delivery.messages import Probe, Send
from consumer.delivery.rate import NEVER
from consumer.delivery.ready import ReadyQueue
from consumer.outcomes import Post

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.delivery.gate import Gate
    from consumer.delivery.messages import Action, Answer, Partition
    from consumer.delivery.partition import Delivery
    from consumer.delivery.snapshot import Stats


class BatchSettings(Struct, frozen=True):
    """How many deliveries a request carries.

    Attributes:
        max_events: 1 is ChartMogul's webhook itself: one object a POST.
        max_bytes: of bodies; one delivery is sent however large it is.
        linger_seconds: how long a request that is not full waits for more.
        idempotency_group: the consumer group, where requests are to carry an idempotency key; "" for none.
    """

    max_events: int = 1
    max_bytes: int = 524_288
    linger_seconds: float = 0.0
    idempotency_group: str = ""


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
        self._parks = 0
        self._ready = ReadyQueue()
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

    def park(self, request: Request, at: float) -> None:
        """Send this again at that time."""
        for delivery in request.deliveries:
            delivery.parked = True
        self._parks += 1
        heappush(self._parked, (at, self._parks, request))

    def answered(self, answer: Answer) -> tuple[Request, Sequence[int]]:
        """Take the request that this answers out of those under way.

        Returns:
            The request, without the deliveries of partitions given up, and the status of each that is left in it,
            where the answer has one for each.
        """
        request = self._in_flight.pop(answer.send.ident)
        deliveries, statuses = request.deliveries, answer.statuses or ()
        given_up = 0
        for delivery in deliveries:
            owner = delivery.of.owner
            if owner.alive:
                owner.in_flight -= 1
            else:
                given_up += 1
        if given_up:
            self._stats.stale += given_up
            request.deliveries = [d for d in deliveries if d.of.owner.alive]
            if statuses:
                statuses = [s for d, s in zip(deliveries, statuses, strict=True) if d.of.owner.alive]
        return request, statuses

    def forget_given_up(self) -> None:
        """Drop what was not sent of partitions that are no longer ours."""
        self._ready.keep(lambda delivery: delivery.of.owner.alive)
        for request in (*self._due, *(request for _, _, request in self._parked)):
            request.deliveries = [d for d in request.deliveries if d.of.owner.alive]
        self._due = deque(request for request in self._due if request.deliveries)
        self._parked = [parked for parked in self._parked if parked[2].deliveries]
        heapify(self._parked)

    def run(self, now: float) -> None:
        """Start what the gate lets through; remember what holds the rest, and when to look again."""
        gate, parked = self._gate, self._parked
        while parked and parked[0][0] <= now:
            self._due.append(heappop(parked)[2])
        self.wake_at = parked[0][0] if parked else NEVER
        due, ready, lingers = self._due, self._ready, self._settings.linger_seconds > 0.0
        while due or ready:
            if lingers and (full_at := self._full_at(now)) > now:
                self.wake_at = min(self.wake_at, full_at)
                break
            held, at = gate.blocker()
            if held is not None:
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
        if self._due or len(self._ready) >= settings.max_events:
            return now
        return self._ready_since + settings.linger_seconds

    def _next(self, now: float) -> Request | None:
        while self._due and not (self._ready and self._gate.probing):
            request = self._due.popleft()
            request.deliveries = [d for d in request.deliveries if d.sends]
            if request.deliveries:
                return request
        settings, ready = self._settings, self._ready
        if settings.max_events == 1:
            while ready:
                delivery = ready.pop()
                if delivery.sends:
                    return Request([delivery])
            return None
        chosen: list[Delivery] = []
        size = 0
        while ready and len(chosen) < settings.max_events:
            delivery = ready.first()
            if delivery.sends:
                assert isinstance(delivery.plan, Post)
                size += len(delivery.plan.body)
                if chosen and size > settings.max_bytes:
                    break
                chosen.append(delivery)
            ready.pop()
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
            delivery.of.owner.in_flight += 1
            delivery.starts(gate.open_seconds)
            assert isinstance(delivery.plan, Post)
            bodies.append(delivery.plan.body)
        self._stats.batch_sizes.observe(len(bodies))
        key = self._key(request) if self._settings.idempotency_group else ""
        self._out.append(Send(self._ident, bodies, request.attempts, key))

    def _key(self, request: Request) -> str:
        """A name for these deliveries that another process would give them, too."""
        digest = sha256(self._settings.idempotency_group.encode())
        for delivery in request.deliveries:
            record = delivery.of.record
            assert isinstance(delivery.plan, Post)
            place = (record.partition.topic, record.partition.number, record.offset, delivery.plan.mapping)
            digest.update(repr(place).encode())
            digest.update(delivery.plan.body)
        return digest.hexdigest()[:32]

    def oldest_failing(self, partition: Partition) -> Delivery | None:
        """The oldest delivery of a partition that waits for its retry with others of its lane behind it."""
        failing = (
            delivery
            for _, _, request in self._parked
            for delivery in request.deliveries
            if delivery.parked and delivery.following is not None and delivery.sends and not delivery.released
        )
        mine = (delivery for delivery in failing if delivery.of.record.partition == partition)
        return min(mine, key=lambda delivery: delivery.of.record.offset, default=None)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to be sent, now or later, and nothing under way."""
        return not (self._ready or self._due or self._in_flight or self.parked)

    @property
    def fresh(self) -> bool:
        """Whether there is something that was not tried before and could be sent."""
        return bool(self._ready)

    @property
    def waiting(self) -> int:
        """Deliveries that could be sent, were the gate open."""
        return len(self._ready) + sum(not d.given_up for request in self._due for d in request.deliveries)

    @property
    def parked(self) -> int:
        """Deliveries that wait for their retry time."""
        return sum(d.parked and not d.given_up for _, _, request in self._parked for d in request.deliveries)
