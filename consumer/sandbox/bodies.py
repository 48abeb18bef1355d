"""What the stand-in takes for a valid body: the two messages' known fields and their types, strictly.

The tables are those of the hosted destination's two actions; the bodies that it sends conform to them by construction,
so a body that does not is a fault of the sender. Assumptions: that ChartMogul refuses unknown fields and wrong types at
all, that it does so with 422, and that it takes arrays (only a gateway would). Empty ids pass where the hosted
destination sends them: as group_id, user_id and message_id.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Final

import orjson
from msgspec import Struct

Error = dict[str, str | None]
"""As ChartMogul shapes it: ``{"field": name or null, "message": text}``."""


class Kind(Enum):
    """The type of a field's value in JSON."""

    TEXT = "a string"
    ID = "a string that is not empty"
    TIME = "a string or a number"
    EMAIL = "an email address"
    URI = "an absolute URI"


class Table(Struct, frozen=True):
    """The fields of one object: those in ``required`` must be there, those in ``nested`` are objects."""

    required: frozenset[str]
    kinds: dict[str, Kind]
    nested: dict[str, Table]

    @classmethod
    def of(cls, required: dict[str, Kind], optional: dict[str, Kind], nested: dict[str, Table] | None = None) -> Table:
        """Joined, so that a field is looked up once."""
        return cls(frozenset(required), required | optional, nested or {})


_EVENT: Final = {"type": Kind.ID, "message_id": Kind.TEXT, "timestamp": Kind.TIME, "sent_at": Kind.TIME}
_TEXT: Final = Kind.TEXT

CONTACT: Final = Table.of(
    required=_EVENT,
    optional={
        "user_id": _TEXT,
        "anonymous_id": _TEXT,
        "email": Kind.EMAIL,
        "first_name": _TEXT,
        "last_name": _TEXT,
        "name": _TEXT,
        "title": _TEXT,
        "phone": _TEXT,
        "linked_in": Kind.URI,
        "twitter": _TEXT,
    },
    nested={"company": Table.of({"id": Kind.ID}, {"name": _TEXT})},
)
CUSTOMER: Final = Table.of(
    required=_EVENT | {"user_id": Kind.TEXT, "group_id": Kind.TEXT},
    optional={
        "name": _TEXT,
        "description": _TEXT,
        "email": Kind.EMAIL,
        "website": _TEXT,
        "created_at": Kind.TIME,
    },
    nested={
        "address": Table.of({}, dict.fromkeys(("street", "city", "state", "postal_code", "country"), _TEXT)),
    },
)
TABLES: Final = {"Send Contact": CONTACT, "Send Customer": CUSTOMER}

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


def parse(raw: bytes, content_type: str) -> list[Any] | None:
    """The deliveries in a request's body, or None where it is no JSON.

    One object is one delivery; an array, or lines under an NDJSON content type, are as many as they hold.
    """
    try:
        if "ndjson" in content_type:
            return [orjson.loads(line) for line in raw.splitlines() if line.strip()]
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, list) else [value]


def errors_of(body: Any) -> list[Error]:
    """Everything wrong with one body; empty where it is valid. ``{}``, Segment's connection test, is valid."""
    if body == {}:
        return []
    if not isinstance(body, dict):
        return [_error(None, "must be an object")]
    kind = body.get("type")
    table = TABLES.get(kind) if isinstance(kind, str) else None
    if table is None:
        return [_error("type", f"must be one of: {', '.join(TABLES)}")]
    errors: list[Error] = []
    _check(body, table, "", errors)
    if table is CONTACT and not body.get("user_id") and not body.get("anonymous_id"):
        errors.append(_error("user_id", "user_id or anonymous_id must be present"))
    return errors


def _check(body: dict[str, Any], table: Table, prefix: str, errors: list[Error]) -> None:
    if not body.keys() >= table.required:
        errors.extend(_error(prefix + name, "is missing") for name in sorted(table.required - body.keys()))
    for name, value in body.items():
        kind = table.kinds.get(name)
        if kind is _TEXT and type(value) is str:
            continue
        if kind is None:
            inner = table.nested.get(name)
            if inner is None:
                errors.append(_error(prefix + name, "is not known"))
            elif not isinstance(value, dict):
                errors.append(_error(prefix + name, "must be an object"))
            else:
                _check(value, inner, f"{name}.", errors)
        elif not _fits(kind, value):
            errors.append(_error(prefix + name, f"must be {kind.value}"))


def _fits(kind: Kind, value: Any) -> bool:
    if kind is Kind.TIME:
        return type(value) in (str, int, float)  # not bool
    if type(value) is not str or kind is Kind.TEXT:
        return False  # a text that is one has not come this far
    if kind is Kind.ID:
        return bool(value)
    # Empty text at the root is a field that was cleared: the hosted destination drops it, an array of null becomes it.
    return not value or (_EMAIL if kind is Kind.EMAIL else _URI).fullmatch(value) is not None


def _error(field: str | None, message: str) -> Error:
    return {"field": field, "message": message}
