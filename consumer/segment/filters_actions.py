"""What a destination filter does to an event that its condition wants: four actions, which copy what they change.

Source: Segment's Public API (destination filters), its documentation of them, and for paths, arrays and consistent
sampling Segment's own tsub-js.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from consumer.segment.js_json import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """Lets a share of events through.

    The choice is a hash of the value at ``path``, so that all events of, say, a userId share their fate, also after a
    restart; where the path is empty or the event has nothing there, of its messageId.

    Attributes:
        percent: the share that goes on, 0 to 1.
        path: dotted path of the value that decides, "" for the messageId.
    """

    type: ClassVar = "SAMPLE"
    percent: float
    path: str = ""

    def apply(self, event: Event) -> Event | None:
        """The event, or None where the sample leaves it out."""
        return event if fraction(_sampled(event, self.path)) < self.percent else None


@dataclass(frozen=True, slots=True)
class Drop:
    """Sends nothing."""

    type: ClassVar = "DROP"

    def apply(self, event: Event) -> Event | None:  # noqa: ARG002 - one interface for the four actions
        """None, always."""
        return None


@dataclass(frozen=True, slots=True)
class DropProperties:
    """Removes fields.

    Attributes:
        fields: dotted path of an object, or of an array of objects, to the keys that go there; "" is the event itself.
    """

    type: ClassVar = "DROP_PROPERTIES"
    fields: Mapping[str, tuple[str, ...]]

    def apply(self, event: Event) -> Event | None:
        """A copy without the fields; the event itself where it has none of them."""
        for path, keys in self.fields.items():
            event = _edited(event, _segments(path), _dropper(keys))
        return event


@dataclass(frozen=True, slots=True)
class AllowProperties:
    """Keeps only the named fields of the named objects; objects that are not named stay as they are.

    Attributes:
        fields: as in `DropProperties`, but the keys that stay.
    """

    type: ClassVar = "ALLOW_PROPERTIES"
    fields: Mapping[str, tuple[str, ...]]

    def apply(self, event: Event) -> Event | None:
        """A copy with those fields only; the event itself where it has no others."""
        for path, keys in self.fields.items():
            event = _edited(event, _segments(path), _keeper(keys))
        return event


Action = Sample | Drop | DropProperties | AllowProperties

ORDER: tuple[type[Action], ...] = (Sample, Drop, DropProperties, AllowProperties)
"""The documented order in which actions apply, whatever the order of their filters."""


def fraction(value: Any) -> float:
    """A hash of a JSON value, even over [0, 1): the first 64 bits of the MD5 of its JSON text."""
    text = str(encode(value))
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _sampled(event: Event, path: str) -> Any:
    value: Any = event
    for segment in _segments(path):
        value = value.get(segment) if isinstance(value, dict) else None
    if not path or value is None:
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
