"""A parsed trigger becomes one closure; nothing is interpreted per event.

The meaning is the original's `validate`: JavaScript's strict equality, ``typeof`` checks, and a path lookup which hands
a falsy value on (``traits: ""`` makes every ``traits.x`` an empty text) and finds ``length``, indexes and the engine's
own members. undefined and null are one here: no operator tells them apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeGuard

from consumer.errors import TriggerError
from consumer.segment.js import MAX_SAFE_INTEGER, UNDEFINED, double, to_number, to_units, truthy
from consumer.segment.js_member import member
from consumer.segment.trigger_ast import Condition, Field, Group, Hole, Node, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

Event = dict[str, Any]

_KEYS = {
    Field.TYPE: "type",
    Field.EVENT: "event",
    Field.NAME: "name",
    Field.USER_ID: "userId",
    Field.PROPERTY: "properties",
    Field.TRAIT: "traits",
    Field.CONTEXT: "context",
}
_WITH_PATH = (Field.PROPERTY, Field.TRAIT, Field.CONTEXT)
_SEPARATED = re.compile(r"[^\[.\]]+")


def compile_node(node: Node) -> Callable[[Event], bool]:
    """The closure of a node. It raises `TriggerError` where the original's validate throws."""
    match node:
        case Hole():
            return _hole
        case Group(operator, children):
            parts = tuple(map(compile_node, children))
            return _all(parts) if operator == "and" else _any(parts)
        case Condition():
            return _condition(node)


def _hole(_event: Event) -> bool:
    raise TriggerError("a group of the trigger holds no condition the hosted dialect knows, so it cannot be evaluated")


def _all(parts: tuple[Callable[[Event], bool], ...]) -> Callable[[Event], bool]:
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda event: first(event) and second(event)

    def every(event: Event) -> bool:
        for part in parts:  # noqa: SIM110 - all() with a generator takes twice as long
            if not part(event):
                return False
        return True

    return every


def _any(parts: tuple[Callable[[Event], bool], ...]) -> Callable[[Event], bool]:
    if len(parts) == 2:
        first, second = parts
        return lambda event: first(event) or second(event)

    def some(event: Event) -> bool:
        for part in parts:  # noqa: SIM110 - any() with a generator takes twice as long
            if part(event):
                return True
        return False

    return some


def _condition(condition: Condition) -> Callable[[Event], bool]:
    read = _reader(condition)
    test = operator_test(condition)
    if test is None:

        def never(event: Event) -> bool:
            read(event)  # an unknown operator is never true, but the path is looked up first, and that may throw
            return False

        return never
    if condition.operator == "=":
        expected = text_of(condition.value)
        if condition.field not in _WITH_PATH:
            key = _KEYS[condition.field]
            return lambda event: event.get(key) == expected  # the commonest condition: one call
        return lambda event: read(event) == expected
    return lambda event: test(read(event))


def operator_test(condition: Condition) -> Callable[[object], bool] | None:
    """What the condition's operator asks of the value read; None for an operator the original does not know."""
    operator = condition.operator
    if operator in _NUMERIC:
        return _NUMERIC[operator](_number_of(condition))
    text = text_of(condition.value)
    if operator in _TEXTUAL:
        if has_half_character(text):
            return _by_units(_TEXTUAL[operator], text)
        return _TEXTUAL[operator](text)
    if operator == "=":
        return lambda value: value == text
    if operator == "!=":
        return lambda value: value != text
    return _PLAIN.get(operator)


def has_half_character(text: str) -> bool:
    """Whether a surrogate without its partner is in it, which only a comparison by UTF-16 units finds everywhere."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def _number_of(condition: Condition) -> float:
    value = condition.value
    return to_number(UNDEFINED if value is None else value)


def _is_number(value: object) -> TypeGuard[float]:
    return value.__class__ is int or value.__class__ is float  # not isinstance: True is no number


def _comparable(value: float) -> float:
    return value if value.__class__ is float or -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else double(value)


_NUMERIC: dict[str, Callable[[float], Callable[[object], bool]]] = {
    "number_equals": lambda n: lambda value: _is_number(value) and _comparable(value) == n,
    "number_not_equals": lambda n: lambda value: _is_number(value) and _comparable(value) != n,
    "<": lambda n: lambda value: _is_number(value) and _comparable(value) < n,
    "<=": lambda n: lambda value: _is_number(value) and _comparable(value) <= n,
    ">": lambda n: lambda value: _is_number(value) and _comparable(value) > n,
    ">=": lambda n: lambda value: _is_number(value) and _comparable(value) >= n,
}
_TEXTUAL: dict[str, Callable[[str], Callable[[object], bool]]] = {
    "contains": lambda text: lambda value: isinstance(value, str) and text in value,
    "not_contains": lambda text: lambda value: isinstance(value, str) and text not in value,
    "starts_with": lambda text: lambda value: isinstance(value, str) and value.startswith(text),
    "not_starts_with": lambda text: lambda value: isinstance(value, str) and not value.startswith(text),
    "ends_with": lambda text: lambda value: isinstance(value, str) and value.endswith(text),
    "not_ends_with": lambda text: lambda value: isinstance(value, str) and not value.endswith(text),
}
_PLAIN: dict[str, Callable[[object], bool]] = {
    "exists": lambda value: value is not None,
    "not_exists": lambda value: value is None,
    "is_true": lambda value: value is True,
    "is_false": lambda value: value is False,
}


def _by_units(test: Callable[[str], Callable[[object], bool]], text: str) -> Callable[[object], bool]:
    """``match(event, "🙂")`` drops half a character: what is left can only be found by UTF-16 units."""
    of_units = test(to_units(text))
    return lambda value: isinstance(value, str) and of_units(to_units(value))


def _reader(condition: Condition) -> Callable[[Event], object]:
    root = _KEYS[condition.field]
    if condition.field not in _WITH_PATH:
        return lambda event: event.get(root)
    if condition.path == "":
        return lambda _event: None
    if is_pathless(condition):
        return _pathless
    keys = condition_keys(condition)[1:]
    if len(keys) == 1:
        (key,) = keys
        absent = _walk({}, keys)  # a function, for traits.constructor

        def read_one(event: Event) -> object:
            value = event.get(root)
            return value.get(key, absent) if value.__class__ is dict else _walk(value, keys)

        return read_one
    return lambda event: _walk(event.get(root), keys)


def condition_keys(condition: Condition) -> tuple[str, ...]:
    """What a condition looks up: a key of the event, and those below it."""
    below = _SEPARATED.findall(condition.path) if condition.field in _WITH_PATH else ()
    return (_KEYS[condition.field], *below)


def is_pathless(condition: Condition) -> bool:
    """Whether the condition's path holds nothing but separators, so that looking it up fails."""
    return bool(condition.path) and not _SEPARATED.search(condition.path)


def _pathless(_event: Event) -> object:
    raise TriggerError("a path of the trigger has nothing but separators (. [ ]) in it, so it cannot be looked up")


def _walk(value: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        if not truthy(value):
            break  # the walk ends at JavaScript's falsy values, and they are its result; {} and [] are truthy there
        value = member(value, key)
    return None if value is UNDEFINED else value
