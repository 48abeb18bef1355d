"""Cuts a text into the tokens that V8 reads dates from: numbers, symbols, words, blanks, parentheses."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER, SYMBOL, WORD, SPACE, OTHER, END = range(6)
_WIDE_BLANKS = r"\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff"
_TOKENS = rf"([0-9]++)|([:+\-.)])|((?:(?![{_WIDE_BLANKS}])[A-\U0010FFFF])+)|([\t-\r {_WIDE_BLANKS}])|([^A-\U0010FFFF])"
_PARENTHESIS = re.compile("[()]")
MOST_DIGITS = 9
"""V8 reads no more digits of a number than these, leading zeros aside; the rest counts for its length only."""


class Token(NamedTuple):
    """A token: its kind, how it is written and, of a number, its value."""

    kind: int
    text: str = ""
    number: int = 0

    def has_digits(self, count: int) -> bool:
        """Whether it is a number written in so many digits."""
        return self.kind == NUMBER and len(self.text) == count

    def two_digits_within(self, low: int, high: int) -> bool:
        """Whether it is a number of two digits in a range."""
        return self.has_digits(2) and low <= self.number <= high


@cache
def _pattern() -> re.Pattern[str]:
    """Compiled when a date is first read: it takes 4 ms, of 150 that the service's import may."""
    return re.compile(_TOKENS)


def tokens(text: str) -> Iterator[Token]:
    """Numbers, the five symbols, words (anything from "A" upwards), blanks and the rest; parentheses are one token."""
    match = _pattern().match
    position, end = 0, text.find("\0")  # a NUL ends the text for V8
    end = len(text) if end < 0 else end
    while position < end:
        found = match(text, position, end)
        assert found is not None, "the last alternative takes any character"
        kind = found.lastindex or 0
        position = found.end()
        if found[0] == "(":
            position = _past_parentheses(text, position, end)
        yield Token(kind - 1, found[0], _number(found[0]) if kind == 1 else 0)
    while True:
        yield Token(END)


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[:MOST_DIGITS] or "0")


def _past_parentheses(text: str, position: int, end: int) -> int:
    """Where the parenthesis that was opened before ``position`` ends; the end of the text where it does not."""
    depth = 1
    while depth:
        found = _PARENTHESIS.search(text, position, end)
        if found is None:
            return end
        depth += 1 if found[0] == "(" else -1
        position = found.end()
    return position
