"""Expressions: values, operators and filters, parsed to closures.

An expression is a row of values and operators, then filters behind bars. Operators are put in postfix order:
comparisons bind before ``not``, that before ``and`` and ``or``, which associate to the right. A row may make no sense:
an operator without operands finds undefined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumer.segment.js import UNDEFINED
from consumer.segment.liquid.filters import FILTERS, unchanged
from consumer.segment.liquid.values import (
    Context,
    Evaluate,
    LiquidError,
    contains,
    equals,
    less,
    number_of,
    plain,
    properties,
    truthy,
    weight,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.segment.liquid.cursor import Cursor

_PRECEDENCE: Final = {"not": 1, "and": 0, "or": 0}
_BINARY: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": equals,
    "!=": lambda left, right: not equals(left, right),
    "<": less,
    ">": lambda left, right: less(right, left),
    "<=": lambda left, right: less(left, right, or_equal=True),
    ">=": lambda left, right: less(right, left, or_equal=True),
    "contains": contains,
    "and": lambda left, right: truthy(left) and truthy(right),
    "or": lambda left, right: truthy(left) or truthy(right),
}


def parse_filtered(cursor: Cursor) -> Evaluate:
    """An expression with its filters; what stands behind a comma or a closing bracket is not read, as in the original.

    Raises:
        LiquidError: there is no expression, or a filter is not well formed.
    """
    value = _parse_expression(cursor)
    filters: list[tuple[Any, tuple[Evaluate, ...]]] = []
    while (step := _parse_filter(cursor)) is not None:
        name, arguments = step
        filters.append((FILTERS.get(name, unchanged), tuple(arguments)))
    if not filters:
        return value

    def evaluate(context: Context) -> Any:
        result = value(context)
        for apply, arguments in filters:
            values = [argument(context) for argument in arguments]
            context.budget.use(weight(result) + sum(map(weight, values)))
            result = apply(context, result, *values)
        return result

    return evaluate


def parse_value(cursor: Cursor) -> Evaluate | None:
    """One value: a word, a text, a number, a range or a path; None where there is none."""
    cursor.skip_blanks()
    found = _parse_constant(cursor)
    if found is None and cursor.peek() == "(":
        found = _parse_range(cursor)
    keys = parse_keys(cursor, named=found is None)
    if not keys:
        return found
    base = found

    def evaluate(context: Context) -> Any:
        names = [plain(key(context)) for key in keys]
        context.budget.use(sum(map(weight, names)))
        return context.variable(names) if base is None else properties(base(context), names)

    return evaluate


def parse_keys(cursor: Cursor, *, named: bool = True) -> list[Evaluate]:
    """The keys of a path: ``name``, ``.name``, ``[value]``; a leading name only where ``named``."""
    keys: list[Evaluate] = []
    while True:
        if cursor.peek() == "[":
            cursor.position += 1
            key = parse_value(cursor) or _constant("")
            if not cursor.skip_past("]"):
                raise cursor.error("a square bracket is not closed")
            keys.append(key)
            continue
        if named and not keys and (name := cursor.name()):
            keys.append(_constant(name))
            continue
        if cursor.peek() == "." and cursor.peek(1) != ".":
            cursor.position += 1
            if name := cursor.name():
                keys.append(_constant(name))
                continue
        return keys


def _parse_expression(cursor: Cursor) -> Evaluate:
    output: list[Evaluate | str] = []
    pending: list[str] = []
    while not cursor.at_end():
        operator = cursor.operator()
        if operator:
            while pending and _PRECEDENCE.get(pending[-1], 2) > _PRECEDENCE.get(operator, 2):
                output.append(pending.pop())
            pending.append(operator)
            continue
        value = parse_value(cursor)
        if value is None:
            break
        output.append(value)
    postfix = [*output, *reversed(pending)]
    if not postfix:
        raise cursor.error("a value is missing")
    first = postfix[0]
    if len(postfix) == 1 and not isinstance(first, str):
        return first

    def evaluate(context: Context) -> Any:
        stack: list[Any] = []
        for each in postfix:
            if not isinstance(each, str):
                stack.append(each(context))
                continue
            right = stack.pop() if stack else UNDEFINED
            if each == "not":
                stack.append(not truthy(right))
            else:
                left = stack.pop() if stack else UNDEFINED
                context.budget.use(weight(left) + weight(right))
                stack.append(_BINARY[each](left, right))
        return stack[0]

    return evaluate


def _parse_constant(cursor: Cursor) -> Evaluate | None:
    word = cursor.literal()
    if word is not None:
        return _constant(word[0])
    for read in (cursor.quoted, cursor.number):
        value = read()
        if value is not None:
            return _constant(value)
    return None


def _parse_range(cursor: Cursor) -> Evaluate:
    """``(1..5)``: an array of numbers."""
    cursor.position += 1
    low = parse_value(cursor)
    cursor.skip_blanks()
    if low is None or cursor.peek() != "." or cursor.peek(1) != ".":
        raise cursor.error("a range is not well formed")
    cursor.position += 2
    high = parse_value(cursor)
    if high is None:
        raise cursor.error("a range has no end")
    cursor.skip_blanks()
    cursor.expect(")", "a range is not closed")

    def evaluate(context: Context) -> Any:
        start, end = low(context), high(context)
        context.budget.use(weight(start) + weight(end))
        first, last = number_of(start), number_of(end)
        context.budget.use(last - first + 1)
        numbers: list[float] = []
        while first < last + 1:
            if first + 1 == first:
                raise LiquidError("a range does not end")
            numbers.append(first)
            first += 1
        return numbers

    return evaluate


def _parse_filter(cursor: Cursor) -> tuple[str, list[Evaluate]] | None:
    """``| name: value, name: value``, or None where there is no further filter."""
    cursor.skip_blanks()
    if cursor.at_end() or cursor.peek() in (")", ","):
        return None
    cursor.expect("|", "a bar is missing before a filter")
    name = cursor.name()
    if not name:
        if not cursor.at_end():
            raise cursor.error("a filter has no name")
        return None
    arguments: list[Evaluate] = []
    cursor.skip_blanks()
    if cursor.peek() == ":":
        while True:
            cursor.position += 1
            argument = _parse_argument(cursor)
            if argument is not None:
                arguments.append(argument)
            cursor.skip_blanks()
            if cursor.peek() not in ("", ",", "|", ")"):
                raise cursor.error("an argument of a filter is not well formed")
            if cursor.peek() != ",":
                break
    elif cursor.peek() not in ("", ",", "|", ")"):
        raise cursor.error("a colon is missing after a filter's name")
    return name, arguments


def _parse_argument(cursor: Cursor) -> Evaluate | None:
    """A value, or ``name: value``, which filters see as an array of both."""
    cursor.skip_blanks()
    start = cursor.position
    value = parse_value(cursor)
    end = cursor.position
    if value is None:
        return None
    cursor.skip_blanks()
    if cursor.peek() != ":":
        return value
    cursor.position += 1
    name, named = cursor.text[start:end], parse_value(cursor) or _constant(UNDEFINED)
    return lambda context: [name, named(context)]


def _constant(value: Any) -> Evaluate:
    return lambda _context: value
