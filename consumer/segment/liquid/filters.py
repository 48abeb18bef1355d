"""All filters by name, and the few that are about no kind of value in particular.

A filter takes the context, the value and its arguments, missing ones as undefined. A name that is not here leaves the
value as it is: that is how the original takes unknown filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from consumer.segment import js_json
from consumer.segment.js import UNDEFINED
from consumer.segment.js import truthy as js_truthy
from consumer.segment.liquid.filters_date import DATE_FILTERS
from consumer.segment.liquid.filters_list import LIST_FILTERS
from consumer.segment.liquid.filters_number import NUMBER_FILTERS
from consumer.segment.liquid.filters_text import TEXT_FILTERS
from consumer.segment.liquid.filters_web import WEB_FILTERS
from consumer.segment.liquid.values import Context, Drop, LiquidError, is_number, number_of, plain, truthy

if TYPE_CHECKING:
    from collections.abc import Callable

_DISABLED: Final = (
    "array_to_sentence_string concat find find_exp find_index find_index_exp group_by group_by_exp has has_exp map "
    "newline_to_br reject reject_exp reverse sort sort_natural type uniq where_exp"
)
DISABLED_FILTERS: Final = frozenset(_DISABLED.split())
"""Filters that Segment has switched off: a template that runs one fails."""


def _default(_context: Context, value: Any, instead: Any = UNDEFINED, *options: Any) -> Any:
    """``default: x``: x for what is empty, false, null or undefined; ``allow_false: true`` keeps false."""
    value = plain(value)
    if isinstance(value, list | str):
        return value or instead
    if value is False and _option(options, "allow_false"):
        return False
    return value if truthy(value) else instead


def _option(options: tuple[Any, ...], name: str) -> bool:
    found: Any = UNDEFINED
    for option in options:
        if not isinstance(option, list | dict | Drop):
            raise LiquidError("default takes options of the form name: value")
        if isinstance(option, list) and option and option[0] == name:
            found = option[1] if len(option) > 1 else UNDEFINED
    return js_truthy(found)


def _json(context: Context, value: Any, space: Any = UNDEFINED, *_: Any) -> Any:
    indent: str | None = None
    if is_number(space) and space > 0:
        indent = " " * int(min(10, space))
    elif isinstance(space, str):
        indent = space[:10] or None
    text = js_json.encode(_without_drops(value), indent)
    context.budget.use(len(text) if isinstance(text, str) else 0)
    return text


def _without_drops(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_drops(item) for item in value]
    return {} if isinstance(value, Drop) else value


def _to_integer(_context: Context, value: Any = UNDEFINED, *_: Any) -> float:
    return number_of(value)


def unchanged(_context: Context, value: Any, *_: Any) -> Any:
    """The value as it is: what an unknown filter does."""
    return value


def _disabled(name: str) -> Callable[..., NoReturn]:
    def fail(*_: Any) -> NoReturn:
        raise LiquidError(f'the filter "{name}" is disabled in Segment')

    return fail


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    **TEXT_FILTERS,
    **WEB_FILTERS,
    **NUMBER_FILTERS,
    **LIST_FILTERS,
    **DATE_FILTERS,
    "default": _default,
    "inspect": _json,
    "json": _json,
    "jsonify": _json,
    "raw": unchanged,
    "to_integer": _to_integer,
    **{name: _disabled(name) for name in DISABLED_FILTERS},
}
