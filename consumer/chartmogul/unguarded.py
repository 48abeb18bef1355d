"""The original's one access to an event without a guard against null, on which it fails for some.

After validation, and before an action's own checks, it looks whether the event comes from an Engage audience.

Source: actions-core ``audience-membership.ts``.
"""

from __future__ import annotations

from typing import Any, Final

from consumer.outcomes import FieldError


def unguarded_access(event: dict[str, Any]) -> FieldError | None:
    """Where the original fails on an event, None where it does not."""
    context = event.get("context", _ABSENT)
    if context is None:
        return FieldError("context", "is null, on which the hosted destination fails; leave it out or send an object")
    if type(context) is not dict:
        return None
    personas = context.get("personas", _ABSENT)
    if personas is None:
        return FieldError("context.personas", "is null, on which the hosted destination fails; leave it out")
    if type(personas) is not dict or personas.get("computation_class") not in _AUDIENCES:
        return None
    holder = _MEMBERSHIP.get(_text(event.get("type")))
    if holder is None or event.get(holder, _ABSENT) is None:
        return None
    if _has_no_text(personas.get("computation_key")):
        return FieldError("context.personas.computation_key", "is an object that has no text; send the audience's key")
    return None


_ABSENT: Final = object()
_AUDIENCES: Final = ("audience", "journey_step")
_MEMBERSHIP: Final = {"identify": "traits", "track": "properties"}
"""Where the original looks an audience's key up, by the event's type."""
PRESENT: Final = tuple(_MEMBERSHIP.values())
"""Keys of an event of which it matters whether they hold anything."""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _has_no_text(value: Any) -> bool:
    """Whether JavaScript cannot turn a value into a key: an object that says ``toString`` is something else."""
    if isinstance(value, list):
        return any(map(_has_no_text, value))
    return isinstance(value, dict) and "toString" in value
