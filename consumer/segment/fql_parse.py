"""The parser of the documented Filter Query Language (FQL): recursive descent, bounded in depth and size.

::

    statement  = "all" | or
    or         = and ("or" and)*
    and        = unary ("and" unary)*            and binds tighter than or
    unary      = "!" unary | comparison          "!" stands before a field, a function or "(": never before a comparison
    comparison = operand (("=" | "!=" | "<" | "<=" | ">" | ">=" | "in") operand)?
    operand    = text | number | true | false | null | path | function "(" or ("," or)* ")" | "[" list "]" | "(" or ")"
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from consumer.segment.fql_functions import ARITY
from consumer.segment.fql_tokens import NO_OPERATOR, FqlError, FqlToken, Kind, tokenize

MAXIMUM_DEPTH: Final = 50
"""Levels of parentheses, ``!``, lists and calls: far above any real filter, far below the interpreter's stack."""

COMPARISONS: Final = ("=", "!=", "<", "<=", ">", ">=")


class Literal(Struct, frozen=True):
    """A text, number, true, false or null as written."""

    value: str | float | bool | None


class Path(Struct, frozen=True):
    r"""A field, by its segments with escapes undone: ``properties.product\ 1`` is ("properties", "product 1")."""

    segments: tuple[str, ...]


class Items(Struct, frozen=True):
    """A list as written."""

    items: tuple[Expression, ...]


class Call(Struct, frozen=True):
    """A function with the right number of arguments."""

    name: str
    arguments: tuple[Expression, ...]


class Compare(Struct, frozen=True):
    """``left operator right``; the operator is one of `COMPARISONS` or ``in``."""

    operator: str
    left: Expression
    right: Expression


class Negation(Struct, frozen=True):
    """``!operand``."""

    operand: Expression


class Junction(Struct, frozen=True):
    """Two or more parts joined by ``and`` or by ``or``."""

    operator: str
    parts: tuple[Expression, ...]


Expression = Literal | Path | Items | Call | Compare | Negation | Junction

_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_RESERVED: Final = ("and", "or", "in", *_CONSTANTS)
_WORDS: Final = ("is", "equals", "eq", "not", "like", "contains", "match", "matches")
"""What people write for an operator."""


def parse_fql(text: str) -> Expression:
    """The statement's tree; ``all`` is the literal true.

    Raises:
        FqlError: at the first mistake, with its column and a remedy.
    """
    tokens = tokenize(text)
    if len(tokens) == 1:
        raise FqlError('the statement is empty; write "all" to apply to every event', 0)
    if len(tokens) == 2 and tokens[0].word == "all":
        return Literal(value=True)
    return _Parser(tokens).statement()


