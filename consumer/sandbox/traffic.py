"""The stand-in's limits, and the account of who kept to them.

ChartMogul documents 40 requests a second for its API (429) and 20 parallel connections (503). Assumptions: that both
hold for the webhook, that the rate is a bucket which holds one second's worth (so that 40 evenly spaced requests a
second pass for ever), that refused requests take nothing from it, and that parallel means requests being answered.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

RATE_MESSAGE: Final = "Your request rate has exceeded our rate limit."
PARALLEL_MESSAGE: Final = "Service unavailable: too many parallel connections."


class Traffic:
    """Counts requests; ``now`` is in seconds on any steady clock."""

    def __init__(self, *, rate_per_second: float | None, max_parallel: float | None) -> None:
        self.posts = 0
        self.by_status: Counter[str] = Counter()
        self.per_second: Counter[int] = Counter()
        self.in_flight = 0
        self.max_in_flight = 0
        self.max_in_one_second = 0
        self._window: deque[float] = deque()
        self._tokens_at = 0.0
        self.limit(rate_per_second=rate_per_second, max_parallel=max_parallel)

    def limit(self, *, rate_per_second: float | None, max_parallel: float | None) -> None:
        """Set both limits; None is none. The bucket is full again."""
        self.rate_per_second = rate_per_second
        self.max_parallel = max_parallel
        self._tokens = rate_per_second or 0.0

    def arrive(self, now: float) -> tuple[int, str] | None:
        """Count a request in; the status and message to refuse it with, or None. `leave` must follow in any case."""
        self.posts += 1
        self.per_second[int(now)] += 1
        window = self._window
        window.append(now)
        while window[0] <= now - 1.0:
            window.popleft()
        self.max_in_one_second = max(self.max_in_one_second, len(window))
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        if self.max_parallel is not None and self.in_flight > self.max_parallel:
            return 503, PARALLEL_MESSAGE
        if self.rate_per_second is not None:
            self._tokens = min(self.rate_per_second, self._tokens + (now - self._tokens_at) * self.rate_per_second)
            self._tokens_at = now
            if self._tokens < 1.0:
                return 429, RATE_MESSAGE
            self._tokens -= 1.0
        return None

    def leave(self, status: int | None) -> None:
        """Count it out with the status it was answered with; None where it never was."""
        self.in_flight -= 1
        self.by_status["none" if status is None else str(status)] += 1
