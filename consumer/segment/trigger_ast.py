"""The parser of hosted triggers, bug for bug (`@segment/destination-subscriptions` 3.37.0, parse-fql).

Theory of operation: tokens are taken from the front of one queue and most of them are looked at by nobody. A field name
takes the next two tokens for operator and value, whatever they are; ``contains``/``match`` take five; "(" takes all up
to the *first* ")" for its group, a function's own included; a name that is no field is skipped, and what stood beside
it is skipped after it. The last ``and``/``or`` seen governs the whole group. So a trigger that reads well may mean
something else: `consumer.segment.trigger_lint` says when.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from msgspec import Struct

from consumer.errors import ConsumerError
from consumer.segment.js import from_units, number_text, to_number
from consumer.segment.js_member import OBJECT_MEMBERS
from consumer.segment.trigger_tokens import (
    END_OF_TEXT,
    LexerError,
    Token,
    TokenType,
    tokenize,
)

Value = str | float | bool | None
"""What a condition compares with; None for an operator without one (exists, is_true, ...)."""


class TriggerSyntaxError(ConsumerError):
    """The original cannot parse the trigger: it never fires. The message says what is wrong and what to write."""


class Field(StrEnum):
    """The part of an event a condition is about, by the original's name for it."""

    TYPE = "event-type"
    EVENT = "event"
    NAME = "name"
    USER_ID = "userId"
    PROPERTY = "event-property"
    TRAIT = "event-trait"
    CONTEXT = "event-context"


class Condition(Struct, frozen=True):
    """One comparison.

    Attributes:
        field: what is read.
        operator: the original's name; any text, for the original takes any token. An unknown one is never true.
        value: what it is compared with.
        path: for properties, traits and context the dotted path below them (escapes are already lost), else "".
    """

    field: Field
    operator: str
    value: Value = None
    path: str = ""


class Hole(Struct, frozen=True):
    """A group in which nothing was left (``(groupId = "a")``): the original throws when it comes to it."""


class Group(Struct, frozen=True):
    """Conditions joined by one ``and`` or ``or``."""

    operator: str
    children: tuple[Node, ...]


Node = Condition | Group | Hole

ROOTS = {
    "type": Field.TYPE,
    "event": Field.EVENT,
    "name": Field.NAME,
    "userId": Field.USER_ID,
    "context": Field.CONTEXT,
    "properties": Field.PROPERTY,
    "traits": Field.TRAIT,
}
"""The first name of a path -> field. Any other name is dropped by the original."""

FUNCTIONS = ("contains", "match")
_FUNCTION_FIELDS = {"event": Field.EVENT, "name": Field.NAME, "userId": Field.USER_ID}  # not type: it is dropped
_FUNCTION_ROOTS = (("properties", Field.PROPERTY), ("traits", Field.TRAIT), ("context", Field.CONTEXT))
_WITHOUT_VALUE = {
    ("!=", "null"): "exists",
    ("=", "null"): "not_exists",
    ("=", "true"): "is_true",
    ("=", "false"): "is_false",
}
_NUMERIC = {"=": "number_equals", "!=": "number_not_equals"}


def parse_trigger(text: str) -> Group:
    """The trigger as the original understands it.

    Raises:
        TriggerSyntaxError: where the original's parseFql fails.
    """
    try:
        tokens = tokenize(text)
    except LexerError as error:
        raise TriggerSyntaxError(str(error)) from error
    node = _parse(deque(_joined(tokens)))
    match node:
        case Group():
            return node
        case Condition():
            return Group("and", (node,))
        case _:
            raise TriggerSyntaxError(
                "no condition on type, event, name, userId, properties, traits or context is left in it; "
                'write for instance: type = "identify"'
            )


def _joined(tokens: list[Token]) -> list[Token]:
    """``a . b`` becomes one identifier; a path stops at whatever is no identifier (a number, null, and, or)."""
    joined: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if (
            token.type is TokenType.DOT
            and joined
            and joined[-1].type is TokenType.IDENTIFIER
            and tokens[index + 1].type is TokenType.IDENTIFIER  # a dot is never last: END_OF_TEXT is
        ):
            joined[-1] = Token(TokenType.IDENTIFIER, f"{joined[-1].value}.{tokens[index + 1].value}")
            index += 2
        else:
            joined.append(token)
            index += 1
    return joined


