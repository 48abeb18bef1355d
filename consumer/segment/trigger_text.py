"""A parsed trigger written back as text: what it does, for people, as the original's generateFql writes it."""

from __future__ import annotations

import re

from consumer.segment.js import number_text, to_number
from consumer.segment.trigger_ast import Condition, Field, Group, Hole, Node, Value, text_of

_NAMES = {
    Field.TYPE: "type",
    Field.EVENT: "event",
    Field.NAME: "name",
    Field.USER_ID: "userId",
    Field.PROPERTY: "properties.",
    Field.TRAIT: "traits.",
    Field.CONTEXT: "context.",
}
_TO_ESCAPE = re.compile(r"[^a-zA-Z0-9._-]")


def write_trigger(group: Group) -> str:
    """The trigger as the hosted dialect runs it; read it as it reads: groups hold all that stands in parentheses."""
    return f" {group.operator} ".join(map(_text, group.children))


def printable(text: str) -> str:
    """``text`` with lone surrogates written out, which no terminal, file or log takes."""
    return text.encode("utf-8", "backslashreplace").decode()


def field_name(condition: Condition) -> str:
    r"""The condition's field as a path: ``traits.key\ space``."""
    return _NAMES[condition.field] + _TO_ESCAPE.sub(r"\\\g<0>", condition.path)


def _text(node: Node) -> str:
    match node:
        case Group():
            return f"({write_trigger(node)})"
        case Hole():
            return "<nothing: evaluating it fails>"
        case Condition():
            return _condition(node)


def _condition(condition: Condition) -> str:
    name = field_name(condition)
    value = condition.value
    match condition.operator:
        case "exists":
            return f"{name} != null"
        case "not_exists":
            return f"{name} = null"
        case "is_true" | "is_false":
            return f"{name} = {'true' if condition.operator == 'is_true' else 'false'}"
        case "contains" | "not_contains":
            return f"{_bang(condition)}contains({name}, {_quoted(value)})"
        case "starts_with" | "not_starts_with":
            return f'{_bang(condition)}match({name}, "{text_of(value)}*")'
        case "ends_with" | "not_ends_with":
            return f'{_bang(condition)}match({name}, "*{text_of(value)}")'
        case "<" | ">" | "<=" | ">=" | "number_equals" | "number_not_equals":
            sign = {"number_equals": "=", "number_not_equals": "!="}.get(condition.operator, condition.operator)
            return f"{name} {sign} {_number(value)}"
        case "=" | "!=":
            return f"{name} {condition.operator} {_quoted(value)}"
        case _:
            return f"<never: {name} {condition.operator} {_quoted(value)}>"


def _bang(condition: Condition) -> str:
    return "!" if condition.operator.startswith("not_") else ""


def _number(value: Value) -> str:
    return number_text(to_number(value)) if isinstance(value, str) else text_of(value)


def _quoted(value: Value) -> str:
    """Numbers and booleans too: what stands here is compared as text."""
    return f'"{text_of(value)}"'
