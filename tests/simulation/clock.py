"""Virtual time: what is to happen, and when."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Seconds since the start of a history. What is due at the same time happens in the order in which it was asked for."""

    __slots__ = ("_heap", "_number", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0

    def at(self, when: float, call: Callable[..., object], *arguments: Any) -> None:
        """Call this then; at once, after what is due now, where that has passed."""
        self._number += 1
        heappush(self._heap, (max(self.now, when), self._number, call, arguments))

    def after(self, seconds: float, call: Callable[..., object], *arguments: Any) -> None:
        """Call this so much later."""
        self.at(self.now + seconds, call, *arguments)

    def run(self, until: float) -> None:
        """Let everything happen up to then."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, call, arguments = heappop(heap)
            call(*arguments)
        self.now = max(self.now, until)
