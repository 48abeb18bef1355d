"""JavaScript's value semantics where Segment's mappings and triggers show them.

An event is plain JSON as Python reads it: dict, list, str (which may hold lone surrogates), int, float, bool, None.
Integers of any size stand for the IEEE double that JavaScript would have read. Two values exist beside those:
`UNDEFINED`, and `NativeFunction` for what the engine itself answers (``"text".link``). Nothing here changes a value.

Strings are Unicode text in Python and UTF-16 code units in JavaScript. Lengths and positions that people see are
therefore counted by the functions below, never by ``len``.
"""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Up to here every integer is a double of its own."""

WHITESPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
r"""What ``trim()`` removes and ``\s`` matches; not quite what Python's ``strip()`` does."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_UTF16: Final = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"
_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_MAX_INDEX = 2**32 - 2


class UndefinedType:
    """The type of `UNDEFINED`: JavaScript's undefined, which JSON has no word for. There is one; it is falsy."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = UndefinedType()
"""What a look-up of something absent gives."""


class NativeFunction:
    """A function of the engine's own, reached by name on a value: it exists and is truthy, and JSON leaves it out."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"function {self.name}() {{ [native code] }}"


class JsTypeError(Exception):
    """JavaScript's TypeError: an object with a ``toString`` of its own that is no function has no text."""


def double(number: float) -> float:
    """An integer of any size as the double that JavaScript would have read; a float as it is."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def number_text(number: float) -> str:
    """``String(number)``: 5.0 -> "5", 1e21 -> "1e+21", -0.0 -> "0", 12345678901234567890 -> "12345678901234567000"."""
    if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
        whole = int(number)
        if whole == number:
            return str(whole)
    number = double(number)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    sign = "-" if number < 0 else ""
    # repr has the shortest digits that read back as the same double, as JavaScript's does; only very small and very
    # large numbers are laid out otherwise.
    text = repr(number)
    if "e" not in text:
        return text.removesuffix(".0")
    mantissa, _, exponent = text.removeprefix("-").partition("e")
    whole_digits, _, fraction = mantissa.partition(".")
    digits = (whole_digits + fraction).lstrip("0")
    point = len(whole_digits) + int(exponent or 0) - (len(whole_digits + fraction) - len(digits))
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


def to_text(value: Any) -> str:
    """``String(value)``: 1.0 -> "1", None -> "null", [1, None] -> "1,", {} -> "[object Object]".

    Raises:
        JsTypeError: the value is, or holds, an object with a ``toString`` of its own.
    """
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is float:
        return number_text(value)
    if value is None:
        return "null"
    if kind is list:
        return ",".join(["" if item is None or item is UNDEFINED else to_text(item) for item in value])
    if kind is dict:
        if "toString" in value:
            raise JsTypeError("an object with a toString of its own has no text")
        return "[object Object]"
    return repr(value)


def to_number(value: Any) -> float:
    """``Number(value)``: "" -> 0, " 0x10 " -> 16, True -> 1, None -> 0, [5] -> 5; what is no number -> NaN.

    Raises:
        JsTypeError: as `to_text`.
    """
    kind = type(value)
    if kind is int or kind is float or kind is bool:
        return double(value)
    if value is None:
        return 0.0
    if value is UNDEFINED:
        return math.nan
    text = to_text(value).strip(WHITESPACE)
    if not text:
        return 0.0
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _RADIX.fullmatch(text):
        return double(int(text, 0))
    return math.nan


def truthy(value: Any) -> bool:
    """``Boolean(value)``: unlike Python, [] and {} are true and NaN is false."""
    if isinstance(value, list | dict):
        return True
    return bool(value) and value == value  # noqa: PLR0124 - NaN alone differs from itself


def loosely_empty(value: Any) -> bool:
    """``value == ''`` with JavaScript's loose equality: 0, false, [], [[]] and [null] are; null and " " are not.

    Raises:
        JsTypeError: as `to_text`.
    """
    if isinstance(value, bool | int | float):
        return value == 0
    if isinstance(value, str | list | dict):
        return not to_text(value)
    return False


def type_name(value: Any) -> str:
    """The kind of a value, as messages name it: object, array, string, number, boolean, null, undefined, function."""
    if isinstance(value, bool):
        return "boolean"
    for kind, name in _TYPE_NAMES:
        if isinstance(value, kind):
            return name
    return "function" if isinstance(value, NativeFunction) else type(value).__name__


_TYPE_NAMES: Final = (
    (dict, "object"),
    (list, "array"),
    (str, "string"),
    (int | float, "number"),
    (type(None), "null"),
    (UndefinedType, "undefined"),
)


def own_keys(value: Mapping[str, Any]) -> list[str]:
    """``Object.keys``: array indexes first, then the rest as they came. Shows in JSON text and flattening."""
    keys = list(value)
    if not any(key[:1].isdecimal() for key in keys):
        return keys
    indexes = [key for key in keys if is_index(key)]
    return [*sorted(indexes, key=int), *(key for key in keys if not is_index(key))]


def is_index(key: str) -> bool:
    """Whether a key is an array index to JavaScript: "0", "17"; not "01", "-1" or "4294967295"."""
    return _INDEX.fullmatch(key) is not None and int(key) <= _MAX_INDEX


def utf16_length(text: str) -> int:
    """``text.length``: a character outside the basic plane counts twice."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def to_units(text: str) -> str:
    """Text with each pair of surrogates as two characters, so that Python's positions are JavaScript's."""
    if text.isascii() or not _ASTRAL.search(text):
        return text
    return "".join(map(chr, memoryview(text.encode(_UTF16, "surrogatepass")).cast("H")))


def from_units(text: str) -> str:
    """Text with the halves that met joined again: what was cut apart or concatenated in code units is text again."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
