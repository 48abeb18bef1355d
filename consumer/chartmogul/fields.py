"""Field types: how the hosted destination drops empty values, coerces the others, and refuses what it cannot coerce.

Three steps of the original, done in one pass over what a mapping resolved to:

- *Removal.* At the root null and "" are dropped; inside an object null is dropped and "" is kept. Nothing is trimmed.
- *Coercion* (ajv, ``coerceTypes: "array"``). A text field takes numbers and booleans as JavaScript writes them and
  unwraps a list of one; a datetime field takes text or a finite number and passes it through; an object field takes an
  object. Keys that a field table does not name are dropped.
- *Validation.* Formats, required fields. Any failure refuses the whole event; every failure is reported.

Source: actions-core ``remove-empty-values.ts``, ``schema-validation.ts``, ``fields-to-jsonschema.ts``; ajv 8
``dataType.ts``.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from consumer.chartmogul.dates import is_date
from consumer.chartmogul.formats import is_email, is_uri, is_uri_reference
from consumer.outcomes import FieldError
from consumer.segment.js import UNDEFINED, double, number_text, to_number, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PASSED_THROUGH: Final = "dynamicAuthSettings"
"""A key that no field table names and that the original nevertheless puts back after validation, and sends."""

MAX_SAFE: Final = 2**53
"""Up to here a JavaScript number holds every integer."""


class FieldType(StrEnum):
    """What a field holds."""

    TEXT = "string"
    DATETIME = "datetime"
    OBJECT = "object"


class Format(StrEnum):
    """What a text field's value must look like."""

    EMAIL = "email"
    URI = "uri"
    URI_REFERENCE = "uri-reference"


FORMATS: Final[Mapping[Format, tuple[Callable[[str], bool], str]]] = {
    Format.EMAIL: (is_email, "a plain e-mail address (name@host.tld, ASCII, no spaces)"),
    Format.URI: (is_uri, "a URI with its scheme (https://...), ASCII, no spaces"),
    Format.URI_REFERENCE: (is_uri_reference, "a URI, with or without scheme, ASCII, no spaces"),
}
"""Of each format the check, and what it wants in words."""

_DATE_WORDING = "a date: ISO 8601 text or Unix seconds"


class Field(Struct, frozen=True):
    """One field of an action.

    Attributes:
        name: the key in the request's body.
        type: text, datetime or object.
        format: for text only.
        required: whether the event is refused without it.
        children: for an object only: its fields, all of them text.
    """

    name: str
    type: FieldType = FieldType.TEXT
    format: Format | None = None
    required: bool = False
    children: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        if self.format is not None and self.type is not FieldType.TEXT:
            raise ValueError(f"{self.name}: only text has a format")
        if bool(self.children) != (self.type is FieldType.OBJECT):
            raise ValueError(f"{self.name}: objects, and only they, have children")
        if any(child.type is not FieldType.TEXT for child in self.children):
            raise ValueError(f"{self.name}: an object's fields are text")


class Refused(Struct, frozen=True):
    """A value that a field does not take; ``message`` names kinds and the remedy, never the value."""

    message: str


def shape(resolved: Any, fields: tuple[Field, ...]) -> tuple[dict[str, Any], list[FieldError]]:
    """Turn what a mapping resolved to into a request's payload.

    Args:
        resolved: what the mapping gave; never changed.
        fields: the action's fields.

    Returns:
        The payload, keys in the mapping's order, and why it is refused: no errors, no refusal. With errors the payload
        holds what could be kept.
    """
    if not isinstance(resolved, dict):
        return {}, [FieldError("", f"the mapping gives {kind(resolved)}; it has to give an object with the fields")]
    return _shape(resolved, {field.name: field for field in fields}, prefix="", keep_empty=False)


def shape_object(value: Any, field: Field) -> dict[str, Any] | None:
    """What is sent for an object field, or None where the value is refused; `shape` says why."""
    if not isinstance(value, dict):
        return None
    payload, errors = _shape(value, {child.name: child for child in field.children}, prefix="", keep_empty=True)
    return None if errors else payload


