"""Finds what is to blame where a trigger does not run as it reads. Asked only when it is known that it does not.

Reads the documented tokens once, left to right, and remembers the parentheses it stands in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from consumer.segment.fql_parse import COMPARISONS
from consumer.segment.fql_tokens import FqlToken, Kind
from consumer.segment.js import is_index
from consumer.segment.js_member import OBJECT_MEMBERS
from consumer.segment.trigger_ast import FUNCTIONS, ROOTS
from consumer.segment.trigger_traps import TrapKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Finding = tuple[TrapKind, str]
"""A trap's kind and what its message is about."""

GLOB_CHARACTERS = frozenset("*?[\\")
"""What the documented match() gives a meaning and the hosted one takes literally."""

_TERMINATORS = frozenset(" \t\n,])")
_OBJECTS = ("properties", "traits", "context")
_CONNECTIVES = ("and", "or")
_CONSTANTS = ("null", "true", "false")


class _Level(Struct):
    """An open parenthesis: of a function, or of a group, which a function's end closes for the hosted parser."""

    function: str = ""
    connectives: set[str] = field(default_factory=set)
    closed_by: str = ""


def scan(text: str, tokens: Sequence[FqlToken]) -> Iterator[Finding]:
    """Every trap that the tokens of a trigger show, in the order of the text."""
    scanner = _Scanner(text, tokens)
    if len(tokens) == 2 and tokens[0].word == "all":
        yield TrapKind.ALL, "all"
        return
    for index in range(len(tokens) - 1):
        yield from scanner.at(index)


