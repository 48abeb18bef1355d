"""Says where a trigger does not do what it reads, before anything runs with it.

Theory of operation: a trigger is read twice, by the hosted parser and as documented FQL, and both trees are brought
into one canonical form. A hosted condition appears in it only if its documented counterpart means the same for every
event in which objects stand wherever a path leads through. If the forms are equal there is no trap: that is the
promise, and it does not depend on anybody having thought of each trap. Otherwise the tokens are searched for what is to
blame, and if that finds nothing, the difference itself is the trap.
"""

from __future__ import annotations

from typing import Any

from consumer.segment.fql_parse import Call, Compare, Expression, Junction, Literal, Path, parse_fql
from consumer.segment.fql_tokens import FqlError, tokenize
from consumer.segment.js import is_index, to_number
from consumer.segment.js_member import OBJECT_MEMBERS
from consumer.segment.trigger_ast import (
    Condition,
    Field,
    Group,
    Node,
    TriggerSyntaxError,
    Value,
    parse_trigger,
    text_of,
)
from consumer.segment.trigger_match import has_half_character
from consumer.segment.trigger_scan import is_hosted_pattern, scan
from consumer.segment.trigger_text import printable, write_trigger
from consumer.segment.trigger_traps import MESSAGES, NEVER_FIRES, Trap, TrapKind

__all__ = ["NEVER_FIRES", "Trap", "TrapKind", "lint"]

_Form = tuple[Any, ...]
"""Canonical: ("and" | "or", forms...), ("compare", operator, path, type, value) or ("call", name, path, text)."""

_ROOTS = {
    Field.TYPE: "type",
    Field.EVENT: "event",
    Field.NAME: "name",
    Field.USER_ID: "userId",
    Field.PROPERTY: "properties",
    Field.TRAIT: "traits",
    Field.CONTEXT: "context",
}
_WITHOUT_VALUE = {
    "exists": ("!=", None),
    "not_exists": ("=", None),
    "is_true": ("=", True),
    "is_false": ("=", False),
}


def lint(text: Any) -> tuple[Trap, ...]:
    """Every trap in a trigger; none means that it does what it reads as documented FQL. Never raises."""
    if not isinstance(text, str) or not text.strip():
        return (_unreadable('a trigger is a text that is not empty; write for instance: type = "identify"'),)
    try:
        hosted: Group | None = parse_trigger(text)
        failure = ""
    except TriggerSyntaxError as error:
        hosted, failure = None, str(error)
    try:
        documented = parse_fql(text)
    except FqlError as error:
        documented, failure = None, failure or str(error)
    if (
        hosted is not None
        and documented is not None
        and _hosted_form(hosted) == _documented_form(documented) is not None
    ):
        return ()
    effective = NEVER_FIRES if hosted is None else printable(write_trigger(hosted))
    found = list(dict.fromkeys(_findings(text)))
    if not found:
        found = [(TrapKind.UNREADABLE, failure) if failure else (TrapKind.READS_DIFFERENTLY, "")]
    return tuple(Trap(kind, printable(MESSAGES[kind].format(subject)), effective) for kind, subject in found)


def _unreadable(why: str) -> Trap:
    return Trap(TrapKind.UNREADABLE, MESSAGES[TrapKind.UNREADABLE].format(why), NEVER_FIRES)


def _findings(text: str) -> list[tuple[TrapKind, str]]:
    try:
        return list(scan(text, tokenize(text)))
    except FqlError as error:
        return [(TrapKind.UNREADABLE, str(error))]


def _hosted_form(node: Node) -> _Form | None:
    match node:
        case Group(operator, children):
            return _joined(operator, [_hosted_form(child) for child in children])
        case Condition():
            return _condition_form(node)
        case _:
            return None


def _documented_form(expression: Expression) -> _Form | None:
    match expression:
        case Junction(operator, parts):
            return _joined(operator, [_documented_form(part) for part in parts])
        case Compare(operator, Path(segments), Literal(value)) if operator != "in":
            return _compare(operator, segments, value)
        case Call("contains" | "match" as name, (Path(segments), Literal(str(text)))):
            return ("call", name, segments, text)
        case _:
            return None


def _joined(operator: str, forms: list[_Form | None]) -> _Form | None:
    """One level: ``a and (b and c)`` is ``a and b and c``, and a group of one is what is in it."""
    flat: list[_Form] = []
    for form in forms:
        if form is None:
            return None
        flat.extend(form[1:] if form[0] == operator else (form,))
    return flat[0] if len(flat) == 1 else (operator, *flat)


def _compare(operator: str, segments: tuple[str, ...], value: Value) -> _Form:
    # The type is part of the form: to Python 1.0 == True.
    return ("compare", operator, segments, type(value), value)


def _condition_form(condition: Condition) -> _Form | None:
    """The documented condition that means the same for every event, or None where there is none."""
    segments = _segments(condition)
    if segments is None:
        return None
    operator, value = condition.operator, condition.value
    if operator in _WITHOUT_VALUE:
        sign, constant = _WITHOUT_VALUE[operator]
        return _compare(sign, segments, constant)
    match operator:
        case "=" | "!=":
            return _compare(operator, segments, text_of(value))
        case "<" | "<=" | ">" | ">=":
            return _compare(operator, segments, to_number(text_of(value)))
        case "number_equals":
            return _compare("=", segments, to_number(text_of(value)))
        case "contains" | "starts_with" | "ends_with" if has_half_character(text_of(value)):
            return None
        case "contains":
            return ("call", "contains", segments, text_of(value))
        case "starts_with" | "ends_with":
            pattern = f"{text_of(value)}*" if operator == "starts_with" else f"*{text_of(value)}"
            return ("call", "match", segments, pattern) if is_hosted_pattern(pattern) else None
        case _:  # not_contains and the like, number_not_equals: they differ where the field is missing
            return None


def _segments(condition: Condition) -> tuple[str, ...] | None:
    root = _ROOTS[condition.field]
    if condition.field in (Field.TYPE, Field.EVENT, Field.NAME, Field.USER_ID):
        return (root,)
    names = condition.path.split(".")
    if any(not name or set(name) & set("[]") for name in names) or not OBJECT_MEMBERS.isdisjoint(names):
        return None
    if any(name == "length" or is_index(name) for name in names[1:]):
        return None
    return (root, *names)
