"""JavaScript's values where triggers show them: numbers as text, text as numbers, and ``object[key]``."""

from __future__ import annotations

import math
import re
from typing import Any

_OBJECT = "constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf __proto__"
_LEGACY = "__defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__"
OBJECT_MEMBERS = frozenset((*_OBJECT.split(), *_LEGACY.split()))
"""What every JavaScript value but null and undefined answers to, besides its own keys."""

_ARRAY = (
    "at concat copyWithin entries every fill filter find findIndex findLast findLastIndex flat flatMap forEach "
    "includes indexOf join keys lastIndexOf map pop push reduce reduceRight reverse shift slice some sort splice "
    "toReversed toSorted toSpliced unshift values with"
)
_STRING = (
    "anchor at big blink bold charAt charCodeAt codePointAt concat endsWith fixed fontcolor fontsize includes indexOf "
    "isWellFormed italics lastIndexOf link localeCompare match matchAll normalize padEnd padStart repeat replace "
    "replaceAll search slice small split startsWith strike sub substr substring sup toLocaleLowerCase "
    "toLocaleUpperCase toLowerCase toUpperCase toWellFormed trim trimEnd trimLeft trimRight trimStart"
)
_NUMBER = "toExponential toFixed toPrecision"
_MEMBERS: dict[type, frozenset[str]] = {
    dict: OBJECT_MEMBERS,
    list: OBJECT_MEMBERS | frozenset(_ARRAY.split()),
    str: OBJECT_MEMBERS | frozenset(_STRING.split()),
    int: OBJECT_MEMBERS | frozenset(_NUMBER.split()),
    float: OBJECT_MEMBERS | frozenset(_NUMBER.split()),
    bool: OBJECT_MEMBERS,
}

BUILTIN = object()
"""Stands for any function or prototype of the engine: it exists and equals nothing."""

_INDEX = re.compile(r"(?:0|[1-9][0-9]*)\Z")
_SPACES = "".join(map(chr, range(0x2000, 0x200B)))
_WHITESPACE = f"\t\n\v\f\r \u00a0\u1680{_SPACES}\u2028\u2029\u202f\u205f\u3000\ufeff"
_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\Z")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)\Z")


def number_text(number: float) -> str:
    """``String(number)``: 5.0 -> "5", 1e21 -> "1e+21", -0.0 -> "0"."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    # repr has the shortest digits that read back as the same double, as JavaScript's does; only the layout differs.
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def to_number(text: str) -> float:
    """``Number(text)``: "" -> 0, "0x10" -> 16, anything else that is no number -> NaN."""
    text = text.strip(_WHITESPACE)
    if not text:
        return 0.0
    if _DECIMAL.match(text):
        return float(text)
    if _RADIX.match(text):
        return double(int(text, 0))
    return math.nan


def double(number: float) -> float:
    """An integer of any size as the IEEE double that JavaScript would have read; a float as it is."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def member(value: Any, key: str) -> Any:
    """``value[key]`` of a truthy JSON value; None for undefined, `BUILTIN` for what the engine itself provides.

    What lies below a builtin is taken for undefined: the original's answer there depends on the engine's version.
    """
    kind = value.__class__
    if kind is dict:
        if key in value:
            return value[key]
    elif kind is list:
        if key == "length":
            return len(value)
        if _INDEX.match(key):
            return value[int(key)] if len(key) < 16 and int(key) < len(value) else None
    elif kind is str and (key == "length" or _INDEX.match(key)):
        units = value.encode("utf-16-le", "surrogatepass")
        if key == "length":
            return len(units) // 2
        at = 2 * int(key) if len(key) < 16 else len(units)
        return units[at : at + 2].decode("utf-16-le", "surrogatepass") if at < len(units) else None
    return BUILTIN if key in _MEMBERS.get(kind, ()) else None
