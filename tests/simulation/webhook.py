"""A fake webhook: every answer there is, the ones that get lost and the ones that come late included."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from consumer.outcomes import FailureKind
from tests.simulation.plan import FaultKind, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from tests.simulation.entries import Delivery

TIMEOUT_SECONDS = 5.0
"""After which the client gives an attempt up."""


class Reply(NamedTuple):
    """What comes of a request.

    Attributes:
        seconds: until the client knows.
        accepted: whether the webhook has taken what was posted; the client may be told otherwise.
        statuses: of each delivery, where it says them; then those with a 2xx are accepted.
    """

    seconds: float
    status: int
    failure: FailureKind | None = None
    retry_after: float | None = None
    accepted: bool = False
    statuses: list[int] | None = None


class Webhook:
    """Answers requests; ``active`` faults say how, else it is well but for a few in a hundred.

    Attributes:
        healed: what is stuck goes through from now on.
        under_way: requests without an answer.
    """

    def __init__(self, random: Random, *, per_item: bool = False) -> None:
        self._random = random
        self._per_item = per_item
        self.active: list[tuple[FaultKind, int]] = []
        self.healed = False
        self.under_way = 0
        self._accepted_at: deque[float] = deque()
        self._by_fault: dict[FaultKind, Callable[[int, float], Reply | None]] = {
            FaultKind.DOWN: lambda _, __: Reply(0.01, 0, FailureKind.CONNECT),
            FaultKind.DNS: lambda _, __: Reply(0.02, 0, FailureKind.DNS),
            FaultKind.ANSWERS_503: lambda _, __: Reply(self._latency(), 503),
            FaultKind.ANSWERS_429: lambda _, __: Reply(self._latency(), 429),
            FaultKind.ANSWERS_429_LATER: lambda amount, _: Reply(self._latency(), 429, retry_after=float(amount % 20)),
            FaultKind.ANSWERS_403: lambda _, __: Reply(self._latency(), 403),
            FaultKind.REDIRECTS: lambda _, __: Reply(self._latency(), 302),
            FaultKind.CERTIFICATE: lambda _, __: Reply(0.02, 0, FailureKind.CERTIFICATE),
            FaultKind.HANG: lambda _, __: Reply(TIMEOUT_SECONDS, 0, FailureKind.TIMEOUT),
            FaultKind.ANSWERS_LOST: self._lost,
            FaultKind.SLOW: lambda _, __: Reply(1.0 + 3.0 * self._random.random(), 200, accepted=True),
            FaultKind.FLAKY: lambda _, __: Reply(self._latency(), 503) if self._random.random() < 0.3 else None,
            FaultKind.PER_SECOND: self._per_second,
            FaultKind.PER_CONNECTION: self._per_connection,
        }

    def post(self, deliveries: Sequence[Delivery], now: float) -> Reply:
        """What comes of posting these now."""
        for kind, amount in self.active:
            reply = self._by_fault[kind](amount, now)
            if reply is not None:
                return reply if not reply.accepted else self._judged(deliveries, reply)
        reply = Reply(self._latency(), 200, accepted=True)
        chance = self._random.random()
        if chance < 0.04:
            reply = self._unlucky(chance)
        return self._judged(deliveries, reply) if reply.accepted else reply

    def _latency(self) -> float:
        return 0.01 + 0.1 * self._random.random() ** 2

    def _unlucky(self, chance: float) -> Reply:
        if chance < 0.015:
            return Reply(self._latency(), 503)
        if chance < 0.02:
            return Reply(self._latency(), 429, retry_after=2.0)
        if chance < 0.025:
            return Reply(self._latency(), 500)
        if chance < 0.028:
            return Reply(self._latency(), 0, FailureKind.PROTOCOL)
        if chance < 0.031:
            return Reply(TIMEOUT_SECONDS, 0, FailureKind.TIMEOUT)  # never arrived
        if chance < 0.035:
            return Reply(TIMEOUT_SECONDS, 0, FailureKind.TIMEOUT, accepted=True)  # arrived, too late
        return Reply(self._latency(), 0, FailureKind.RESET, accepted=True)  # the answer is lost

    def _judged(self, deliveries: Sequence[Delivery], reply: Reply) -> Reply:
        """Some events are answered otherwise than the rest, whatever happens around them."""
        if self._per_item and reply.status:
            return reply._replace(statuses=[self._status(delivery.kind) for delivery in deliveries])
        kinds = {delivery.kind for delivery in deliveries}
        if Kind.STUCK in kinds and not self.healed:
            return reply._replace(status=503 if reply.status else 0, accepted=False)
        if Kind.REFUSED in kinds:
            return reply._replace(status=422 if reply.status else 0, accepted=False)
        return reply

    def _status(self, kind: Kind) -> int:
        if kind is Kind.REFUSED:
            return 422
        if (kind is Kind.STUCK and not self.healed) or self._random.random() < 0.05:
            return 503
        return 200

    def _lost(self, amount: int, _: float) -> Reply | None:
        if self._random.random() < 0.5:
            return None
        if amount % 2:
            return Reply(TIMEOUT_SECONDS, 0, FailureKind.TIMEOUT, accepted=True)
        return Reply(self._latency(), 0, FailureKind.RESET, accepted=True)

    def _per_second(self, amount: int, now: float) -> Reply | None:
        accepted = self._accepted_at
        while accepted and accepted[0] <= now - 1.0:
            accepted.popleft()
        if len(accepted) >= max(2, amount // 2):
            return Reply(0.01, 429, retry_after=1.0 if amount % 2 else None)
        accepted.append(now)
        return None

    def _per_connection(self, amount: int, _: float) -> Reply | None:
        return Reply(0.01, 503) if self.under_way > max(1, amount // 10) else None
