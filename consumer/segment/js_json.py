"""JSON text as JavaScript writes and reads it, and the JSON view of a value.

``JSON.stringify`` differs from Python's in its numbers (1.0 is ``1``, infinities are ``null``), in the order of keys
(array indexes first), in lone surrogates (escaped) and in undefined (left out of objects, ``null`` in arrays).
"""

from __future__ import annotations

import json
import math
import re
from json.encoder import encode_basestring
from typing import Any, Final, NoReturn

from consumer.segment.js import UNDEFINED, NativeFunction, UndefinedType, double, from_units, number_text, own_keys

_SURROGATE = re.compile("[\ud800-\udfff]")
_EXACT_DIGITS: Final = 17
"""Longer integers than this go straight to doubles: Python would read thousands of digits at quadratic cost."""


def encode(value: Any, indent: str | None = None) -> str | UndefinedType:
    """``JSON.stringify(value, null, indent)``; `UNDEFINED` where JavaScript gives undefined.

    An empty indent, which JavaScript makes of a number between 0 and 1, still breaks lines.
    """
    text = _encode(value, indent or "", "" if indent is None else "\n")
    return UNDEFINED if text is None else text


def decode(text: str) -> Any:
    """``JSON.parse(text)``.

    Raises:
        ValueError: the text is not JSON.
        RecursionError: it is nested deeper than this interpreter can follow.
    """
    return _DECODER.decode(text)


def json_value(value: Any) -> Any:
    """``JSON.parse(JSON.stringify(value))``: undefined and functions are left out or null, infinities null.

    Returns:
        A copy, `UNDEFINED` where JavaScript gives undefined. Integers stay as they are: they stand for doubles anyway.
    """
    if isinstance(value, dict):
        pairs = ((key, json_value(inner)) for key, inner in value.items())
        return {key: inner for key, inner in pairs if inner is not UNDEFINED}
    if isinstance(value, list):
        return [None if (item := json_value(inner)) is UNDEFINED else item for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return UNDEFINED if isinstance(value, NativeFunction) else value


def quote(text: str) -> str:
    """A JSON string literal; lone surrogates become escapes, everything else beyond ASCII stays."""
    quoted = encode_basestring(text)
    if quoted.isascii() or not _SURROGATE.search(quoted):
        return quoted
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", from_units(quoted))


def _encode(value: Any, indent: str, line: str) -> str | None:
    kind = type(value)
    if kind is str:
        return quote(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is float:
        return number_text(value) if math.isfinite(double(value)) else "null"
    if value is None:
        return "null"
    inner = line + indent
    if kind is dict:
        colon = ": " if line else ":"
        texts = [(key, _encode(value[key], indent, inner)) for key in own_keys(value)]
        return _join("{", [quote(key) + colon + text for key, text in texts if text is not None], "}", line, inner)
    if kind is list:
        return _join("[", [_encode(item, indent, inner) or "null" for item in value], "]", line, inner)
    return None


def _join(opening: str, texts: list[str], closing: str, line: str, inner: str) -> str:
    if not texts:
        return opening + closing
    return f"{opening}{inner}{f',{inner}'.join(texts)}{line}{closing}"


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _EXACT_DIGITS else float(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse_constant)