def _shape(
    values: dict[str, Any], fields: dict[str, Field], *, prefix: str, keep_empty: bool
) -> tuple[dict[str, Any], list[FieldError]]:
    payload: dict[str, Any] = {}
    errors: list[FieldError] = []
    passed: Any = None
    for name, value in values.items():
        if value is UNDEFINED or (value == "" and not keep_empty):
            continue
        field = fields.get(name)
        if field is None:
            if name == PASSED_THROUGH and not prefix:
                passed = (value,)
            continue
        if value is None:
            continue
        if field.type is FieldType.OBJECT and isinstance(value, dict):
            children = {child.name: child for child in field.children}
            payload[name], inner = _shape(value, children, prefix=f"{name}.", keep_empty=True)
            errors += inner
            continue
        result = coerce(value, field)
        if isinstance(result, Refused):
            errors.append(FieldError(prefix + name, result.message))
            payload[name] = value
        else:
            payload[name] = result
    errors += [
        FieldError(prefix + field.name, "is required, and is absent, null or empty in this event")
        for field in fields.values()
        if field.required and field.name not in payload
    ]
    if passed is not None:
        payload[PASSED_THROUGH] = passed[0]
    return payload, errors


def coerce(value: Any, field: Field) -> Any:
    """What is sent for one value of a text or datetime field (an object never gets here), or `Refused`.

    Args:
        value: neither null nor undefined.
        field: the field it is for.
    """
    if field.type is FieldType.DATETIME:
        return _datetime(value)
    if field.type is FieldType.OBJECT:
        return Refused(f"takes an object, and got {kind(value)}")
    text = _text(value)
    if isinstance(text, str) and field.format is not None:
        matches, wording = FORMATS[field.format]
        if not matches(text):
            return Refused(
                f"takes {wording}, and got {kind(value)} that is none; correct the source or map another path"
            )
    return text


def _text(value: Any) -> str | Refused:
    """The text of a text, number or boolean, or of the only element of a list."""
    inner = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(inner, str):
        return inner
    if isinstance(inner, bool | int | float):
        return to_text(inner)
    if inner is None:
        return ""
    return Refused(f"takes text, a number or true/false, and got {kind(value)}")


def _datetime(value: Any) -> Any:
    """A date's text as it is, a finite number as JavaScript has it.

    A list of one is unwrapped, and then, by a slip of ajv's where two types are allowed, coerced the wrong way round:
    a number becomes text, and text has to be a number. https://github.com/ajv-validator/ajv (``checkDataTypes``).
    """
    if isinstance(value, list) and len(value) == 1:
        inner = value[0]
        if isinstance(inner, str):
            # "NaN" and "Infinity" differ here: only what is not a number at all is refused.
            found = to_number(inner) if inner else math.nan
            return _refused_date(value) if math.isnan(found) else json_number(found)
        value = inner
        if isinstance(inner, int | float):
            text = to_text(inner)
            return text if is_date(text) else _refused_date(value)
    if isinstance(value, str):
        return value if is_date(value) else _refused_date(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = json_number(value)
        return _refused_date(value) if number is None else number
    return _refused_date(value)


def _refused_date(value: Any) -> Refused:
    return Refused(f"takes {_DATE_WORDING}, and got {kind(value)} that is none")


def json_number(number: float) -> int | float | None:
    """The number that JavaScript would write for ``number``, with its own precision; None where it writes null.

    ``1.0`` is 1 and 12345678901234567890 is 12345678901234567000.
    """
    if isinstance(number, int) and -MAX_SAFE <= number <= MAX_SAFE:
        return number
    value = double(number)
    if not math.isfinite(value):
        return None
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    return int(number_text(value))


def kind(value: Any) -> str:
    """What kind of value it is, in words that hold nothing of its contents."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, list):
        return "a list of one value" if len(value) == 1 else f"a list of {len(value)} values"
    return "an object" if isinstance(value, dict) else "no JSON value"
