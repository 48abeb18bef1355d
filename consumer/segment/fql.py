"""The documented Filter Query Language (FQL), compiled: what destination filters are written in.

Triggers are *not*: they have the hosted dialect (`consumer.segment.trigger`).

Null rules: a field that is absent, or a path through something that is no object, is null. ``and``, ``or``, ``!`` take
anything but true for not true. ``=`` and ``!=`` ask for type and value, ``<`` and its kin and ``in`` are false where a
side has another type than they ask for. Nothing that an event holds makes a compiled statement fail.

Source: Segment's "Destination Filter Query Language" reference (operators, functions, null table, escaping, 5 KB).
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from consumer.segment.fql_functions import BINARY, UNARY, equal, is_number, number_of
from consumer.segment.fql_glob import GlobError, compile_glob
from consumer.segment.fql_parse import (
    Call,
    Compare,
    Expression,
    Items,
    Junction,
    Literal,
    Negation,
    Path,
    parse_fql,
)
from consumer.segment.fql_tokens import FqlError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAXIMUM_BYTES", "FqlError", "compile_expression", "compile_fql"]

MAXIMUM_BYTES: Final = 5 * 1024
"""UTF-8 bytes of one statement: Segment's documented limit of 5 KB per query."""

Event = dict[str, Any]

_ORDER: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compile_fql(text: str) -> Callable[[Event], bool]:
    """The statement as a closure from an event to whether it is true.

    Raises:
        FqlError: it cannot be read, is too large or has a pattern that is none; with column and remedy.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAXIMUM_BYTES:
        raise FqlError(f"the statement has {size} bytes, at most {MAXIMUM_BYTES} are allowed; split the filter", 0)
    try:
        return compile_expression(parse_fql(text))
    except GlobError as error:
        raise FqlError(f"a pattern of match() cannot be read: {error}", max(text.find("match"), 0)) from error


def compile_expression(expression: Expression) -> Callable[[Event], bool]:
    """The closure of a parsed statement. Raises `GlobError` for a written pattern that is none."""
    match expression:
        case Junction("and", parts):
            return _every(tuple(map(compile_expression, parts)))
        case Junction(_, parts):
            return _some(tuple(map(compile_expression, parts)))
        case Negation(operand):
            inner = compile_expression(operand)
            return lambda event: not inner(event)
        case Compare(sign, left, right):
            return _comparison(sign, left, right)
        case Call("match", (text, Literal(str(pattern)))):
            return _match(_value(text), compile_glob(pattern))
        case _:
            value = _value(expression)
            return lambda event: value(event) is True


def _every(parts: tuple[Callable[[Event], bool], ...]) -> Callable[[Event], bool]:
    def every(event: Event) -> bool:
        for part in parts:  # noqa: SIM110 - all() with a generator takes twice as long
            if not part(event):
                return False
        return True

    return every


def _some(parts: tuple[Callable[[Event], bool], ...]) -> Callable[[Event], bool]:
    def some(event: Event) -> bool:
        for part in parts:  # noqa: SIM110 - any() with a generator takes twice as long
            if part(event):
                return True
        return False

    return some


def _match(text: Callable[[Event], Any], matches: Callable[[str], bool]) -> Callable[[Event], bool]:
    def test(event: Event) -> bool:
        value = text(event)
        return isinstance(value, str) and matches(value)

    return test


def _comparison(sign: str, left: Expression, right: Expression) -> Callable[[Event], bool]:
    first, second = _value(left), _value(right)
    constant = right.value if isinstance(right, Literal) else 0.0
    if sign in ("=", "!=") and (constant is None or isinstance(constant, str)):
        # The commonest comparisons: null equals only null and text only text to Python as well.
        if sign == "=":
            return lambda event: bool(first(event) == constant)
        return lambda event: bool(first(event) != constant)
    if sign == "=":
        return lambda event: equal(first(event), second(event))
    if sign == "!=":
        return lambda event: not equal(first(event), second(event))
    if sign == "in":
        return lambda event: _contained(first(event), second(event))
    compare = _ORDER[sign]

    def ordered(event: Event) -> bool:
        low, high = first(event), second(event)
        return is_number(low) and is_number(high) and compare(number_of(low), number_of(high))

    return ordered


def _contained(value: Any, items: Any) -> bool:
    if not isinstance(items, list):
        return False
    if value.__class__ is str:
        return value in items  # Python's equality is strict enough for text
    return any(equal(value, item) for item in items)


def _value(expression: Expression) -> Callable[[Event], Any]:
    match expression:
        case Literal(constant):
            return lambda _event: constant
        case Path(segments):
            return _path(segments)
        case Items(items) if all(isinstance(item, Literal) for item in items):
            constants = [item.value for item in items if isinstance(item, Literal)]
            return lambda _event: constants
        case Items(items):
            parts = tuple(map(_value, items))
            return lambda event: [part(event) for part in parts]
        case Call(name, (argument,)):
            function, only = UNARY[name], _value(argument)
            return lambda event: function(only(event))
        case Call("match", (_, Literal(str()))):
            return compile_expression(expression)
        case Call(name, (first, second)):
            binary, left, right = BINARY[name], _value(first), _value(second)
            return lambda event: binary(left(event), right(event))
        case _:
            return compile_expression(expression)


def _path(segments: tuple[str, ...]) -> Callable[[Event], Any]:
    if len(segments) == 1:
        (name,) = segments
        return lambda event: event.get(name)

    def read(event: Event) -> Any:
        value: Any = event
        for segment in segments:
            if value.__class__ is not dict:
                return None
            value = value.get(segment)
        return value

    return read
