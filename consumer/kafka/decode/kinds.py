"""Words for messages: a kind of JSON value, never the value."""

from __future__ import annotations

from typing import Any

_KINDS = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array", dict: "an object"}


def kind_of(value: Any) -> str:
    """What kind of JSON value it is, with its article: ``an array``, ``null``."""
    return "null" if value is None else _KINDS.get(type(value), "no JSON value")
