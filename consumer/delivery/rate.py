"""How many requests may start in a second: one replica's part of a limit that holds for all of them together.

Theory of operation
    Two rules at once. GCRA spaces requests out by the rate: one float, the theoretical arrival time of the next. And a
    window counts: of the whole ``rate + burst`` that any second may see, a replica starts at most its share, rounded
    down; the one replica that *rounds up* starts what is left of the whole when the rest of it is rounded down. These
    parts add up to no more than the whole, however it is divided, for the parts of the others make up no more than
    their sum rounded down. Spacing alone does not give that: each of ten replicas may have one request more in a second
    than its rate says, and now and then those seconds meet.

    What counts is when requests leave, and those of one turn leave after it, milliseconds later at thousands a second:
    the driver says when they have (`written`).

    A part that grows counts a second later, one that shrinks counts at once: then the requests of any one second were
    all started within parts that replicas had at one and the same moment, its first, and these make up one whole at
    most. So the limit holds through rebalances, without a coordinator.

Where a replica's share is less than one request a second it starts one at most: that many more may come together.
"""

from __future__ import annotations

import math
from collections import deque

NEVER = math.inf

# Timers fire milliseconds late. Without catching up, a rate of thousands a second would lose most of it; and there one
# turn is that of dozens of requests, so that it may be more. The window holds whatever is caught up.
_SLACK_SECONDS = 0.01
_MOST_SLACK_SECONDS = 0.1
_SLACK_BY_RATE = 2e-5

# A second, and by how much two requests may be closer together on arrival than they left.
_SECOND = 1.001


class Rate:
    """One replica's part of the rate. Every method takes ``now``, monotonic seconds that never go back."""

    def __init__(self, per_second: float | None, burst: int) -> None:
        """``per_second``, ``burst``: of the whole deployment; without a rate everything may start at once."""
        self._per_second = per_second
        self._whole_burst = burst
        self.share = 1.0
        self.burst = burst
        """This replica's share of the burst, at least 1."""
        self._interval = 0.0 if per_second is None else 1.0 / per_second
        self._slack = _SLACK_SECONDS
        self._arrival = -NEVER
        self._part = self._part_of_a_second(1.0, rounds_up=True)
        """How many of ours a second may see."""
        self._earlier: list[tuple[float, int]] = []
        """Parts of before, each with the time until which it counts."""
        self._most = 0
        """The least of them all."""
        self._most_until = -NEVER
        self._recent: deque[float] = deque()
        """When each of the last second's requests will be a second old."""
        self._leaving = 0
        """The last so many of them may not have left yet."""

    @property
    def per_second(self) -> float | None:
        """This replica's share of the rate, or None where it is unlimited."""
        return None if self._per_second is None else self._per_second * self.share

    def set_share(self, share: float, now: float, *, rounds_up: bool) -> None:
        """Take this part from now on; the bucket starts empty.

        Args:
            share: of the deployment, 0 to 1.
            now: see the class.
            rounds_up: see the module; true for one replica at a time.
        """
        self._earlier.append((now + _SECOND, self._part))
        self._most_until = -NEVER
        self.share = share
        self._part = self._part_of_a_second(share, rounds_up=rounds_up)
        self.burst = max(1, math.floor(self._whole_burst * share + 1e-9))
        if self._per_second is not None and share > 0.0:
            self._interval = 1.0 / (self._per_second * share)
            self._slack = min(max(_SLACK_SECONDS, self._per_second * share * _SLACK_BY_RATE), _MOST_SLACK_SECONDS)
            self._arrival = max(self._arrival, now + self.burst * self._interval)

    def free_at(self, now: float) -> float:
        """When to ask again whether a request may start: ``now`` where it may."""
        if not self._interval:
            return now
        at = self._arrival - (self.burst - 1) * self._interval
        if at > now:
            return at
        if now >= self._most_until:
            self._count(now)
        recent = self._recent
        while recent and recent[0] <= now:
            recent.popleft()
        if len(recent) < self._most:
            return now
        return min(recent[0] if recent else NEVER, self._most_until)

    def start(self, now: float) -> None:
        """A request starts; `free_at` has just said that it may."""
        if self._interval:
            self._arrival = max(self._arrival, now - self._slack) + self._interval
            self._recent.append(now + _SECOND)
            self._leaving += 1

    def written(self, now: float) -> None:
        """All that has started has left by now."""
        recent = self._recent
        for place in range(max(0, len(recent) - self._leaving), len(recent)):
            recent[place] = now + _SECOND
        self._leaving = 0

    def _count(self, now: float) -> None:
        """How many a second may see, as long as the parts that count stay the same."""
        self._earlier = [(until, part) for until, part in self._earlier if until > now]
        self._most = min([self._part, *(part for _, part in self._earlier)])
        self._most_until = min((until for until, _ in self._earlier), default=NEVER)

    def _part_of_a_second(self, share: float, *, rounds_up: bool) -> int:
        if self._per_second is None or not share:
            return 0
        whole = self._per_second + self._whole_burst
        part = _down(whole) - _down(whole * (1.0 - share)) if rounds_up else _down(whole * share)
        return max(1, part)


def _down(number: float) -> int:
    """Rounded down, but not by what arithmetic adds to a whole number."""
    return math.floor(number + 1e-9)
