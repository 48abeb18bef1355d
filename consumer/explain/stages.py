"""What becomes of one record, stage by stage: bytes, document, events, filters, triggers, mappings, bodies.

The decoder, the filters, the triggers and the router are the service's own, asked one after the other; the deliveries
are `consumer.preview`'s.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from consumer.errors import DecodeError, RegistryUnavailableError, TriggerError
from consumer.kafka.decode import SchemaNotLoadedError
from consumer.outcomes import Reject, SkipReason
from consumer.preview import not_an_event
from consumer.segment.filters import compile_filters
from consumer.segment.trigger import compile_trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message

    from consumer.config.mappings import MappingsFile
    from consumer.decoding import Decoding
    from consumer.kafka.decode import SchemaId
    from consumer.preview import Preview, Previewer

_SCHEMA_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.05
_BEFORE_FILTERS: Final = frozenset(
    {
        SkipReason.UNSUPPORTED_EVENT_TYPE,
        SkipReason.FILTERED_BY_END_USER_CONSENT,
        SkipReason.FILTERED_BY_INTEGRATIONS_OBJECT,
    }
)


class Step(Struct, frozen=True):
    """What one filter or one trigger says.

    Attributes:
        name: the filter's, or the mapping's.
        says: of a filter by itself ``passes``, ``changes``, ``drops``; of a trigger ``matches``, ``does not match``, or
            why it fails; ``disabled``.
    """

    name: str
    says: str


class EventStages(Struct, frozen=True):
    """One event of a record.

    Attributes:
        preview: its outcome and deliveries; of something that is no event, why.
        filters: each destination filter by itself; none where the event does not come so far.
        filtered: the event as all of them leave it; None where they drop it, or where it does not come so far.
        triggers: of each mapping; none where the event does not come so far.
    """

    preview: Preview
    filters: tuple[Step, ...] = ()
    filtered: dict[str, Any] | None = None
    triggers: tuple[Step, ...] = ()


class Stages(Struct, frozen=True):
    """A record.

    Attributes:
        schema_id: the registry's schema that it names; None where it names none.
        document: what the format makes of the bytes; None where it cannot.
        fallbacks: those used, ``field from source``.
        events: in order; empty where the record is skipped.
        skipped: why it has no events; "" where it has.
    """

    schema_id: SchemaId | None
    document: Any
    fallbacks: tuple[str, ...]
    events: tuple[EventStages, ...]
    skipped: str = ""


class Explainer:
    """Explains records by one set of settings and mappings.

    Args:
        decoding: its schemas are being loaded.
        previewer: of the same settings.
        mappings: of the same file.
    """

    def __init__(self, decoding: Decoding, previewer: Previewer, mappings: MappingsFile) -> None:
        self._decoding = decoding
        self._previewer = previewer
        self._filters = [
            (each.title or f"filters[{index}]", each.enabled, compile_filters([each]))
            for index, each in enumerate(mappings.filters)
        ]
        self._filter = compile_filters(mappings.filters)
        self._triggers = [(spec, compile_trigger(spec.trigger)) for spec in mappings.specs]

    def events(self, message: Message) -> Sequence[dict[str, Any] | Reject]:
        """The events of a record; none where it is skipped.

        Raises:
            RegistryUnavailableError: its schema is not to be had.
        """
        decoded = self._decode(message)
        return decoded if isinstance(decoded, list) else [decoded] if isinstance(decoded, Reject) else []

    def stages(self, message: Message) -> Stages:
        """Everything that becomes of a record.

        Raises:
            RegistryUnavailableError: its schema is not to be had.
        """
        decoder, before = self._decoding.decoder, self._decoding.fallbacks.copy()
        decoded = self._decode(message)
        used = self._decoding.fallbacks - before
        value, headers = message.value(), message.headers()
        document = None
        if value is not None:
            with suppress(DecodeError, SchemaNotLoadedError):  # the events say why
                document = decoder.document(value, headers)
        items = decoded if isinstance(decoded, list) else [decoded] if isinstance(decoded, Reject) else []
        return Stages(
            schema_id=decoder.schema_id(value, headers),
            document=document,
            fallbacks=tuple(f"{field} from {source}" for field, source in used),
            events=tuple(self._event(item) for item in items),
            skipped="" if items or isinstance(decoded, list) else decoded.reason.value,
        )

    def _decode(self, message: Message) -> Any:
        """As the service decodes it, once its schema is there."""
        needs = self._decoding.needs
        deadline = time.monotonic() + _SCHEMA_SECONDS
        while needs is not None and (schema_id := needs.unmet(message)) is not None:
            if time.monotonic() > deadline or needs.problem():
                raise RegistryUnavailableError(needs.problem() or f"the registry did not give schema {schema_id}")
            time.sleep(_LOOK_SECONDS)
        kind, timestamp = message.timestamp()
        return self._decoding.decoder.decode(message.value(), message.headers(), timestamp if kind else 0)

    def _event(self, event: dict[str, Any] | Reject) -> EventStages:
        if isinstance(event, Reject):
            return EventStages(not_an_event(event))
        preview = self._previewer.event(event)
        if preview.reason in _BEFORE_FILTERS:
            return EventStages(preview)
        filters = tuple(Step(name, _says(run(event), event, on=on)) for name, on, run in self._filters)
        filtered = self._filter(event)
        return EventStages(preview, filters, filtered, () if filtered is None else self._triggers_of(filtered))

    def _triggers_of(self, event: dict[str, Any]) -> tuple[Step, ...]:
        steps = []
        for spec, trigger in self._triggers:
            try:
                says = "matches" if trigger.matches(event) else "does not match"
            except TriggerError as error:
                says = "; ".join(each.message for each in error.errors)
            steps.append(Step(spec.name, says if spec.enabled else "disabled"))
        return tuple(steps)


def _says(after: dict[str, Any] | None, before: dict[str, Any], *, on: bool) -> str:
    if not on:
        return "disabled"
    return "drops" if after is None else "passes" if after == before else "changes"