class _Scanner:
    def __init__(self, text: str, tokens: Sequence[FqlToken]) -> None:
        self._text = text
        self._tokens = tokens
        self._levels = [_Level()]

    def at(self, index: int) -> Iterator[Finding]:
        token = self._tokens[index]
        yield from self._spacing(index)
        if token.kind is Kind.STRING:
            if self._text[token.position] == "'":
                yield TrapKind.SINGLE_QUOTES, self._written(token)
            yield from self._literal(index)
        elif token.kind is Kind.NUMBER:
            yield from self._literal(index)
        elif token.kind is Kind.PATH:
            yield from self._path(index)
        elif token.text == "(":
            yield from self._open(index)
        elif token.text == ")":
            yield from self._close()
        elif token.text == "!":
            yield from self._negation(index)
        elif token.text in COMPARISONS:
            yield from self._comparison(index)
        elif token.text == "[" and self._is_path(index - 1) and self._tokens[index - 1].word.lower() != "in":
            yield TrapKind.LIST_ACCESS, self._tokens[index - 1].text + "[…]"

    def _spacing(self, index: int) -> Iterator[Finding]:
        token = self._tokens[index]
        end = token.position + len(self._written(token))
        following = self._text[end : end + 1]
        needs_space = (
            token.text in ("!=", "<=", ">=")
            if token.kind is Kind.SIGN
            else token.kind is Kind.STRING or token.word in (*_CONNECTIVES, "null")
        )
        if needs_space and following and following not in _TERMINATORS and following != "\r":
            yield TrapKind.MISSING_SPACE, f"{following} after {self._written(token)}"
        if token.kind is Kind.SIGN and token.text[0] in "<>" and self._is_path(index - 1):
            before = self._tokens[index - 1]
            if before.position + len(before.text) == token.position:
                yield TrapKind.MISSING_SPACE, f"{token.text} after {before.text}"
        start = self._tokens[index - 1].position + len(self._written(self._tokens[index - 1])) if index else 0
        if "\r" in self._text[start : token.position]:
            yield TrapKind.CARRIAGE_RETURN, ""

    def _path(self, index: int) -> Iterator[Finding]:
        token = self._tokens[index]
        if token.word in _CONNECTIVES:
            yield from self._connective(token.word)
        elif token.word.lower() == "not" and not self._is_sign(index + 1, *COMPARISONS):
            yield TrapKind.NEGATION_IGNORED, token.word
        elif token.word.lower() in (*_CONNECTIVES, "in", *_CONSTANTS) and token.word != token.word.lower():
            yield TrapKind.UPPER_CASE, token.word
        elif token.word == "in":
            yield TrapKind.IN_OPERATOR, ""
        elif token.word in _CONSTANTS:
            yield from self._literal(index)
        elif self._is_sign(index + 1, "("):
            yield from self._call(index)
        elif self._is_value(index):
            if not self._levels[-1].function and self._is_sign(index - 1, *COMPARISONS):
                yield TrapKind.UNQUOTED_VALUE, token.text
        elif not self._levels[-1].function:
            yield from self._subject(token)
            yield from self._after_subject(index)

    def _connective(self, word: str) -> Iterator[Finding]:
        level = self._levels[-1]
        level.connectives.add(word)
        if len(level.connectives) > 1:
            yield TrapKind.MIXED_AND_OR, ""
        if level.closed_by:
            yield TrapKind.GROUP_ENDS_EARLY, level.closed_by

    def _subject(self, token: FqlToken, *, of_function: bool = False) -> Iterator[Finding]:
        root, rest = token.path[0], token.path[1:]
        if root not in ROOTS or (of_function and root == "type"):
            yield TrapKind.UNKNOWN_FIELD, token.text
            return
        if root in _OBJECTS and not rest:
            yield TrapKind.WHOLE_OBJECT, token.text
        if root not in _OBJECTS and rest:
            yield (TrapKind.UNKNOWN_FIELD if of_function else TrapKind.SUBPATH_IGNORED), token.text
        if any(set(name) & set(".[]") for name in token.path):
            yield TrapKind.ESCAPED_SEPARATOR, token.text
        if any(name == "length" or is_index(name) for name in rest[1:]):
            yield TrapKind.LIST_ACCESS, token.text
        if not OBJECT_MEMBERS.isdisjoint(token.path):
            yield TrapKind.ENGINE_MEMBER, token.text
        if any(name[0] in "-0123456789" or name in (*_CONNECTIVES, "null") for name in rest):
            yield TrapKind.PATH_CUT_SHORT, token.text

    def _after_subject(self, index: int) -> Iterator[Finding]:
        following = self._tokens[index + 1]
        if following.kind is Kind.SIGN and (following.text in COMPARISONS or following.text in "[!"):
            return
        if following.kind is Kind.PATH and following.word not in (*_CONNECTIVES, "in"):
            if following.word.lower() not in (*_CONNECTIVES, "in"):
                yield TrapKind.WORD_OPERATOR, following.text
        elif following.word != "in":
            yield TrapKind.BARE_FIELD, self._tokens[index].text

    def _call(self, index: int) -> Iterator[Finding]:
        name = self._tokens[index].word
        if name not in FUNCTIONS:
            yield TrapKind.UNKNOWN_FUNCTION, self._tokens[index].text
            return
        if index + 4 >= len(self._tokens):
            return
        subject, argument = self._tokens[index + 2], self._tokens[index + 4]
        if subject.kind is Kind.PATH and subject.word not in _CONSTANTS:
            yield from self._subject(subject, of_function=True)
        else:
            yield TrapKind.LITERAL_FIRST, self._written(subject)
        if argument.kind is not Kind.STRING:
            yield TrapKind.ARGUMENT_NO_TEXT, name
        elif name == "match" and not is_hosted_pattern(argument.text):
            yield TrapKind.MATCH_PATTERN, self._written(argument)

    def _comparison(self, index: int) -> Iterator[Finding]:
        operator, value = self._tokens[index], self._tokens[index + 1]
        if value.kind is Kind.SIGN and value.text in COMPARISONS:
            yield TrapKind.DOUBLED_OPERATOR, operator.text + value.text
            return
        if not self._is_path(index - 1):
            return
        name = self._tokens[index - 1]
        written = f"{name.text} {operator.text} {self._written(value)}"
        boolean = value.word in ("true", "false")
        if operator.text in ("=", "!="):
            if name.path[0] in ("type", "event", "name", "userId") and (
                value.kind is Kind.NUMBER
                or (value.word == "null" and name.path[0] in ("type", "event"))
                or (boolean and name.path[0] != "userId")
            ):
                yield TrapKind.COMPARED_AS_TEXT, written
            elif operator.text == "!=" and boolean:
                yield TrapKind.NOT_EQUAL_BOOLEAN, written
            elif operator.text == "!=" and value.kind is Kind.NUMBER:
                yield TrapKind.NOT_EQUAL_NUMBER, written
        elif value.kind is Kind.STRING or value.word in _CONSTANTS:
            yield TrapKind.ORDER_OF_TEXT, written

    def _negation(self, index: int) -> Iterator[Finding]:
        following = self._tokens[index + 1]
        if following.word in FUNCTIONS and self._is_sign(index + 2, "("):
            yield TrapKind.NEGATED_FUNCTION, following.word
        else:
            yield TrapKind.NEGATION_IGNORED, "!" + (following.text if following.kind is Kind.PATH else "(…)")

    def _open(self, index: int) -> Iterator[Finding]:
        before = self._tokens[index - 1] if index else None
        if before is not None and before.word and before.word.lower() not in (*_CONNECTIVES, "in", "not"):
            self._levels.append(_Level(function=before.word))
            return
        if any(not level.function for level in self._levels[1:]):
            yield TrapKind.NESTED_PARENTHESES, ""
        self._levels.append(_Level())

    def _close(self) -> Iterator[Finding]:
        if len(self._levels) == 1:
            yield TrapKind.UNREADABLE, 'there is a ")" without its "("; remove it'
            return
        closed = self._levels.pop()
        if closed.function and len(self._levels) > 1:
            self._levels[-1].closed_by = closed.function

    def _literal(self, index: int) -> Iterator[Finding]:
        if not self._is_value(index) and not self._levels[-1].function:
            yield TrapKind.LITERAL_FIRST, self._written(self._tokens[index])

    def _is_value(self, index: int) -> bool:
        """Whether the token stands behind an operator, a comma, a bracket or a word that poses as operator."""
        if self._is_sign(index - 1, *COMPARISONS, ",", "["):
            return True
        before = self._tokens[index - 1] if index else None
        return before is not None and before.kind is Kind.PATH and before.word.lower() not in (*_CONNECTIVES, "not")

    def _is_sign(self, index: int, *signs: str) -> bool:
        token = self._tokens[index] if 0 <= index < len(self._tokens) else None
        return token is not None and token.kind is Kind.SIGN and token.text in signs

    def _is_path(self, index: int) -> bool:
        return 0 <= index < len(self._tokens) and self._tokens[index].kind is Kind.PATH

    def _written(self, token: FqlToken) -> str:
        if token.kind is Kind.STRING:
            return self._text[token.position : token.position + len(token.text) + 2]
        return token.text


def is_hosted_pattern(pattern: str) -> bool:
    """Whether match() means the same to both: one ``*``, first or last, and nothing else with a meaning."""
    inner = pattern[:-1] if pattern.endswith("*") else pattern[1:] if pattern.startswith("*") else None
    return inner is not None and GLOB_CHARACTERS.isdisjoint(inner)
