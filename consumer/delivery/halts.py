"""The reasons for which delivery stands still at present: several may hold at once, one of them is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.delivery.halt import HaltReason
from consumer.delivery.messages import HaltChanged

if TYPE_CHECKING:
    from consumer.delivery.messages import Action


class Halts:
    """True while there is one. Appends `HaltChanged` to ``out`` whenever one begins or ends."""

    def __init__(self, out: list[Action]) -> None:
        self._out = out
        self._details: dict[HaltReason, str] = {}

    def __bool__(self) -> bool:
        """Whether delivery stands still."""
        return bool(self._details)

    def __contains__(self, reason: HaltReason) -> bool:
        """Whether it does for this reason."""
        return reason in self._details

    def only(self, reason: HaltReason) -> bool:
        """Whether it does for this reason and no other."""
        return self._details.keys() == {reason}

    def begin(self, reason: HaltReason, detail: str = "") -> None:
        """Stand still for a reason; ``detail`` is its first cause's, for people."""
        if reason not in self._details:
            self._details[reason] = detail
            self._changed()

    def end(self, reason: HaltReason) -> None:
        """No longer for this one."""
        if self._details.pop(reason, None) is not None:
            self._changed()

    @property
    def shown(self) -> HaltReason | None:
        """One that only a person can end before those that end by themselves."""
        if HaltReason.DEAD_LETTER_RATIO in self._details:
            return HaltReason.DEAD_LETTER_RATIO
        return next(iter(self._details), None)

    def _changed(self) -> None:
        shown = self.shown
        self._out.append(HaltChanged(shown, self._details[shown]) if shown else HaltChanged(None))
