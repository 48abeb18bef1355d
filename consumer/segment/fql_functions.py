"""FQL's functions and its strict equality. All are total: no value of an event makes them fail.

Source: Segment's FQL reference. What it leaves open is settled as Segment's own tsub-js does (a value of the wrong type
is no match, ``length`` and case functions yield null for it), and for the three conversions as their comments say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumer.segment.fql_glob import GlobError, compile_glob
from consumer.segment.js import MAX_SAFE_INTEGER, double, number_text, to_number
from consumer.segment.js_json import encode

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_PATTERN: Final = 1_024
"""Characters; a pattern that comes from the event and is longer matches nothing."""


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; true and false are none."""
    return value.__class__ is float or value.__class__ is int


def number_of(value: float) -> float:
    """A number as the double that Segment computes with."""
    return value if value.__class__ is float or -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else double(value)


def equal(left: Any, right: Any) -> bool:
    """Same type and strictly equal, in depth: 1 is 1.0, but never true or "1"."""
    if is_number(left) and is_number(right):
        return number_of(left) == number_of(right)
    if left.__class__ is not right.__class__:
        return False
    if left.__class__ is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if left.__class__ is dict:
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    return bool(left == right)


def contains(text: Any, part: Any) -> bool:
    """Whether the text holds the part; false for null and for anything that is no text."""
    return isinstance(text, str) and isinstance(part, str) and part in text


def match(text: Any, pattern: Any) -> bool:
    """``match`` with a pattern that is known only now; one that is none matches nothing."""
    if not isinstance(text, str) or not isinstance(pattern, str) or len(pattern) > LONGEST_PATTERN:
        return False
    try:
        return compile_glob(pattern)(text)
    except GlobError:
        return False


def length(value: Any) -> int | None:
    """Elements of a list, UTF-8 bytes of a text, 0 for null; null for numbers, booleans and objects."""
    if value is None:
        return 0
    if isinstance(value, list):
        return len(value)
    return len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else None


def type_of(value: Any) -> str:
    """``string``, ``number``, ``list``, ``bool`` or ``null``; ``object`` for what the reference does not name."""
    return _TYPES.get(value.__class__, "object")


_TYPES: Final[dict[type, str]] = {
    str: "string",
    int: "number",
    float: "number",
    list: "list",
    bool: "bool",
    type(None): "null",
}


def to_bool(value: Any) -> bool:
    """False for null, 0, "", "0", "false" (in any case) and the empty list; else true.

    The reference only says that it converts. Legacy journeys send audience flags as the texts "true" and "false".
    """
    if isinstance(value, str):
        return value.lower() not in ("", "0", "false")
    return bool(value)


def to_string(value: Any) -> str:
    """Text as it is, numbers as JavaScript writes them (10.0 -> "10"), "" for null, compact JSON for lists."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if is_number(value):
        return number_text(number_of(value))
    return str(encode(value))


def to_number_or_null(value: Any) -> float | None:
    """A number as it is, a text that is one as that; null for everything else."""
    if is_number(value):
        return number_of(value)
    if not isinstance(value, str) or not value.strip():
        return None
    number = to_number(value)
    return None if number != number else number  # noqa: PLR0124 - only NaN differs from itself


def _cased(change: Callable[[str], str]) -> Callable[[Any], str | None]:
    return lambda value: change(value) if isinstance(value, str) else None


def _title(text: str) -> str:
    """The first letter of each word in upper case, the rest as it was."""
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


UNARY: Final[dict[str, Callable[[Any], Any]]] = {
    "length": length,
    "lowercase": _cased(str.lower),
    "uppercase": _cased(str.upper),
    "snakecase": _cased(lambda text: text.replace(" ", "_")),
    "kebabcase": _cased(lambda text: text.replace(" ", "-")),
    "titlecase": _cased(_title),
    "typeof": type_of,
    "bool": to_bool,
    "string": to_string,
    "number": to_number_or_null,
}
BINARY: Final[dict[str, Callable[[Any, Any], bool]]] = {"contains": contains, "match": match}
ARITY: Final = {**dict.fromkeys(UNARY, 1), **dict.fromkeys(BINARY, 2)}
"""How many arguments each function takes."""
