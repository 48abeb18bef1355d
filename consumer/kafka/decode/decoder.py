"""One record's value, headers and timestamp become Segment events, or the reason why they do not.

An ordinary record (JSON of the event itself, nothing to normalise) costs little more than orjson. All others go
format → envelope → normalise → is it an event? → fallbacks; both ways decide the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

import orjson

from consumer.errors import DecodeError
from consumer.kafka.decode.envelopes import Batch, opener
from consumer.kafka.decode.fallbacks import Fallbacks, filled
from consumer.kafka.decode.formats import FORMATS, Formats
from consumer.kafka.decode.jsontext import may_be_deep
from consumer.kafka.decode.kinds import kind_of
from consumer.kafka.decode.limits import DecodeLimits, too_large
from consumer.kafka.decode.normalise import Normalise, Normaliser
from consumer.kafka.decode.partial import partial_reader
from consumer.kafka.decode.schemas import SchemaNotLoadedError, SchemaUnavailable
from consumer.outcomes import DecodeReason, FieldError, Reject, RejectReason, Skip, SkipReason, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.kafka.decode.avro import AvroSchema
    from consumer.kafka.decode.schemas import SchemaId, SchemaSource
    from consumer.reads import Reads

    Headers = Sequence[tuple[str, bytes | None]]
    KafkaHeaders = Mapping[str, str | bytes | None] | Sequence[tuple[str, str | bytes | None]]

Event = dict[str, Any]
"""A Segment event: a JSON object with a ``type``; which types there are is not the decoder's business."""

Decoded = list[Event | Reject] | Skip | Reject | SchemaUnavailable
"""What a record is: its events (of a batch, each its own delivery or its own reject), none at all, or not known yet."""

_TOMBSTONE = Skip(SkipReason.TOMBSTONE)
_loads = orjson.loads


