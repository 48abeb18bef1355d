"""Keeps a stream from being dead-lettered as a whole: when too much of it fails, stop and let a person look.

A wrong format setting makes every record undecodable, a broken endpoint refuses every event for good; then each one
would end in the dead-letter topic, correctly and uselessly. The guard looks at the last outcomes *before* each dead
letter is written, because one that is written cannot be taken back (https://github.com/PostHog/posthog/issues/100310).
Rejects by mapping and validation do not count: they are the hosted destination's everyday business.
"""

from __future__ import annotations

from collections import deque

WINDOW = 100
"""Outcomes that are looked at."""

MINIMUM = 20
"""Outcomes there must be before anything is concluded: a handful of bad records at the start is no stream."""


class DeadLetterGuard:
    """Share of unexpected failures (stages decode and deliver) among the last outcomes."""

    def __init__(self, ratio: float) -> None:
        """``ratio``: above this part, 0..1, dead-lettering stops; 1 switches the guard off."""
        self._ratio = ratio
        self._window: deque[bool] = deque(maxlen=WINDOW)
        self._failures = 0

    def count(self, *, failure: bool) -> None:
        """A delivery has ended (``failure``: at stage decode or deliver)."""
        self.count_many(1, failure=failure)

    def count_many(self, number: int, *, failure: bool = False) -> None:
        """As many have ended the same way."""
        window = self._window
        if not (failure or self._failures) and len(window) == WINDOW:
            return  # it is full of the same
        for _ in range(min(number, WINDOW)):
            if len(window) == WINDOW:
                self._failures -= window[0]
            window.append(failure)
            self._failures += failure

    def trips(self) -> bool:
        """Whether one more failure would be too much."""
        seen = len(self._window) + 1
        return seen > MINIMUM and self._failures + 1 > self._ratio * seen

    def reset(self) -> None:
        """Forget what was seen: a person has looked."""
        self._window.clear()
        self._failures = 0
