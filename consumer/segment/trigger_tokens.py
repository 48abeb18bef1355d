r"""The lexer of hosted triggers, quirk for quirk (`@segment/fql-ts` 1.10.1, as destination-subscriptions calls it).

Theory of operation: the text is read by UTF-16 units, as JavaScript reads it, with one reader position that can step
back. Four habits of the original decide what a trigger means, and none of them is in the documented language:

- A keyword (``and``, ``or``, ``null``) or a two-character operator (``<=``, ``>=``, ``!=``) is one only if a
  *terminator* follows: a space, tab or line feed, ``,``, ``]``, ``)``, or the end. ``and(`` is an identifier;
  ``x !="a"`` is an error.
- A closing quote is taken only if a terminator follows; else it opens the next text: ``"a"b"`` is two of them.
- When the attempt to read a keyword runs into the end of the text, what it has read is lost: a final ``= no`` lexes
  as ``n``.
- An escaped character loses its escape here, so the parser cannot tell ``a\.b`` from ``a.b``.

Any lexer error leaves the original with no tokens at all, which its parser then reports as a syntax error.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from consumer.segment.fql_tokens import MISTAKES
from consumer.segment.js import from_units, to_units

MAXIMUM_LENGTH = 100_000
"""Units in one string, number or identifier, from which the original refuses the trigger."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset("0123456789")
_IDENTIFIER = _LETTERS | _DIGITS | {"_", "-", "\\"}
_WHITESPACE = frozenset(" \t\n")  # not "\r": the original takes a carriage return for an invalid character
_END = ""
_TERMINATORS = _WHITESPACE | {",", "]", ")", _END}
_AFTER_IDENTIFIER = _TERMINATORS | {".", "(", "=", "!"}


class TokenType(StrEnum):
    """What a token is. The parser looks at the value at least as often: an identifier ``=`` counts as the operator."""

    IDENTIFIER = "ident"
    DOT = "dot"
    OPERATOR = "operator"
    CONDITIONAL = "conditional"
    STRING = "string"
    NUMBER = "number"
    NULL = "null"
    BRACKET_LEFT = "brackleft"
    BRACKET_RIGHT = "brackright"
    PAREN_LEFT = "parenleft"
    PAREN_RIGHT = "parenright"
    COMMA = "comma"
    END = "eos"


class Token(Struct, frozen=True):
    """One token; ``value`` in UTF-16 units (see `consumer.segment.js.to_units`), a string's with its quotes."""

    type: TokenType
    value: str


END_OF_TEXT = Token(TokenType.END, "eos")
"""The last token of every text; its value is compared with like any other (``type =`` means ``type = "eos"``)."""

_PUNCTUATION = {
    ".": Token(TokenType.DOT, "."),
    "[": Token(TokenType.BRACKET_LEFT, "["),
    "]": Token(TokenType.BRACKET_RIGHT, "]"),
    ",": Token(TokenType.COMMA, ","),
    "(": Token(TokenType.PAREN_LEFT, "("),
    ")": Token(TokenType.PAREN_RIGHT, ")"),
}
_KEYWORDS = {
    "a": ("nd", Token(TokenType.CONDITIONAL, "and")),
    "o": ("r", Token(TokenType.CONDITIONAL, "or")),
    "n": ("ull", Token(TokenType.NULL, "null")),
}


class LexerError(Exception):
    """The text holds something the original's lexer refuses; the message says what and what to write instead."""


def tokenize(text: str) -> list[Token]:
    """The tokens of a trigger, the last of them `END_OF_TEXT`.

    Raises:
        LexerError: where the original's lexer fails.
    """
    return _Lexer(to_units(text)).tokens()


