"""Values, comparisons and variables of a template: liquidjs' semantics over JSON values.

Beside JSON's there are the values of the words ``nil``, ``empty`` and ``blank``, which compare in ways of their own and
print as nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from consumer.segment.js import (
    UNDEFINED,
    WHITESPACE,
    double,
    from_units,
    to_number,
    to_text,
    to_units,
    utf16_length,
)
from consumer.segment.js_member import own

MAX_WORK: Final = 262_144
"""Characters and elements that a template may touch for one event, in filters and in its output.

The original allows 100 million and half a second. This is eight times the largest event, and fits into 50 ms of CPU.
"""


_ELEMENT_WORK: Final = 16
"""What turning one element of an array into text or a number costs, in characters."""


class LiquidError(Exception):
    """A template that cannot be parsed, or that fails on an event. The message holds nothing of the event."""


class Drop:
    """A value that only a template has."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


NIL: Final = Drop("nil")
EMPTY: Final = Drop("empty")
BLANK: Final = Drop("blank")
BLOCK: Final = Drop("block")
"""What ``block`` is inside a block tag: it has nothing to offer, since there are no layouts."""


class Budget:
    """Counts the work done for one event."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left: float = MAX_WORK

    def use(self, count: float) -> None:
        """Take ``count`` (nothing, where negative or NaN) from what is left; `LiquidError` where there is no more."""
        if count > 0:
            self.left -= count
            if self.left < 0:
                raise LiquidError(f"the template makes or reads more than {MAX_WORK} characters of this event")


def weight(value: Any) -> int:
    """What touching a value costs, in characters: those of a text, or elements of arrays at every depth."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return len(value) * _ELEMENT_WORK + sum(weight(item) for item in value if isinstance(item, list))
    return 0


class Context:
    """One rendering: variables, what has been written, what is left to spend.

    Attributes:
        environment: the event, or what stands for one; counters are kept in a copy, never in the event.
        scopes: the template's own variables, the innermost last.
        stopped: ``break`` or ``continue`` was met: nothing more is rendered.
        cycles: where each cycle tag stands.
    """

    __slots__ = ("budget", "cycles", "environment", "scopes", "stopped")

    def __init__(self, environment: Any, budget: Budget | None = None) -> None:
        self.environment = {} if environment is None or environment is UNDEFINED else environment
        self.scopes: list[dict[str, Any]] = [{}]
        self.budget = budget or Budget()
        self.stopped = False
        self.cycles: dict[str, int] = {}

    def variable(self, keys: list[Any]) -> Any:
        """What a path of keys leads to: in the scopes, then in the event."""
        name = property_key(keys[0])
        for scope in reversed(self.scopes):
            if name in scope:
                return properties(scope, keys)
        return properties({} if own(self.environment, name) is UNDEFINED else self.environment, keys)

    def set_counter(self, name: str, number: float) -> None:
        """``increment`` and ``decrement`` write beside the event's own keys."""
        base = self.environment if isinstance(self.environment, dict) else {}
        self.environment = {**base, name: number}


Evaluate = Callable[[Context], Any]
"""An expression, compiled."""


def properties(value: Any, keys: list[Any]) -> Any:
    """``value.key.key``, one `property_of` after the other."""
    for key in keys:
        value = property_of(value, key)
    return value


def property_of(value: Any, key: Any) -> Any:
    """``value.key`` in a template: own properties, and size, first and last where there is none of that name."""
    if value is None or value is UNDEFINED:
        return value
    key = plain(key)
    if isinstance(value, list) and is_number(key):
        return element(value, key)
    found = UNDEFINED if isinstance(value, Drop) else own(value, property_key(key))
    if found is not UNDEFINED or not isinstance(key, str):
        return found
    if key == "size":
        return _size(value)
    if key in ("first", "last") and isinstance(value, list):
        return element(value, 0 if key == "first" else -1)
    return UNDEFINED


def element(value: list[Any] | str, index: float) -> Any:
    """An element by number, from the end where that is negative."""
    length = len(value) if isinstance(value, list) else utf16_length(value)
    position = length + index if index < 0 else index
    return own(value, to_text(position))


def _size(value: Any) -> Any:
    if isinstance(value, str):
        return utf16_length(value)
    if isinstance(value, list | dict):
        return len(value)
    return 0 if isinstance(value, Drop) else UNDEFINED


def property_key(key: Any) -> str:
    """A value as the name of a property."""
    return key if isinstance(key, str) else text_of(key)


def plain(value: Any) -> Any:
    """A value as filters and operators take it: nil is null, empty and blank are ""."""
    if value is NIL:
        return None
    return "" if value is EMPTY or value is BLANK else value


def is_number(value: Any) -> bool:
    """Whether JavaScript calls it a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_of(value: Any) -> str:
    """``String(value)``, for a template's own values too."""
    return "[object Object]" if isinstance(value, Drop) else to_text(value)


def stringify(value: Any) -> str:
    """A value as it is written: nothing for null and undefined, the elements of arrays without anything between."""
    value = plain(value)
    if isinstance(value, str):
        return value
    if value is None or value is UNDEFINED:
        return ""
    if isinstance(value, list):
        return from_units("".join(map(stringify, value)))
    return text_of(value)


def number_of(value: Any) -> float:
    """``Number(value)``, for a template's own values too."""
    value = plain(value)
    return math.nan if isinstance(value, Drop) else to_number(value)


def number_or_zero(value: Any) -> float:
    """A number as the arithmetic filters take it: 0 for what is none."""
    number = number_of(value)
    return 0.0 if math.isnan(number) else number


def truthy(value: Any) -> bool:
    """Everything but false, null and undefined is true in a template."""
    value = plain(value)
    return not (value is False or value is None or value is UNDEFINED)


def equals(left: Any, right: Any) -> bool:
    """``left == right``: no conversion between kinds; arrays by their elements, objects by identity."""
    for one, other in ((left, right), (right, left)):
        if _compares(one):
            return _equals_drop(one, other)
    if isinstance(left, list):
        if not isinstance(right, list) or len(left) != len(right):
            return False
        return all(map(equals, left, right))
    if is_number(left) and is_number(right):
        return double(left) == double(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return left is right


def _compares(value: Any) -> bool:
    return isinstance(value, Drop) and value is not BLOCK


def _equals_drop(drop: Any, value: Any) -> bool:
    if drop is NIL:
        return plain(value) is None or value is UNDEFINED
    if drop is BLANK:
        if value is False or plain(value) is None or value is UNDEFINED:
            return True
        if isinstance(value, str):
            return not value.strip(WHITESPACE)
    if value is EMPTY or value is BLANK:
        return False
    return isinstance(value, str | list | dict) and not value


def less(left: Any, right: Any, *, or_equal: bool = False) -> bool:
    """``left < right`` or ``left <= right``: texts by code units, everything else as numbers."""
    if _compares(left) or _compares(right):
        return False
    if isinstance(left, list | dict | Drop):
        left = text_of(left)
    if isinstance(right, list | dict | Drop):
        right = text_of(right)
    if isinstance(left, str) and isinstance(right, str):
        first, second = to_units(left), to_units(right)
        return first <= second if or_equal else first < second
    low, high = number_of(left), number_of(right)
    return low <= high if or_equal else low < high


def contains(left: Any, right: Any) -> bool:
    """``left contains right``: an element of an array, a part of a text; nothing else contains anything."""
    left = plain(left)
    if isinstance(left, list):
        return any(equals(item, right) for item in left)
    return isinstance(left, str) and to_units(text_of(plain(right))) in to_units(left)
