r"""Glob patterns of FQL's ``match``: ``*``, ``?``, ``[abc]``, ``[a-z]``, ``[^a]`` and ``\x``, in linear time.

Theory of operation: a pattern is a row of places, each of which accepts some characters, with stars between them. All
positions that a text may have reached are the bits of one integer; a character moves every bit whose place accepts it
one place on, and a bit that stands at a star also stays. One pass over the text, no backtracking, whatever the pattern
(Baeza-Yates and Gonnet's Shift-And). Which places accept a character is looked up in ranges of code points.

Source: Segment's FQL reference; for ``[^a]`` and for what is no pattern, Segment's own tsub-js. A class may not be
empty, and holds ``-`` and ``]`` only behind a backslash.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST = 0x10FFFF
_ANY = ((0, _LAST),)

Ranges = tuple[tuple[int, int], ...]


class GlobError(ValueError):
    """The pattern is none; the message says what to write."""


class _Glob(Struct, frozen=True):
    """A pattern taken apart: the characters each place accepts, and before which places a star stands."""

    places: tuple[Ranges, ...]
    stars: frozenset[int]


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Whether a text as a whole matches.

    Raises:
        GlobError: an unclosed or empty class, a bare ``-`` in one, or a backslash at the end.
    """
    glob = _parse(pattern)
    return _plain(glob) or _automaton(glob)


def _plain(glob: _Glob) -> Callable[[str], bool] | None:
    """The everyday patterns (text, text*, *text, *text*, head*tail) by the string's own methods."""
    if any(len(ranges) != 1 or ranges[0][0] != ranges[0][1] for ranges in glob.places):
        return None
    text = "".join(chr(ranges[0][0]) for ranges in glob.places)
    match sorted(glob.stars):
        case []:
            return lambda value: value == text
        case [at]:
            head, tail, shortest = text[:at], text[at:], len(text)
            return lambda value: len(value) >= shortest and value.startswith(head) and value.endswith(tail)
        case [0, last] if last == len(text):
            return lambda value: text in value
        case _:
            return None


def _automaton(glob: _Glob) -> Callable[[str], bool]:
    starts, masks = _lookup(glob.places)
    stay = sum(1 << place for place in glob.stars)
    end = 1 << len(glob.places)

    def matches(text: str) -> bool:
        reached = 1
        for char in text:
            accepting = masks[bisect_right(starts, ord(char)) - 1]
            reached = (reached & accepting) << 1 | reached & stay
            if not reached:
                return False
        return bool(reached & end)

    return matches


def _lookup(places: tuple[Ranges, ...]) -> tuple[list[int], list[int]]:
    """Code points at which the set of accepting places changes, and that set from each on."""
    changes: dict[int, int] = {0: 0}
    for place, ranges in enumerate(places):
        bit = 1 << place
        for low, high in ranges:
            changes[low] = changes.get(low, 0) ^ bit
            changes[high + 1] = changes.get(high + 1, 0) ^ bit
    starts = sorted(changes)
    masks: list[int] = []
    mask = 0
    for start in starts:
        mask ^= changes[start]
        masks.append(mask)
    return starts, masks


def _parse(pattern: str) -> _Glob:
    places: list[Ranges] = []
    stars: set[int] = set()
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            stars.add(len(places))
        elif char == "?":
            places.append(_ANY)
        elif char == "[":
            ranges, at = _class(pattern, at)
            places.append(ranges)
        elif char == "\\":
            if at == len(pattern):
                raise GlobError(r"the pattern ends in a backslash; write \\ for the character itself")
            places.append(_single(pattern[at]))
            at += 1
        else:
            places.append(_single(char))
    return _Glob(tuple(places), frozenset(stars))


def _single(char: str) -> Ranges:
    return ((ord(char), ord(char)),)


def _class(pattern: str, at: int) -> tuple[Ranges, int]:
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[int, int]] = []
    while not (ranges and pattern.startswith("]", at)):
        low, at = _member(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _member(pattern, at + 1)
        ranges.append((low, high))
    return _normalized(ranges, negated=negated), at + 1


def _member(pattern: str, at: int) -> tuple[int, int]:
    escaped = pattern.startswith("\\", at)
    at += escaped
    if at >= len(pattern):
        raise GlobError(r"a class has no closing ]; close it, or write \[ for the character itself")
    if not escaped and pattern[at] in "-]":
        raise GlobError(rf"{pattern[at]} stands in a class where a character is due; write \{pattern[at]}")
    return ord(pattern[at]), at + 1


def _normalized(ranges: list[tuple[int, int]], *, negated: bool) -> Ranges:
    """Sorted, without overlaps (each place is toggled on and off), turned inside out for ``[^...]``."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pair for pair in ranges if pair[0] <= pair[1]):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    if not negated:
        return tuple(merged)
    outside: list[tuple[int, int]] = []
    start = 0
    for low, high in merged:
        if start < low:
            outside.append((start, low - 1))
        start = high + 1
    if start <= _LAST:
        outside.append((start, _LAST))
    return tuple(outside)
