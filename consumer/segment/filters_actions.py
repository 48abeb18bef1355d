"""What a destination filter does to an event that its condition wants: four actions, which copy what they change.

Source: Segment's Public API (destination filters), its documentation of them, and for paths, arrays and consistent
sampling Segment's own tsub-js.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from consumer.segment.js_json import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Event = dict[str, Any]


class Sample(Struct, frozen=True):
    """Lets a share of events through.

    The choice is a hash of the value at ``path``, so that all events of, say, a userId share their fate, also after a
    restart; where the path is empty or the event has nothing there, of its messageId.

    Attributes:
        percent: the share that goes on, 0 to 1.
        path: dotted path of the value that decides, "" for the messageId.
    """

    percent: float
    path: str = ""


class Drop(Struct, frozen=True):
    """Sends nothing."""


class DropProperties(Struct, frozen=True):
    """Removes fields.

    Attributes:
        fields: dotted path of an object, or of an array of objects, to the keys that go there; "" is the event itself.
    """

    fields: Mapping[str, tuple[str, ...]]


class AllowProperties(Struct, frozen=True):
    """Keeps only the named fields of the named objects; objects that are not named stay as they are.

    Attributes:
        fields: as in `DropProperties`, but the keys that stay.
    """

    fields: Mapping[str, tuple[str, ...]]


Action = Sample | Drop | DropProperties | AllowProperties

ORDER: tuple[type[Action], ...] = (Sample, Drop, DropProperties, AllowProperties)
"""The documented order in which actions apply, whatever the order of their filters."""


def compile_action(action: Action) -> Callable[[Event], Event | None]:
    """What the action does to an event: the event itself, a changed copy, or None where nothing is sent."""
    match action:
        case Sample(percent, path):
            segments = _segments(path)
            return lambda event: event if fraction(_sampled(event, segments)) < percent else None
        case Drop():
            return lambda _event: None
        case DropProperties(fields):
            return _editor([(_segments(path), _dropper(keys)) for path, keys in fields.items()])
        case AllowProperties(fields):
            return _editor([(_segments(path), _keeper(keys)) for path, keys in fields.items()])


def _editor(edits: list[tuple[tuple[str, ...], Callable[[Event], Event]]]) -> Callable[[Event], Event]:
    def run(event: Event) -> Event:
        for segments, edit in edits:
            event = _edited(event, segments, edit)
        return event

    return run


def fraction(value: Any) -> float:
    """A hash of a JSON value, even over [0, 1): the first 64 bits of the MD5 of its JSON text."""
    text = str(encode(value))
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _sampled(event: Event, segments: tuple[str, ...]) -> Any:
    value: Any = event
    for segment in segments:
        value = value.get(segment) if isinstance(value, dict) else None
    if not segments or value is None:
        # Without a messageId the event as a whole has to decide: a constant would take all such events or none.
        return event.get("messageId") or event
    return value


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()


def _dropper(keys: tuple[str, ...]) -> Callable[[Event], Event]:
    unwanted = frozenset(keys)

    def drop(found: Event) -> Event:
        if unwanted.isdisjoint(found):
            return found
        return {key: value for key, value in found.items() if key not in unwanted}

    return drop


def _keeper(keys: tuple[str, ...]) -> Callable[[Event], Event]:
    wanted = frozenset(keys)

    def keep(found: Event) -> Event:
        if found.keys() <= wanted:
            return found
        return {key: value for key, value in found.items() if key in wanted}

    return keep


def _edited(value: Any, segments: tuple[str, ...], edit: Callable[[Event], Event]) -> Any:
    """``value`` with ``edit`` done to what stands at the path; only the objects on the way there are copied."""
    if not segments:
        if isinstance(value, dict):
            return edit(value)
        if isinstance(value, list):
            items = [edit(item) if isinstance(item, dict) else item for item in value]
            return value if all(map(_same, items, value)) else items
        return value
    if not isinstance(value, dict) or segments[0] not in value:
        return value
    before = value[segments[0]]
    after = _edited(before, segments[1:], edit)
    return value if after is before else {**value, segments[0]: after}


def _same(left: Any, right: Any) -> bool:
    return left is right
