"""``@replace``: a short plain text replaced, by JavaScript's rules for ``String.replace``, in linear time.

The original builds a regular expression, but escapes every character that means something there: what is left is a
search for a plain text, in UTF-16 code units, with upper and lower case alike if asked. In the replacement four marks
are active: a dollar sign followed by another (a dollar sign), by & (the match), by ` (what stands before it) and by '
(what stands after it).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from consumer.segment.directives.site import MAX_TEXT, too_long
from consumer.segment.js import from_units, to_units

if TYPE_CHECKING:
    from collections.abc import Callable

_ACTIVE = re.compile(r"\$[$&`']")


def compile_replacement(pattern: str, replacement: str, *, ignore_case: bool, everywhere: bool) -> Callable[[str], str]:
    """A function from a text to the text with ``pattern`` replaced, everywhere or once.

    It raises MappingError where the result would have more than `MAX_TEXT` characters.
    """
    wanted = _canonical(to_units(pattern)) if ignore_case else to_units(pattern)
    parts = _parts(to_units(replacement))
    if not ignore_case and "$`" not in parts and "$'" not in parts:
        return _plain_replacement(
            wanted, "".join(wanted if part == "$&" else part for part in parts), -1 if everywhere else 1
        )

    def replace(value: str) -> str:
        text = to_units(value)
        matches = _find_all(_canonical(text) if ignore_case else text, wanted, everywhere=everywhere)
        pieces: list[str] = []
        budget, taken = MAX_TEXT, 0
        for start in matches:
            end = start + len(wanted)
            found = [text[taken:start], *_expand(parts, text, start, end, budget)]
            budget -= sum(map(len, found))
            if budget < 0:
                raise too_long("@replace")
            pieces += found
            taken = end
        return from_units("".join([*pieces, text[taken:]]))

    return replace


def _plain_replacement(wanted: str, instead: str, count: int) -> Callable[[str], str]:
    """The usual case: each match becomes the same text."""
    growth = len(instead) - len(wanted)

    def replace(value: str) -> str:
        text = to_units(value)
        if growth > 0 and len(text) + text.count(wanted) * growth > MAX_TEXT:
            raise too_long("@replace")
        return from_units(text.replace(wanted, instead, count))

    return replace


def _parts(replacement: str) -> list[str]:
    """Plain text and active marks in turn; ``$$`` is plain text already."""
    parts: list[str] = []
    taken = 0
    for mark in _ACTIVE.finditer(replacement):
        parts.append(replacement[taken : mark.start()])
        parts.append("$" if mark[0] == "$$" else mark[0])
        taken = mark.end()
    return [*parts, replacement[taken:]]


def _expand(parts: list[str], text: str, start: int, end: int, budget: int) -> list[str]:
    expanded: list[str] = []
    for part in parts:
        match part:
            case "$&":
                piece = text[start:end]
            case "$`":
                piece = text[: min(start, budget + 1)]
            case "$'":
                piece = text[end : end + budget + 1]
            case _:
                piece = part
        expanded.append(piece)
    return expanded


def _find_all(text: str, wanted: str, *, everywhere: bool) -> list[int]:
    positions: list[int] = []
    start = text.find(wanted)
    while start >= 0:
        positions.append(start)
        if not everywhere:
            break
        start = text.find(wanted, start + len(wanted))
    return positions


def _canonical(text: str) -> str:
    """Text in the case that JavaScript compares in: upper, where that is one code unit and does not turn ASCII."""
    return text.upper() if text.isascii() else "".join(map(_canonical_unit, text))


def _canonical_unit(unit: str) -> str:
    upper = unit.upper()
    if len(upper) != 1 or upper > "\uffff" or (unit >= "\x80" > upper):
        return unit
    return upper
