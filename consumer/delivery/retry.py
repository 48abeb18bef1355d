"""What an attempt's end means for its deliveries, and when a failed one is tried again.

The classes are Segment's own (https://segment.com/docs/connections/destinations/#retries: time-outs, 408, 423, 429 and
5xx but 501 are retried), with two differences that are on purpose. 401, 403, 404, 410, a redirect and a certificate
error say that the webhook URL is wrong, which no event can help: they halt delivery and are never an event's end. And
400, 413, 422 to several events in one request say that one of them is bad: the batch is halved until it is found.

Delays are full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). The budget is spent
by the time during which the gate was open, so an outage or a halt never drains it.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from consumer.outcomes import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random


class Verdict(StrEnum):
    """What becomes of a request's deliveries; the metric label ``outcome`` of attempts."""

    DELIVERED = "delivered"
    RETRY = "retry"
    HALT = "halt"
    REJECT = "reject"
    BISECT = "bisect"


_RETRY = frozenset({408, 423, 429})
_HALT = frozenset({401, 403, 404, 410})
_BISECT = frozenset({400, 413, 422})
PRESSURE = frozenset({408, 429, 503, 504})
"""Statuses that say "too much": with time-outs and lost connections they lower the concurrency limit."""


class RetryPolicy(Struct, frozen=True):
    """When to try again, and for how long.

    Attributes:
        budget_seconds: of open gate since the first attempt; Segment tries for four hours.
        base_seconds, cap_seconds: the n-th delay is uniform over 0..min(cap, base * 2**(n-1)).
        outage_seconds: an event is given up for its age only if another was delivered this recently; else it is an
            outage, which stalls.
        retry_after_cap_seconds: what a Retry-After may ask for at most.
        statuses: verdicts that settings put in place of the table's.
    """

    budget_seconds: float = 14_400.0
    base_seconds: float = 1.0
    cap_seconds: float = 300.0
    outage_seconds: float = 600.0
    retry_after_cap_seconds: float = 300.0
    statuses: Mapping[int, Verdict] = field(default_factory=dict)

    def verdict(self, status: int, failure: FailureKind | None, size: int) -> Verdict:
        """Classify the end of one request.

        Args:
            status: HTTP status, or 0 where there was no complete answer.
            failure: why there was none.
            size: deliveries in the request.
        """
        if failure is not None:
            return Verdict.HALT if failure is FailureKind.CERTIFICATE else Verdict.RETRY
        if 200 <= status < 300:
            return Verdict.DELIVERED
        if status in self.statuses:
            return self.statuses[status]
        if status in _HALT or 300 <= status < 400:
            return Verdict.HALT
        if status in _RETRY or (status >= 500 and status != 501) or status < 200:
            return Verdict.RETRY
        if size > 1 and status in _BISECT:
            return Verdict.BISECT
        return Verdict.REJECT

    def delay(self, attempt: int, random: Random) -> float:
        """Seconds before the next attempt, after ``attempt`` (1, 2, ...) attempts."""
        return random.uniform(0.0, min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 60)))


def retry_after_seconds(header: str, unix_now: float) -> float | None:
    """Read a Retry-After header (RFC 9110 §10.2.3: seconds, or an HTTP date).

    Returns:
        Seconds from ``unix_now``, not negative; None where the header is neither.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - unix_now)
    except (ValueError, TypeError, OverflowError):
        return None
