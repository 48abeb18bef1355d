"""Filters on arrays. A value that is no array is taken for an array of that one value; null for an empty one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NoReturn

from consumer.segment.js import UNDEFINED, from_units, to_text, to_units
from consumer.segment.js import truthy as js_truthy
from consumer.segment.js_member import own
from consumer.segment.liquid.values import (
    Context,
    Drop,
    LiquidError,
    element,
    equals,
    is_number,
    number_of,
    plain,
    properties,
    stringify,
    text_of,
    truthy,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_WHERE_WORK: Final = 15
"""What looking into one element costs beside the element itself, in characters."""


def to_array(value: Any) -> list[Any]:
    """A value as an array."""
    value = plain(value)
    if value is None or value is UNDEFINED:
        return []
    return value if isinstance(value, list) else [value]


def _join(context: Context, value: Any, separator: Any = UNDEFINED, *_: Any) -> str:
    items = to_array(value)
    separator = plain(separator)
    between = " " if separator is None or separator is UNDEFINED else stringify(separator)
    context.budget.use(len(between) * (len(items) - 1))
    texts = ["" if item is None or item is UNDEFINED else text_of(item) for item in items]
    context.budget.use(sum(map(len, texts)))
    return from_units(between.join(texts))


def _first(_context: Context, value: Any, *_: Any) -> Any:
    return _end_of(plain(value), 0)


def _last(_context: Context, value: Any, *_: Any) -> Any:
    return _end_of(plain(value), -1)


def _end_of(value: Any, index: int) -> Any:
    if isinstance(value, list) or (isinstance(value, str) and value):
        return element(value, index)
    length = own(value, "length")
    if isinstance(value, dict) and is_number(length):
        return own(value, to_text(length + index if index < 0 else index))
    return ""


def _size(_context: Context, value: Any, *_: Any) -> Any:
    """The ``length`` of a text, an array, or an object that has one; else 0."""
    length = 0 if isinstance(value, Drop) else own(value, "length")
    return length if js_truthy(length) else 0


def _sum(_context: Context, value: Any, key: Any = UNDEFINED, *_: Any) -> float:
    keys = stringify(key).split(".") if js_truthy(key) else []
    total = 0.0
    for item in to_array(value):
        number = number_of(properties(item, keys))
        total += 0.0 if math.isnan(number) else number
    return total


def _compact(_context: Context, value: Any, *_: Any) -> list[Any]:
    return [item for item in to_array(value) if plain(item) is not None and item is not UNDEFINED]


def _push(_context: Context, value: Any, item: Any = UNDEFINED, *_: Any) -> list[Any]:
    return [*to_array(value), item]


def _unshift(_context: Context, value: Any, item: Any = UNDEFINED, *_: Any) -> list[Any]:
    return [item, *to_array(value)]


def _pop(_context: Context, value: Any, *_: Any) -> list[Any]:
    return to_array(value)[:-1]


def _shift(_context: Context, value: Any, *_: Any) -> list[Any]:
    return to_array(value)[1:]


def _slice(context: Context, value: Any, begin: Any = UNDEFINED, length: Any = UNDEFINED, *_: Any) -> Any:
    """``slice: begin, length``: elements of an array, characters of a text; one where no length is given."""
    value = plain(value)
    if value is None or value is UNDEFINED:
        return []
    items = value if isinstance(value, list) else stringify(value)
    length = 1 if length is UNDEFINED else length
    if number_of(begin) < 0:
        begin = _add(len(items), begin)
    if number_of(begin) < 0 or number_of(length) < 0:
        return [] if isinstance(items, list) else ""
    context.budget.use(number_of(length))
    if isinstance(items, list):
        return items[_whole(number_of(begin), len(items)) : _whole(number_of(_add(begin, length)), len(items))]
    start = steps(number_of(begin), len(items))
    return items[start : start + steps(number_of(length), len(items))]


def _add(left: Any, right: Any) -> Any:
    """JavaScript's ``+``: texts are joined, numbers added."""
    pair = [text_of(each) if isinstance(each, list | dict) else each for each in (plain(left), plain(right))]
    if any(isinstance(each, str) for each in pair):
        return text_of(pair[0]) + text_of(pair[1])
    return number_of(pair[0]) + number_of(pair[1])


def _whole(position: float, most: int) -> int:
    """A position as ``Array.slice`` takes it."""
    if math.isnan(position):
        return 0
    if position < 0:
        return max(0, most + math.ceil(max(position, -most)))
    return math.floor(min(position, most))


def steps(count: float, most: int) -> int:
    """How often a loop that runs while its counter is below ``count`` runs, at most."""
    return math.ceil(min(count, most)) if count > 0 else 0


def _where(context: Context, value: Any, key: Any = UNDEFINED, expected: Any = UNDEFINED, *_: Any) -> list[Any]:
    """The elements whose property equals something, or is true where nothing is named."""
    from consumer.segment.liquid.cursor import Cursor  # noqa: PLC0415 - expressions need filters, and this filter them
    from consumer.segment.liquid.expressions import parse_keys  # noqa: PLC0415 - as above

    cursor = Cursor(stringify(key))
    cursor.skip_blanks()
    keys = parse_keys(cursor)
    items = to_array(value)
    context.budget.use(len(items) * _WHERE_WORK)
    kept: list[Any] = []
    for item in items:
        inner = Context(item, context.budget)
        found = inner.variable([plain(each(inner)) for each in keys]) if keys else UNDEFINED
        if truthy(found) if expected is UNDEFINED else equals(found, expected):
            kept.append(item)
    return kept


def _sample(*_: Any) -> NoReturn:
    raise LiquidError("the filter sample takes elements at random, and the same event has to give the same request")


def _split(_context: Context, value: Any, separator: Any = UNDEFINED, *_: Any) -> list[str]:
    """Parts of a text, single characters for an empty separator; empty ones at the end are dropped."""
    text, mark = to_units(stringify(value)), to_units(stringify(separator))
    parts = list(text) if not mark else text.split(mark)
    while parts and not parts[-1]:
        parts.pop()
    return [from_units(part) for part in parts]


LIST_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "compact": _compact,
    "first": _first,
    "join": _join,
    "last": _last,
    "pop": _pop,
    "push": _push,
    "sample": _sample,
    "shift": _shift,
    "size": _size,
    "slice": _slice,
    "split": _split,
    "sum": _sum,
    "unshift": _unshift,
    "where": _where,
}
