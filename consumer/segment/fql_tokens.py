r"""The lexer of the documented Filter Query Language (FQL).

Source: Segment's "Destination Filter Query Language" reference. What it leaves open is settled here: texts are raw (a
backslash inside quotes stays, as ``match('ab*d', 'ab\*d')`` needs it; the other quote holds a quote), keywords are
lower case, spaces may be left out around operators.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from msgspec import Struct

from consumer.errors import ConsumerError


class FqlError(ConsumerError):
    """A statement cannot be read.

    Attributes:
        message: what is wrong and what to write instead.
        column: 1-based position of the mistake in the statement.
    """

    def __init__(self, message: str, position: int) -> None:
        self.message = message
        self.column = position + 1
        super().__init__(f"column {self.column}: {message}")


class Kind(Enum):
    """What a token is."""

    PATH = auto()
    STRING = auto()
    NUMBER = auto()
    SIGN = auto()
    END = auto()


class FqlToken(Struct, frozen=True):
    """One token.

    Attributes:
        kind: what it is.
        text: a sign, a number as written, or a string's contents.
        position: 0-based offset in the statement.
        path: a path's segments, escapes undone.
        word: a path of one segment without escapes, which may be a keyword or a function's name; else "".
    """

    kind: Kind
    text: str
    position: int
    path: tuple[str, ...] = ()
    word: str = ""


_SPACE = re.compile(r"[ \t\r\n]+")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_.\\])")
_SEGMENT = re.compile(r"(?:[A-Za-z0-9_-]|\\.)+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SIGN = re.compile(r"!=|<=|>=|[=<>!(),\[\]]")
MISTAKES = {
    "&": 'write "and"',
    "|": 'write "or"',
    "\u201c": 'use straight quotes: "',
    "\u201d": 'use straight quotes: "',
    "\u2018": "use straight quotes: '",
    "\u2019": "use straight quotes: '",
    ".": "a path starts with a field's name, such as properties.plan",
    ":": "write = to compare",
    ";": "remove it",
    "#": "remove it and what follows: there are no comments",
    "\u00a0": "it is a no-break space; write an ordinary one",
}
"""What to do about a character that starts no token, here and in hosted triggers."""

NO_OPERATOR = 'is no operator; write field = "value", contains(field, "value") or match(field, "value*")'


def tokenize(text: str) -> list[FqlToken]:
    """The tokens of a statement, the last of them of kind END.

    Raises:
        FqlError: at the first character that starts no token.
    """
    tokens: list[FqlToken] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        token, at = _token(text, at)
        tokens.append(token)
    tokens.append(FqlToken(Kind.END, "", len(text)))
    return tokens


def _token(text: str, at: int) -> tuple[FqlToken, int]:
    char = text[at]
    if char in "\"'":
        end = text.find(char, at + 1)
        if end < 0:
            raise FqlError(f"the text that starts here has no closing {char}; add it", at)
        return FqlToken(Kind.STRING, text[at + 1 : end], at), end + 1
    if char in "+-0123456789":
        number = _NUMBER.match(text, at)
        if number is None:
            raise FqlError("not a number; write digits with at most one decimal point, such as -3 or 12.5", at)
        return FqlToken(Kind.NUMBER, number.group(), at), number.end()
    if _SEGMENT.match(text, at):
        return _path(text, at)
    if sign := _SIGN.match(text, at):
        return FqlToken(Kind.SIGN, sign.group(), at), sign.end()
    remedy = MISTAKES.get(char, "put text into quotes; in a field's name put a \\ before it")
    raise FqlError(f"unexpected character {char!r}; {remedy}", at)


def _path(text: str, start: int) -> tuple[FqlToken, int]:
    segments: list[str] = []
    at = start
    while segment := _SEGMENT.match(text, at):
        segments.append(_ESCAPED.sub(r"\1", segment.group()))
        at = segment.end()
        if not text.startswith(".", at):
            written = text[start:at]
            word = written if len(segments) == 1 and "\\" not in written else ""
            return FqlToken(Kind.PATH, written, start, tuple(segments), word), at
        at += 1
    raise FqlError("a path cannot end in a dot or have two in a row; name the field, or escape the dot as \\.", at)
