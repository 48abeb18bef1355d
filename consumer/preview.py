"""What would become of events, without Kafka and without a POST: one answer for each event that a line holds.

The decoder and the router are the service's own, so an answer here is what `run` does. One thing is told that the
service need not know: why an event was refused although the settings skip its reason.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from consumer.config.source import SourceFormat
from consumer.decoding import make_decoder
from consumer.outcomes import Post, Reject, Skip
from consumer.reload import build_router
from consumer.segment import js_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumer.config.mappings import MappingsFile
    from consumer.config.model import Settings
    from consumer.outcomes import FieldError, Planned

WOULD_SEND: Final = "would_send"
SKIPPED: Final = "skipped"
REJECTED: Final = "rejected"
_WEIGHT: Final = (WOULD_SEND, REJECTED, SKIPPED)
"""An event's own outcome is the first of these that one of its deliveries has."""


class Delivery(Struct, frozen=True):
    """One delivery that a mapping makes of an event."""

    mapping: str
    action: str | None
    outcome: str
    reason: str | None
    payload: Any
    errors: tuple[FieldError, ...]


class Preview(Struct, frozen=True):
    """What becomes of one event.

    Attributes:
        outcome: `WOULD_SEND`, `SKIPPED` or `REJECTED`.
        reason: a skip's or reject's; None where something would be sent.
        deliveries: one for each mapping that wants the event; none where the event ends before that.
        event: None where the record is no event.
        errors: of a record that is no event.
    """

    outcome: str
    reason: str | None
    deliveries: tuple[Delivery, ...] = ()
    event: dict[str, Any] | None = None
    errors: tuple[FieldError, ...] = ()

    def as_json(self) -> str:
        """The line that ``preview`` prints; half surrogate pairs stay escaped, so that it is always UTF-8."""
        event = self.event or {}
        line = {
            "message_id": _text(event.get("messageId")),
            "type": _text(event.get("type")),
            "outcome": self.outcome,
            "reason": self.reason,
            "deliveries": [
                {
                    "mapping": each.mapping,
                    "action": each.action,
                    "outcome": each.outcome,
                    "reason": each.reason,
                    "payload": each.payload,
                    "errors": [{"field": error.field, "message": error.message} for error in each.errors],
                }
                for each in self.deliveries
            ],
        }
        text = js_json.encode(line)
        assert isinstance(text, str), "an object always has a text"
        return text


class Previewer:
    """Previews lines of JSON. Building it raises `ConfigurationError` where the mappings cannot be used.

    Attributes:
        specs: the mappings by name.
    """

    def __init__(self, settings: Settings, mappings: MappingsFile) -> None:
        self._router = build_router(settings, mappings, skip_reasons=frozenset())
        self._skipped = frozenset(settings.dead_letter.skip_reasons)
        self.specs = {spec.name: spec for spec in mappings.specs}
        # A line is JSON, whatever the topic's format is; its envelope may well be in the file.
        self._decoder = make_decoder(settings.source, SourceFormat.JSON)

    def line(self, value: bytes) -> Iterator[Preview]:
        """What becomes of the events of one line."""
        decoded = self._decoder.decode(value)
        if isinstance(decoded, list):
            for event in decoded:
                yield not_an_event(event) if isinstance(event, Reject) else self.event(event)
        elif isinstance(decoded, Reject):
            yield not_an_event(decoded)
        else:
            assert isinstance(decoded, Skip), "only a registry's schema can be unavailable, and JSON has none"
            yield Preview(SKIPPED, decoded.reason.value)

    def event(self, event: dict[str, Any]) -> Preview:
        """What becomes of one event."""
        planned = self._router.route(event)
        deliveries = tuple(self._delivery(each) for each in planned if each.mapping)
        outcomes = [(each.outcome, each.reason) for each in deliveries] or _ended(planned)
        outcome, reason = min(outcomes, key=lambda each: _WEIGHT.index(each[0]))
        return Preview(outcome, reason, deliveries, event)

    def _delivery(self, planned: Planned) -> Delivery:
        action = self.specs[planned.mapping].action.value
        if isinstance(planned, Post):
            return Delivery(planned.mapping, action, WOULD_SEND, None, json.loads(planned.body), ())
        errors = planned.errors if isinstance(planned, Reject) else ()
        outcome = REJECTED if isinstance(planned, Reject) and planned.reason not in self._skipped else SKIPPED
        return Delivery(planned.mapping, action, outcome, planned.reason.value, None, errors)


def _ended(planned: Sequence[Planned]) -> list[tuple[str, str | None]]:
    """Outcome and reason of an event that no mapping was asked about, or wanted."""
    return [(SKIPPED, each.reason.value) for each in planned if isinstance(each, Skip)]


def not_an_event(reject: Reject) -> Preview:
    """What becomes of a record, or of an item of a batch, that is no event."""
    return Preview(REJECTED, reject.reason.value, errors=reject.errors)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