class _Lexer:
    """The reader's position and the original's rules; one use."""

    def __init__(self, units: str) -> None:
        self._units = units
        self._at = 0
        self._reopened = -1
        """Where a closing quote was put back because of what follows it."""

    def tokens(self) -> list[Token]:
        found: list[Token] = []
        while (char := self._next()) != _END:
            if char in _WHITESPACE:
                continue
            found.append(self._token(char))
        found.append(END_OF_TEXT)
        return found

    def _token(self, char: str) -> Token:
        if char == "!" and (self._peek() in _LETTERS or self._peek() == "("):
            return Token(TokenType.OPERATOR, "!")
        if char in _LETTERS or char in "!=><\\_":
            return self._word(char)
        if char in _DIGITS or char in "+-":
            return self._number(char)
        if char in "\"'":
            return self._string(char)
        if char in _PUNCTUATION:
            return _PUNCTUATION[char]
        remedy = MISTAKES.get(char, "put text into double quotes")
        raise self._error(f"the character {char!r} has no meaning here; {remedy}")

    def _error(self, message: str) -> LexerError:
        """An error about the unit that was read last."""
        return LexerError(f"column {len(from_units(self._units[: max(self._at - 1, 0)])) + 1}: {message}")

    def _next(self) -> str:
        if self._at == len(self._units):
            return _END
        self._at += 1
        return self._units[self._at - 1]

    def _peek(self) -> str:
        return self._units[self._at] if self._at < len(self._units) else _END

    def _accept(self, rest: str) -> bool:
        """Advance over ``rest`` if it and then a terminator follow; at the end of the text what was read is lost."""
        read = ""
        for _ in rest:
            char = self._next()
            if char == _END:
                return False
            read += char
            if char in _TERMINATORS:
                break
        if read == rest and self._peek() in _TERMINATORS:
            return True
        self._at -= len(read)
        return False

    def _word(self, first: str) -> Token:
        if first == "=":
            return Token(TokenType.OPERATOR, "=")
        if first == "!":
            if self._accept("="):
                return Token(TokenType.OPERATOR, "!=")
            raise self._error('after "!" comes "=" and then a space, or a function; write: field != "value"')
        if first in "<>":
            return Token(TokenType.OPERATOR, first + "=" if self._accept("=") else first)
        if first in _KEYWORDS:
            rest, token = _KEYWORDS[first]
            if self._accept(rest):
                return token
        return self._identifier(first)

    def _identifier(self, first: str) -> Token:
        name: list[str] = []
        char = first
        while True:
            if char == "\\":
                char = self._next()
                if char == _END:
                    raise self._error("the text ends after an escape (\\); remove it, or name the character it escapes")
            name.append(char)
            _check_length(name, "identifier")
            if self._peek() not in _IDENTIFIER:
                break
            char = self._next()
        if self._peek() not in _AFTER_IDENTIFIER:
            char = self._next()
            remedy = MISTAKES.get(
                char, "put a space before an operator, and a \\ before a special character of the name"
            )
            raise self._error(f"the character {char!r} cannot follow a field name; {remedy}")
        return Token(TokenType.IDENTIFIER, "".join(name))

    def _number(self, first: str) -> Token:
        number = [first]
        decimal = False
        while (char := self._peek()) in _DIGITS or char == ".":
            number.append(self._next())
            if char == ".":
                if decimal or self._peek() in _TERMINATORS:
                    raise self._error("a number has one decimal point with digits after it; write: 12.5")
                decimal = True
            _check_length(number, "number", allowance=1)
        return Token(TokenType.NUMBER, "".join(number))

    def _string(self, quote: str) -> Token:
        end = self._units.find(quote, self._at)
        if end < 0 and self._reopened == self._at - 1:
            char = self._next()
            remedy = MISTAKES.get(char, "put a space before it, or remove it")
            raise self._error(f"the character {char!r} cannot stand right behind a text; {remedy}")
        if end < 0:
            raise self._error(f'the text that starts here has no closing {quote}; add it: field = "value"')
        if end - self._at >= MAXIMUM_LENGTH:
            raise LexerError(f"a text may have less than {MAXIMUM_LENGTH} characters")
        value = self._units[self._at - 1 : end + 1]
        self._at = end
        if not self._accept(quote):  # no terminator follows, so the closing quote opens the next text as well
            self._reopened = end
        return Token(TokenType.STRING, value)


def _check_length(read: list[str], what: str, *, allowance: int = 0) -> None:
    if len(read) - allowance >= MAXIMUM_LENGTH:
        raise LexerError(f"{what} of {MAXIMUM_LENGTH} characters or more; shorten it")