class Decoder:
    """Decodes records by one set of source settings. Does no I/O and never raises; any number of threads may share one.

    Args:
        format: ``auto`` tells by the first byte (0x00 with more than five bytes is the schema registry's prefix,
            else JSON); ``json``, ``avro`` and ``json-schema`` take that only.
        envelope: where in the record's document the event lies: a preset's name or a JSON pointer.
        limits: what a record may be.
        normalise: renames and constants.
        fallbacks: what stands in for sentAt, and for userId of a group call.
        count_fallback: called with field and source for each fallback that was used.
        schemas: the registry's schemas, from memory.
        avro_schema: of Avro without prefix; with ``format="avro"`` only.

    Raises:
        ValueError: a setting is not one of those allowed; the message lists them.
    """

    def __init__(
        self,
        format: str = "auto",  # noqa: A002 - the setting's name, source.format
        envelope: str = "none",
        limits: DecodeLimits | None = None,
        *,
        normalise: Normalise | None = None,
        fallbacks: Fallbacks | None = None,
        count_fallback: Callable[[str, str], None] = lambda _field, _source: None,
        schemas: SchemaSource | None = None,
        avro_schema: AvroSchema | None = None,
    ) -> None:
        if format not in FORMATS:
            raise ValueError(f"source.format must be one of {', '.join(FORMATS)}")
        if avro_schema and format != "avro":
            raise ValueError("source.avro_schema_file is for source.format: avro only")
        self._limits = limits or DecodeLimits()
        self._max_depth = self._limits.max_depth
        self._read = FORMATS[format](Formats(self._limits, schemas, avro_schema))
        self._open = opener(envelope)
        self._envelope = envelope != "none"
        self._normaliser = Normaliser(normalise, self._limits) if normalise else None
        self._fallbacks = fallbacks or Fallbacks()
        self._count_fallback = count_fallback
        self._wants_schemas = schemas is not None and format in {"auto", "avro"}
        self._wants_headers = envelope == "cloudevents" or self._wants_schemas
        json = format in {"auto", "json"}
        plain = json and envelope == "none" and not normalise and not self._fallbacks
        self._fast_bytes = self._limits.unchecked_bytes if plain else -1
        self._partial: Callable[[bytes], Event | None] | None = None

    def without_fallbacks(self) -> Decoder:
        """A decoder that reads the same and fills in nothing: to look at a record again without counting it twice."""
        other = copy(self)
        other._fallbacks = Fallbacks()  # noqa: SLF001 - our own
        return other

    @property
    def wants_headers(self) -> bool:
        """Whether a record's headers can matter; where they cannot, reading them (2.7 µs) is better left out."""
        return self._wants_headers

    def schema_id(self, value: bytes | None, headers: KafkaHeaders | None = None) -> SchemaId | None:
        """The registry's schema that `decode` will ask for; None where it needs none."""
        if value is None or not self._wants_schemas:
            return None
        return Formats.schema_id(value, header_pairs(headers))

    def document(self, value: bytes, headers: KafkaHeaders | None = None) -> Any:
        """What the format makes of a value, before its envelope is opened.

        Raises:
            DecodeError: the bytes are not of the format, or over a limit.
            SchemaNotLoadedError: their schema is not there yet.
        """
        if len(value) > self._limits.max_record_bytes:
            raise too_large(len(value), self._limits)
        return self._read(value, header_pairs(headers))

    def keep_only(self, reads: Reads | None) -> None:
        """Leave out of events, from now on, what nobody reads, where that saves time; None keeps everything.

        Args:
            reads: of the router that gets the events. Whoever changes the router changes this with it.
        """
        self._partial = partial_reader(reads, self._max_depth) if reads is not None else None

    def decode(
        self,
        value: bytes | None,
        headers: KafkaHeaders | None = None,
        timestamp_ms: int | None = None,
    ) -> Decoded:
        """What the record is.

        Args:
            value: the record's value; None is a tombstone.
            headers: the record's, as confluent-kafka's ``Message.headers()`` has them; needed if `wants_headers`.
            timestamp_ms: the record's, in milliseconds since 1970; None where it has none.

        Returns:
            The record's events; or why there are none: `Skip`, or `Reject` of stage decode; or `SchemaUnavailable`.
            Never an exception.
        """
        if value is None:
            return _TOMBSTONE
        if len(value) <= self._fast_bytes:
            if self._partial is not None:
                event = self._partial(value)
                if event is not None:
                    return [event]
            # An ordinary record. One that is broken, no event or perhaps too deep gets a closer look below.
            try:
                event = _loads(value)
                if event["type"].__class__ is str and not may_be_deep(value, self._max_depth):
                    return [event]
            except (ValueError, LookupError, TypeError):
                pass
        try:
            return self._events(value, header_pairs(headers), timestamp_ms)
        except DecodeError as error:
            return reject(error)
        except SchemaNotLoadedError as error:
            return SchemaUnavailable(error.schema_id)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one record must not stop the partition
            kind = type(error).__name__
            return Reject(
                RejectReason.INTERNAL_ERROR,
                Stage.DECODE,
                errors=(FieldError("value", f"made the decoder fail ({kind}); please report this"),),
            )

    def _events(self, value: bytes, headers: Headers, timestamp_ms: int | None) -> Decoded:
        """The general path."""
        document = self.document(value, headers)
        if not self._envelope:
            return [self._event(document, timestamp_ms)]
        opened = self._open(document, headers, self._limits)
        if isinstance(opened, Skip):
            return opened
        if isinstance(opened, Batch):
            return [self._item(item, n, timestamp_ms) for n, item in enumerate(opened.documents)]
        return [self._event(opened.document, timestamp_ms)]

    def _item(self, document: Any, index: int, timestamp_ms: int | None) -> Event | Reject:
        """One event of a batch: its fault is its own."""
        try:
            return self._event(document, timestamp_ms)
        except DecodeError as error:
            return reject(error, f"value[{index}]")

    def _event(self, document: Any, timestamp_ms: int | None) -> Event:
        if self._normaliser:
            document = self._normaliser(document)
        event = as_event(document)
        return filled(event, self._fallbacks, timestamp_ms, self._count_fallback) if self._fallbacks else event


def header_pairs(headers: KafkaHeaders | None) -> Headers:
    """Headers by name and bytes; text, which only a producer's own side has, as UTF-8."""
    if not headers:
        return ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name, held.encode() if isinstance(held, str) else held) for name, held in pairs]


def as_event(document: Any) -> Event:
    """``document`` if it is an event: an object with a ``type`` string.

    Raises:
        DecodeError: not_an_object, missing_type.
    """
    if not isinstance(document, dict):
        kind = kind_of(document)
        several = "set source.envelope to batch if a record holds several"
        remedy = several if isinstance(document, list) else "send JSON objects"
        raise DecodeError(DecodeReason.NOT_AN_OBJECT, f"is {kind}, not an event; {remedy}")
    if not isinstance(document.get("type"), str):
        found = f"has a type that is {kind_of(document['type'])}" if "type" in document else "has no type"
        raise DecodeError(
            DecodeReason.MISSING_TYPE,
            f"{found}; it must be a string such as identify or group. If events lie within an envelope, set "
            "source.envelope; if the topic says the type, set source.normalise.constants",
        )
    return document


def reject(error: DecodeError, field: str = "value") -> Reject:
    """The error as an outcome."""
    return Reject(error.reason, Stage.DECODE, errors=(FieldError(field, error.detail),))
