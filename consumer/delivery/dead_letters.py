"""Dead letters on their way: written, written again after a failure, or held back by the guard.

A delivery that is dead-lettered has ended only when the broker has acknowledged the letter. A write that fails stalls
its record and is tried again for ever: the record stays open, its offset is not passed.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from msgspec import Struct

from consumer.delivery.guard import DeadLetterGuard
from consumer.delivery.rate import NEVER
from consumer.outcomes import Stage

if TYPE_CHECKING:
    from consumer.delivery.messages import Action, DeadLetter
    from consumer.delivery.partition import Delivery

_PAUSE_SECONDS = 1.0
_PAUSE_CAP_SECONDS = 30.0


class _Pending(Struct):
    delivery: Delivery
    letter: DeadLetter
    pause: float = _PAUSE_SECONDS


class DeadLetters:
    """Every letter that is not acknowledged. Appends `DeadLetter` to ``out``."""

    def __init__(self, halt_ratio: float, out: list[Action]) -> None:
        self.guard = DeadLetterGuard(halt_ratio)
        self._out = out
        self._pending: dict[int, _Pending] = {}
        self._rewrites: list[tuple[float, int]] = []
        self._held_back: list[tuple[Delivery, DeadLetter]] = []

    def add(self, delivery: Delivery, letter: DeadLetter) -> bool:
        """Write a letter, unless the guard trips.

        Returns:
            False where it is held back: too much of the stream ends here.
        """
        if letter.stage in (Stage.DECODE, Stage.DELIVER):
            if self._held_back or self.guard.trips():
                self._held_back.append((delivery, letter))
                return False
            # Counted as it is written: of one fetch, the first acknowledgement comes after the last write.
            self.guard.count(failure=True)
        self._write(delivery, letter)
        return True

    def acknowledged(self, letter: DeadLetter) -> Delivery | None:
        """The broker has it: the delivery that ends with it, or None where its partition was given up."""
        delivery = self._pending.pop(letter.ident).delivery
        if not delivery.of.owner.alive:
            return None
        delivery.of.owner.in_flight -= 1
        return delivery

    def failed(self, letter: DeadLetter, now: float) -> bool:
        """The broker does not have it: write it again later.

        Returns:
            False where its partition was given up: the next owner writes it.
        """
        pending = self._pending[letter.ident]
        if not pending.delivery.of.owner.alive:
            del self._pending[letter.ident]
            return False
        pending.delivery.of.owner.in_flight -= 1
        heappush(self._rewrites, (now + pending.pause, letter.ident))
        pending.pause = min(pending.pause * 2.0, _PAUSE_CAP_SECONDS)
        return True

    def run(self, now: float) -> None:
        """Write again what is due."""
        while self._rewrites and self._rewrites[0][0] <= now:
            ident = heappop(self._rewrites)[1]
            pending = self._pending[ident]
            owner = pending.delivery.of.owner
            if owner.sends:
                owner.in_flight += 1
                self._out.append(pending.letter)
            else:
                # Given up: its record stays open for the next owner.
                del self._pending[ident]

    def reset(self) -> None:
        """A person has looked: forget what the guard saw and write what it held back."""
        self.guard.reset()
        held_back, self._held_back = self._held_back, []
        for delivery, letter in held_back:
            self._write(delivery, letter)

    def forget_given_up(self) -> None:
        """Drop what is not written of partitions that are no longer ours."""
        self._held_back = [(d, letter) for d, letter in self._held_back if d.of.owner.alive]
        given_up = {ident for _, ident in self._rewrites if not self._pending[ident].delivery.of.owner.alive}
        if given_up:
            self._rewrites = [rewrite for rewrite in self._rewrites if rewrite[1] not in given_up]
            heapify(self._rewrites)
            for ident in given_up:
                del self._pending[ident]

    @property
    def wake_at(self) -> float:
        """When `run` has something to do."""
        return self._rewrites[0][0] if self._rewrites else NEVER

    @property
    def failing(self) -> bool:
        """Whether letters wait to be written again."""
        return bool(self._rewrites)

    @property
    def waiting(self) -> int:
        """Letters that are not acknowledged."""
        return len(self._pending) + len(self._held_back)

    def _write(self, delivery: Delivery, letter: DeadLetter) -> None:
        self._pending[letter.ident] = _Pending(delivery, letter)
        delivery.of.owner.in_flight += 1
        self._out.append(letter)
