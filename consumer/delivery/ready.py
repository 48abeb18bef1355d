"""Deliveries that could be sent, oldest record first.

Fresh ones come in the order of their records. One that waited for its lane is older than what has come since, and goes
first: so records are finished in about the order in which they came, the committable offset keeps up, and a crash finds
few records with one delivery done and another waiting.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.delivery.partition import Delivery


class ReadyQueue:
    """A deque for what comes in order, a heap for what does not."""

    __slots__ = ("_fresh", "_late", "_pushes")

    def __init__(self) -> None:
        self._fresh: deque[Delivery] = deque()
        self._late: list[tuple[int, int, Delivery]] = []
        self._pushes = 0

    def __len__(self) -> int:
        return len(self._fresh) + len(self._late)

    def __bool__(self) -> bool:
        return bool(self._fresh or self._late)

    def append(self, delivery: Delivery) -> None:
        """Put it where its record's age belongs."""
        fresh, sequence = self._fresh, delivery.of.sequence
        if not fresh or sequence >= fresh[-1].of.sequence:
            fresh.append(delivery)
        else:
            self._pushes += 1
            heappush(self._late, (sequence, self._pushes, delivery))

    def first(self) -> Delivery:
        """The oldest."""
        late = self._late
        if late and not (self._fresh and self._fresh[0].of.sequence < late[0][0]):
            return late[0][2]
        return self._fresh[0]

    def pop(self) -> Delivery:
        """The oldest, taken out."""
        late = self._late
        if late and not (self._fresh and self._fresh[0].of.sequence < late[0][0]):
            return heappop(late)[2]
        return self._fresh.popleft()

    def keep(self, wanted: Callable[[Delivery], bool]) -> None:
        """Drop all others."""
        self._fresh = deque(d for d in self._fresh if wanted(d))
        self._late = [entry for entry in self._late if wanted(entry[2])]
        heapify(self._late)
