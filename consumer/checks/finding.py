"""What a check found, and how long it may look."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

_LEAST_SECONDS: Final = 0.05


class Verdict(StrEnum):
    """How a line begins."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Finding(Struct, frozen=True):
    """One line.

    Attributes:
        name: what was looked at: a section of the settings, or a part of it such as ``kafka.group``.
        verdict: ``warn`` is for what works and is likely not meant; ``skip`` for what was not looked at.
        says: what was seen; nothing secret, nothing of an event's contents.
        remedies: what to do, a line each; empty where nothing is wrong.
    """

    name: str
    verdict: Verdict
    says: str = ""
    remedies: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For people."""
        head = f"{self.verdict.value}  {self.name:<18}{' ' if self.says else ''}{self.says}".rstrip()
        return [head, *(f"        {remedy}" for remedy in self.remedies)]

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "says": self.says,
            "remedies": list(self.remedies),
        }


class Deadline:
    """The time that all questions share.

    Args:
        seconds: from now on.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left; never none at all, for Kafka's clients take 0 as "at once" and -1 as "for ever"."""
        return max(_LEAST_SECONDS, self._at - self._clock())

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return self._clock() >= self._at

    def at_most(self, seconds: float) -> float:
        """Seconds for one question: these, or what is left."""
        return min(seconds, self.left)
