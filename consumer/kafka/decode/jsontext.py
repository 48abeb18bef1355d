r"""JSON as JavaScript's JSON.parse reads it, which is what Segment's own pipeline runs on.

orjson reads what nearly every record is. Where it refuses, the standard library's reader gets a second try, because
JSON.parse takes three things that orjson does not: a lone surrogate escape (``"\ud83d"``, a name cut within an emoji),
a number beyond the range of a double (``1e400`` is Infinity) and, before the text, a byte order mark. Both let the last
of duplicate keys win. Whole numbers stay exact up to 64 bits and are doubles beyond, as all numbers are in JavaScript.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from consumer.errors import DecodeError
from consumer.kafka.decode.limits import check_contents, check_text_depth, too_deep, too_large
from consumer.outcomes import DecodeReason

if TYPE_CHECKING:
    from consumer.kafka.decode.limits import DecodeLimits

_BOM = b"\xef\xbb\xbf"
_DIGITS_OF_EVERY_INT64 = 18


def parse_json(text: bytes, limits: DecodeLimits) -> Any:
    """The value that ``text`` (UTF-8) holds.

    Raises:
        DecodeError: too_large, too_deep, too_many_keys, string_too_long, invalid_utf8, invalid_json.
    """
    size = len(text)
    if size > limits.max_record_bytes:
        raise too_large(size, limits)
    try:
        value = orjson.loads(text)  # refuses more than 1,024 levels by itself, before it recurses
    except orjson.JSONDecodeError:
        value = _parse_slowly(text, limits)
    if size > limits.unchecked_bytes or may_be_deep(text, limits.max_depth):
        check_contents(value, limits)
    return value


def parse_text(text: str, limits: DecodeLimits) -> Any:
    """As `parse_json`, of JSON that was itself a JSON string; a lone surrogate in it reads as its escape does."""
    return parse_json(text.encode("utf-8", "backslashreplace"), limits)


def may_be_deep(text: bytes, depth: int) -> bool:
    """Whether there are more opening brackets than ``depth``; those within strings count, which only costs a look.

    Taking a byte out with a maximum is the fastest bounded count of it that there is, 0.4 µs for 1.5 KB: replace()
    looks with memchr(), where count() compares each byte.
    """
    return len(text) - len(text.replace(b"{", b"", depth + 1).replace(b"[", b"", depth + 1)) > depth


def _parse_slowly(text: bytes, limits: DecodeLimits) -> Any:
    """The standard library's reading, or the reason why nobody reads it."""
    check_text_depth(text, limits)
    try:
        decoded = text.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        raise DecodeError(
            DecodeReason.INVALID_UTF8, f"is not UTF-8 at byte {error.start}; producers must write UTF-8"
        ) from None
    try:
        return json.loads(decoded, parse_constant=_refuse_constant, parse_int=_parse_int)
    except json.JSONDecodeError as error:
        what = "is empty (a tombstone is null)" if not decoded.strip() else f"is not JSON at character {error.pos}"
        raise DecodeError(DecodeReason.INVALID_JSON, f"{what}; producers must write one JSON object a record") from None
    except RecursionError:
        # Not reachable while max_depth stays below the interpreter's limit; a caller deep in its own stack might.
        raise too_deep(limits) from None


def _refuse_constant(_name: str) -> NoReturn:
    raise DecodeError(DecodeReason.INVALID_JSON, "has NaN or Infinity, which JSON does not have; send null")


def _parse_int(digits: str) -> int | float:
    """As orjson: exact within 64 bits, else a double; ``int()`` of a million digits would be slow and is refused."""
    if len(digits) <= _DIGITS_OF_EVERY_INT64:
        return int(digits)
    number = float(digits)
    if -(2.0**63) <= number <= 2.0**64:  # doubles this close to the ends may stand for an integer on either side
        exact = int(digits)
        return exact if -(2**63) <= exact < 2**64 else number
    return number
