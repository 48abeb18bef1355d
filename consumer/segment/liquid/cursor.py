"""Reads names, numbers, quoted text and operators off a piece of template source."""

from __future__ import annotations

import re
from typing import Any, Final

from consumer.segment.js import from_units, to_number
from consumer.segment.liquid.values import BLANK, EMPTY, NIL, LiquidError

BLANKS: Final = frozenset(
    "\t\n\v\f\r \u00a0\u1680\u180e"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What separates and what ``{%-`` trims; not quite JavaScript's white space."""

_ASCII_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-?_")
_CURLY_QUOTES: Final = frozenset("\u201c\u201d")
_DIGITS: Final = frozenset("0123456789")
_LITERALS: Final = {"true": True, "false": False, "nil": NIL, "null": NIL, "empty": EMPTY, "blank": BLANK}
_OPERATORS: Final = ("contains", "==", "!=", ">=", "<=", ">", "<", "not", "and", "or")
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(r"\\(?:([bfnrtv])|u([0-9a-fA-F]{0,4})|([0-7]{1,3})|(.)|$)", re.DOTALL)


def is_word(character: str) -> bool:
    """Whether a character belongs to a name: letters, digits, ``_``, ``-``, ``?`` and all beyond ASCII but blanks."""
    if character < "\x80":
        return character in _ASCII_WORD
    return character not in BLANKS and character not in _CURLY_QUOTES


class Cursor:
    """A position in a piece of source, ``text[start:end]``; what is read moves it."""

    __slots__ = ("end", "position", "text")

    def __init__(self, text: str, start: int = 0, end: int | None = None) -> None:
        self.text = text
        self.position = start
        self.end = len(text) if end is None else end

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= self.end

    def peek(self, ahead: int = 0) -> str:
        """A character, "" past the end."""
        position = self.position + ahead
        return self.text[position] if position < self.end else ""

    def rest(self) -> str:
        """What is left."""
        return self.text[self.position : self.end]

    def skip_blanks(self) -> None:
        """Move to the next character that is no blank."""
        while self.position < self.end and self.text[self.position] in BLANKS:
            self.position += 1

    def expect(self, character: str, message: str) -> None:
        """Read one character or fail."""
        if self.peek() != character:
            raise self.error(message)
        self.position += 1

    def error(self, message: str) -> LiquidError:
        """An error that says where in the template."""
        return LiquidError(f"{message}, at character {self.position + 1} of the template")

    def skip_past(self, mark: str) -> bool:
        """Move behind the next ``mark`` that ends after this position; False, and to the end, where there is none."""
        start = max(self.position + 1 - len(mark), 0)
        found = self.text.find(mark, start, self.end)
        self.position = self.end if found < 0 else found + len(mark)
        return found >= 0

    def name(self) -> str:
        """A name, perhaps empty, after blanks."""
        self.skip_blanks()
        start = self.position
        while self.position < self.end and is_word(self.text[self.position]):
            self.position += 1
        return self.text[start : self.position]

    def operator(self) -> str:
        """An operator or ""; after blanks. One that is a word must end there."""
        self.skip_blanks()
        for operator in _OPERATORS:
            if self._starts_with(operator):
                return operator
        return ""

    def literal(self) -> Any | None:
        """The value of a word such as ``true`` or ``empty``, as a list of one; None where there is none."""
        self.skip_blanks()
        for word, value in _LITERALS.items():
            if self._starts_with(word):
                return [value]
        return None

    def _starts_with(self, word: str) -> bool:
        after = self.position + len(word)
        if after > self.end or not self.text.startswith(word, self.position):
            return False
        if is_word(word[-1]) and after < self.end and is_word(self.text[after]):
            return False
        self.position = after
        return True

    def number(self) -> float | None:
        """A number that no name goes on with."""
        self.skip_blanks()
        ahead = 1 if self.peek() in ("+", "-") else 0
        digits = point = False
        while True:
            character = self.peek(ahead)
            if character in _DIGITS:
                digits = True
            elif character == "." and self.peek(ahead + 1) != ".":
                if point or not digits:
                    return None
                point = True
            else:
                break
            ahead += 1
        if not digits or (character and is_word(character)):
            return None
        text = self.text[self.position : self.position + ahead]
        self.position += ahead
        return to_number(text)

    def quoted(self) -> str | None:
        """Text in quotes; where the closing one is missing, it takes the last character's place, as in the original."""
        self.skip_blanks()
        quote = self.peek()
        if quote not in ("'", '"'):
            return None
        start = self.position
        self.position += 1
        escaped = False
        while self.position < self.end:
            character = self.text[self.position]
            self.position += 1
            if character == quote and not escaped:
                break
            escaped = character == "\\" and not escaped
        return from_units(self._unescaped(start + 1, self.position - 1))

    def _unescaped(self, start: int, last: int) -> str:
        pieces: list[str] = []
        while start < last:
            escape = self.text.find("\\", start, last)
            if escape < 0:
                pieces.append(self.text[start:last])
                break
            match = _ESCAPE.match(self.text, escape, self.position)
            assert match is not None, "the pattern takes any backslash"
            pieces += (self.text[start:escape], _unescape(match))
            start = match.end()
        return "".join(pieces)


def _unescape(match: re.Match[str]) -> str:
    letter, code, octal, other = match.groups()
    if letter:
        return _ESCAPES[letter]
    if code is not None:
        return chr(int(code or "0", 16))
    if octal:
        return chr(int(octal, 8))
    return other or ""