class _Parser:
    def __init__(self, tokens: list[FqlToken]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def statement(self) -> Expression:
        expression = self._junction("or")
        token = self._tokens[self._at]
        if token.kind is not Kind.END:
            raise _unexpected_after_expression(token)
        return expression

    def _junction(self, operator: str) -> Expression:
        part = self._unary if operator == "and" else lambda: self._junction("and")
        parts = [part()]
        while self._tokens[self._at].word == operator:
            self._at += 1
            parts.append(part())
        return parts[0] if len(parts) == 1 else Junction(operator, tuple(parts))

    def _unary(self) -> Expression:
        start = self._tokens[self._at]
        if not self._accept("!"):
            return self._comparison()
        self._enter(start)
        following = self._tokens[self._at]
        inner = self._unary() if following.text == "!" and following.kind is Kind.SIGN else self._operand()
        self._depth -= 1
        if self._operator():
            # Read as (!a) = b it would be nonsense, read as !(a = b) it would be a guess.
            raise FqlError('"!" before a comparison needs parentheses: !( field = "value" )', start.position)
        return Negation(inner)

    def _comparison(self) -> Expression:
        left = self._operand()
        operator = self._operator()
        if not operator:
            return left
        self._at += 1
        if (second := self._operator()) and second != "in":
            where = self._tokens[self._at].position
            raise FqlError(f'"{second}" follows "{operator}"; write one of {" ".join(COMPARISONS)}', where)
        right = self._operand()
        if self._operator():
            raise FqlError('comparisons cannot be chained; join them with "and"', self._tokens[self._at].position)
        return Compare(operator, left, right)

    def _operator(self) -> str:
        token = self._tokens[self._at]
        if token.kind is Kind.SIGN and token.text in COMPARISONS:
            return token.text
        return "in" if token.word == "in" else ""

    def _operand(self) -> Expression:
        token = self._tokens[self._at]
        self._at += 1
        if token.kind is Kind.STRING:
            return Literal(token.text)
        if token.kind is Kind.NUMBER:
            return Literal(float(token.text))
        if token.kind is Kind.PATH:
            return self._named(token)
        if token.text == "(":
            self._enter(token)
            expression = self._junction("or")
            self._expect(")", token)
            return expression
        if token.text == "[":
            self._enter(token)
            return Items(self._sequence("]", token))
        raise _missing_operand(token)

    def _named(self, token: FqlToken) -> Expression:
        if self._tokens[self._at].kind is Kind.SIGN and self._tokens[self._at].text == "(":
            return self._call(token)
        if token.word in _CONSTANTS:
            return Literal(_CONSTANTS[token.word])
        if token.word in _RESERVED:
            raise _missing_operand(token)
        return Path(token.path)

    def _call(self, name: FqlToken) -> Expression:
        if name.word not in ARITY:
            hint = 'write "!" instead of "not"' if name.word == "not" else f"there are: {', '.join(sorted(ARITY))}"
            raise FqlError(f'"{name.text}" is no function; {hint}', name.position)
        opening = self._tokens[self._at]
        self._at += 1
        self._enter(opening)
        arguments = self._sequence(")", opening)
        wanted = ARITY[name.word]
        if len(arguments) != wanted:
            raise FqlError(
                f"{name.word}() takes {wanted} argument{'s'[: wanted - 1]}, not {len(arguments)}", name.position
            )
        return Call(name.word, arguments)

    def _sequence(self, closing: str, opening: FqlToken) -> tuple[Expression, ...]:
        items: list[Expression] = []
        while self._tokens[self._at].kind is not Kind.SIGN or self._tokens[self._at].text != closing:
            if items and not self._accept(","):
                break
            items.append(self._junction("or"))
        self._expect(closing, opening)
        return tuple(items)

    def _accept(self, sign: str) -> bool:
        token = self._tokens[self._at]
        if token.kind is Kind.SIGN and token.text == sign:
            self._at += 1
            return True
        return False

    def _expect(self, closing: str, opening: FqlToken) -> None:
        self._depth -= 1
        if not self._accept(closing):
            token = self._tokens[self._at]
            raise FqlError(
                f'"{opening.text}" of column {opening.position + 1} has no "{closing}" here; add it', token.position
            )

    def _enter(self, token: FqlToken) -> None:
        self._depth += 1
        if self._depth > MAXIMUM_DEPTH:
            raise FqlError(f"nested deeper than {MAXIMUM_DEPTH} levels; split the filter", token.position)


def _missing_operand(token: FqlToken) -> FqlError:
    if token.kind is Kind.END:
        return FqlError('the statement ends where a field, value or "(" is due; add it', token.position)
    return FqlError(
        f'"{token.text}" stands where a field, value or "(" is due; add it, or remove the {token.text}', token.position
    )


def _unexpected_after_expression(token: FqlToken) -> FqlError:
    if token.word.lower() in ("and", "or", "in"):
        return FqlError(f'"{token.text}" is written in lower case: {token.word.lower()}', token.position)
    if token.word.lower() in _WORDS:
        return FqlError(f'"{token.text}" {NO_OPERATOR}', token.position)
    if token.text == ")" and token.kind is Kind.SIGN:
        return FqlError('there is a ")" without its "("; remove it', token.position)
    return FqlError(f'"{token.text}" follows a complete condition; join conditions with "and" or "or"', token.position)
