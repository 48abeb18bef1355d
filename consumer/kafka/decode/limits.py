"""How large and how deep a record may be: what protects the others from one record.

The record's size is known before anything is read. Depth is checked before any parser that recurses could be hurt.
Keys and lengths of strings are counted only where the size of the record makes it possible that they are exceeded, so
that an ordinary event pays nothing for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from consumer.errors import DecodeError
from consumer.outcomes import DecodeReason

_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"?|[\[\]{}]', re.DOTALL)
"""A JSON string (or its beginning, where the text ends in it) or a bracket. Its runs are possessive, and whatever
follows them may be missing: it never goes back."""

_MIN_BYTES_PER_KEY = 4
"""``"":1`` is the shortest that a key and its value can be in JSON (the comma or brace makes it five)."""

MAX_DEPTH_ALLOWED = 200
"""The deepest that a setting may allow: safe for every later step that recurses, orjson's encoder (254) first."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What a record may be; one over a limit is rejected by that limit's own reason.

    Attributes:
        max_record_bytes: size of the record's value. Segment takes 32 KB an event and 500 KB a batch; a broker
            takes 1 MiB a message unless told otherwise.
        max_depth: objects and arrays within each other, the event itself included; at most 200.
        max_keys: keys of all objects together. Segment takes 10,000 properties an event.
        max_string_chars: of one string, key or value.
        max_events: of one record, in a batch. Segment takes 2,500.
    """

    max_record_bytes: int = 1_048_576
    max_depth: int = 64
    max_keys: int = 20_000
    max_string_chars: int = 262_144
    max_events: int = 2_500
    unchecked_bytes: int = field(init=False)
    """JSON text of up to this size cannot break any limit but depth."""
    max_merged_keys: int = field(init=False)
    """Of what a batch says of all its events, once for each of them: memory that no byte of the record pays for."""

    def __post_init__(self) -> None:
        for name in ("max_record_bytes", "max_depth", "max_keys", "max_string_chars", "max_events"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.max_depth > MAX_DEPTH_ALLOWED:
            raise ValueError(f"max_depth must be at most {MAX_DEPTH_ALLOWED}")
        unchecked = min(self.max_record_bytes, self.max_string_chars, self.max_keys * _MIN_BYTES_PER_KEY)
        object.__setattr__(self, "unchecked_bytes", unchecked)
        object.__setattr__(self, "max_merged_keys", 10 * self.max_keys)


def too_large(size: int, limits: DecodeLimits) -> DecodeError:
    """The reject of a record of ``size`` bytes."""
    return DecodeError(
        DecodeReason.TOO_LARGE,
        f"has {size} bytes, over the limit of {limits.max_record_bytes} (max_record_bytes)",
    )


def too_deep(limits: DecodeLimits) -> DecodeError:
    """The reject of a record with more levels than allowed."""
    return DecodeError(
        DecodeReason.TOO_DEEP, f"nests objects and arrays deeper than {limits.max_depth} levels (max_depth)"
    )


def check_text_depth(text: bytes, limits: DecodeLimits) -> None:
    """Raise `DecodeError` if JSON ``text`` opens more levels than allowed; linear, and ends at the level too many.

    ``text`` need not be valid JSON: what closes without having been opened is left to the parser.
    """
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        found = match.group()
        if found in {b"{", b"["}:
            depth += 1
            if depth > limits.max_depth:
                raise too_deep(limits)
        elif found in {b"}", b"]"}:
            depth -= 1


def check_contents(document: Any, limits: DecodeLimits) -> None:
    """Raise `DecodeError` if a decoded document has too many keys or levels, or too long a string; iterative."""
    keys = depth = 0
    level = [document]
    while level:
        below: list[Any] = []
        nested = False
        for value in level:
            if isinstance(value, str):
                if len(value) > limits.max_string_chars:
                    raise DecodeError(
                        DecodeReason.STRING_TOO_LONG,
                        f"has a string of {len(value)} characters, over the limit of {limits.max_string_chars} "
                        "(max_string_chars)",
                    )
            elif isinstance(value, dict):
                nested = True
                keys += len(value)
                if keys > limits.max_keys:
                    raise DecodeError(
                        DecodeReason.TOO_MANY_KEYS, f"has more than {limits.max_keys} keys in all (max_keys)"
                    )
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                nested = True
                below.extend(value)
        depth += nested
        if depth > limits.max_depth:
            raise too_deep(limits)
        level = below
