"""Cuts a template into text, outputs ``{{ }}`` and tags ``{% %}``, and trims the text beside ``{{-`` and ``-%}``."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from consumer.segment.liquid.cursor import BLANKS, Cursor
from consumer.segment.liquid.values import LiquidError

_BLANK_CHARACTERS: Final = "".join(sorted(BLANKS))


class Token(Struct, frozen=True):
    """A piece of a template.

    Attributes:
        name: a tag's name; "" for an output, None for text.
        source: the piece as it stands in the template.
        text: what is written, for text (trimmed).
        cursor: at what stands inside an output or behind a tag's name; at the end, for text.
    """

    name: str | None
    source: str
    text: str
    cursor: Cursor

    @property
    def arguments(self) -> str:
        """What stands behind a tag's name."""
        return self.cursor.rest()


def tokenize(template: str) -> list[Token]:
    """The pieces of a template, in order.

    Raises:
        LiquidError: an output or a tag is not closed, or a tag has no name.
    """
    return _Tokenizer(template).run()


def tokenize_lines(cursor: Cursor) -> list[Token]:
    """The tags of a ``liquid`` tag: one on each line that is not blank."""
    tokens: list[Token] = []
    while True:
        cursor.skip_blanks()
        if cursor.at_end():
            return tokens
        start = cursor.position
        cursor.skip_past("\n")
        tokens.append(_tag(cursor.text, start, cursor.position, start, cursor.position))


class _Tokenizer:
    def __init__(self, template: str) -> None:
        self._template = template
        self._tokens: list[Token] = []
        self._raw = False
        self._trim_next = False

    def run(self) -> list[Token]:
        position = 0
        while position < len(self._template):
            if self._raw:
                position = self._past_raw(position)
            elif self._template.startswith("{%", position):
                position = self._past_tag(position, self._closing(position))
            elif self._template.startswith("{{", position):
                position = self._past_output(position)
            else:
                marks = (self._template.find(mark, position) for mark in ("{%", "{{"))
                end = min((mark for mark in marks if mark >= 0), default=len(self._template))
                self._add_text(position, end)
                position = end
        return self._tokens

    def _closing(self, start: int) -> int:
        # The closing mark may begin with the opening one's second character, as in "{%}".
        found = self._template.find("%}", start + 1)
        if found < 0:
            raise LiquidError(f"the tag at character {start + 1} of the template is not closed")
        return found + 2

    def _past_tag(self, start: int, end: int) -> int:
        before, after = self._trims(start, end)
        token = _tag(self._template, start, end, start + 2, end - 2)
        if before and not self._raw:
            self._trim_last()
        self._tokens.append(token)
        self._raw = token.name == "raw"
        self._trim_next = after and not self._raw
        return end

    def _past_output(self, start: int) -> int:
        """Where an output ends; closing marks inside quotes do not count."""
        cursor = Cursor(self._template, start)
        while True:
            if cursor.at_end():
                raise LiquidError(f"the output at character {start + 1} of the template is not closed")
            if cursor.quoted() is not None:
                continue
            cursor.position += 1
            if cursor.text.endswith("}}", start, cursor.position):
                break
        end = cursor.position
        before, after = self._trims(start, end)
        if before:
            self._trim_last()
        inside = _inside(self._template, start + 2, end - 2)
        self._tokens.append(Token("", self._template[start:end], "", inside))
        self._trim_next = after
        return end

    def _past_raw(self, start: int) -> int:
        """Text up to the ``endraw`` tag, as it is; or past that tag, where it stands right here."""
        template, size = self._template, len(self._template)
        cursor = Cursor(template, start)
        cursor.skip_past("{%")
        left = cursor.position - 2
        while not cursor.at_end():
            if cursor.name() != "endraw":
                cursor.skip_past("{%")
                left = cursor.position - 2
                continue
            while cursor.position <= size:
                if template.endswith("%}", 0, cursor.position):
                    if left == start:
                        return self._past_tag(start, cursor.position)
                    self._add_text(start, left)
                    return left
                if template.endswith("{%", 0, cursor.position):
                    break
                cursor.position += 1
        raise LiquidError("a raw tag is not closed")

    def _trims(self, start: int, end: int) -> tuple[bool, bool]:
        return self._template[start + 2 : start + 3] == "-", self._template[end - 3 : end - 2] == "-"

    def _trim_last(self) -> None:
        if self._tokens and self._tokens[-1].name is None:
            last = self._tokens.pop()
            text = last.text.rstrip(_BLANK_CHARACTERS)
            self._tokens.append(Token(None, last.source, text, last.cursor))

    def _add_text(self, start: int, end: int) -> None:
        source = self._template[start:end]
        text = source.lstrip(_BLANK_CHARACTERS) if self._trim_next else source
        self._tokens.append(Token(None, source, text, Cursor(source, end - start)))
        self._trim_next = False


def _inside(template: str, start: int, end: int) -> Cursor:
    """What stands between two marks, without hyphens and blanks around it."""
    first, last = template[start : start + 1] == "-", template[end - 1 : end] == "-"
    start, end = start + first, end - last
    while start < end and template[start] in BLANKS:
        start += 1
    while end > start and template[end - 1] in BLANKS:
        end -= 1
    return Cursor(template, start, end)


def _tag(template: str, start: int, end: int, inner_start: int, inner_end: int) -> Token:
    cursor = _inside(template, inner_start, inner_end)
    cursor.skip_blanks()
    if template[cursor.position : cursor.position + 1] == "#":
        cursor.position += 1
        name = "#"
    else:
        name = cursor.name()
    if not name:
        raise cursor.error("a tag needs a name")
    cursor.skip_blanks()
    return Token(name, template[start:end], "", cursor)