def _parse(tokens: deque[Token]) -> Node:
    nodes: list[Node] = []
    operator = "and"
    token = _shift(tokens)
    while token is not None and token.type is not TokenType.END:
        if token.type is TokenType.IDENTIFIER:
            root = token.value.split(".", 1)[0]
            if root in ROOTS:
                nodes.append(_condition(ROOTS[root], token, *_operator_and_value(token, tokens)))
            elif root in OBJECT_MEMBERS:
                # The original looks names up in a plain JavaScript object, which has constructor, toString, ...:
                # such a name takes its two tokens like a field and then yields nothing.
                _operator_and_value(token, tokens)
            elif token.value in FUNCTIONS:
                nodes.extend(_function(token.value, tokens, negate=False))
        elif token.type is TokenType.OPERATOR and token.value == "!":
            if tokens[0].type is TokenType.IDENTIFIER and tokens[0].value in FUNCTIONS:
                nodes.extend(_function(tokens.popleft().value, tokens, negate=True))
        elif token.type is TokenType.PAREN_LEFT:
            nodes.append(_group(tokens))
        elif token.type is TokenType.CONDITIONAL:
            operator = token.value
        token = _shift(tokens)
    if len(nodes) > 1:
        return Group(operator, tuple(nodes))
    return nodes[0] if nodes else Hole()


def _shift(tokens: deque[Token]) -> Token | None:
    return tokens.popleft() if tokens else None


def _required(tokens: deque[Token], what: str) -> Token:
    if not tokens:
        raise TriggerSyntaxError(f"{what} is missing")
    return tokens.popleft()


def _operator_and_value(name: Token, tokens: deque[Token]) -> tuple[Token, Token]:
    shown = from_units(name.value)
    return (
        _required(tokens, f"an operator after {shown}"),
        _required(tokens, f'a value after {shown} (write: {shown} = "value", or {shown} != null)'),
    )


def _group(tokens: deque[Token]) -> Node:
    inside: deque[Token] = deque()
    while True:
        if not tokens:
            raise TriggerSyntaxError(
                'a "(" without its ")", or parentheses inside parentheses, which hosted triggers cannot read; '
                "write it with one level, or as several mappings"
            )
        token = tokens.popleft()
        if token.type is TokenType.PAREN_RIGHT:
            break
        inside.append(token)
    inside.append(END_OF_TEXT)
    return _parse(inside)


def _value(token: Token) -> str | float | bool:
    if token.type is TokenType.STRING:
        # Only double quotes are taken off; single ones stay in the text that is compared.
        return token.value.removeprefix('"').removesuffix('"')
    if token.type is TokenType.NUMBER:
        return to_number(token.value)
    if token.type is TokenType.IDENTIFIER and token.value in ("true", "false"):
        return token.value == "true"
    return token.value


def text_of(value: Value) -> str:
    """JavaScript's ``String(value)`` of a condition's value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "undefined" if value is None else number_text(value)


def _condition(field: Field, name: Token, operator: Token, value: Token) -> Condition:
    sign = from_units(operator.value)
    below = field in (Field.PROPERTY, Field.TRAIT, Field.CONTEXT)
    path = from_units(_below(name.value)) if below else ""
    # type and event know neither null nor booleans, name no booleans: there they are compared as text.
    if field not in (Field.TYPE, Field.EVENT):
        special = _WITHOUT_VALUE.get((sign, value.value), "")
        if special and not (field is Field.NAME and special.startswith("is_")):
            return Condition(field, special, None, path)
    if not below:
        return Condition(field, sign, from_units(text_of(_value(value))))
    if value.type is TokenType.NUMBER and sign in _NUMERIC:
        return Condition(field, _NUMERIC[sign], _value(value), path)
    found = _value(value)
    return Condition(field, sign, from_units(found) if isinstance(found, str) else found, path)


def _below(name: str) -> str:
    """The path without its first name: ``traits.a.b`` -> ``a.b``; ``traits`` alone is looked up in traits itself."""
    return name.split(".", 1)[1] if "." in name else name


def _function(name: str, tokens: deque[Token], *, negate: bool) -> list[Node]:
    _shift(tokens)  # "(", or whatever stands there
    subject = _required(tokens, f"the first argument of {name}()")
    _shift(tokens)
    argument = _required(tokens, f"the second argument of {name}()")
    _shift(tokens)
    text = text_of(_value(argument))
    if name == "contains":
        operator = "contains"
    elif argument.value.endswith('*"'):
        operator, text = "starts_with", text[:-1]
    else:
        operator, text = "ends_with", text[1:]  # one unit, whatever it is
    if negate:
        operator = f"not_{operator}"
    value = from_units(text)
    if subject.value in _FUNCTION_FIELDS:
        return [Condition(_FUNCTION_FIELDS[subject.value], operator, value)]
    for root, field in _FUNCTION_ROOTS:
        if subject.value.startswith(root):  # "propertiesX" too, which is then looked up in properties
            path = subject.value.removeprefix(f"{root}.")
            return [Condition(field, operator, value, from_units(path))]
    return []
