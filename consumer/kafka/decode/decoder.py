"""One record's value, headers and timestamp become Segment events, or the reason why they do not.

An ordinary record (JSON of the event itself, nothing to normalise) takes `fast_event`: orjson and half as much
again. All others go format → envelope → normalise → is it an event? → fallbacks; both ways decide the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from consumer.errors import DecodeError, FieldError
from consumer.kafka.decode.envelopes import Batch, opener
from consumer.kafka.decode.fallbacks import Fallbacks, filled
from consumer.kafka.decode.jsontext import may_be_deep, parse_json
from consumer.kafka.decode.kinds import kind_of
from consumer.kafka.decode.limits import DecodeLimits, too_large
from consumer.kafka.decode.normalise import Normalise, Normaliser
from consumer.outcomes import DecodeReason, Reject, RejectReason, Skip, SkipReason, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Headers = Sequence[tuple[str, bytes | None]]

Event = dict[str, Any]
"""A Segment event: a JSON object with a ``type``; which types there are is not the decoder's business."""

Decoded = list[Event | Reject] | Skip | Reject
"""What a record is: its events (of a batch, each its own delivery or its own reject), or nothing at all."""

_TOMBSTONE = Skip(SkipReason.TOMBSTONE)
_PREFIX_BYTES = 5
_JSON_STARTS = frozenset(b'{[ \t\r\n"-0123456789tfn\xef')
"""First bytes of JSON text, byte order mark included. What starts otherwise is another format, not broken JSON."""
_NOT_JSON = frozenset({DecodeReason.INVALID_JSON, DecodeReason.INVALID_UTF8})
FORMATS = ("auto", "json")


class Decoder:
    """Decodes records by one set of source settings. Does no I/O and never raises; any number of threads may share one.

    Args:
        format: ``auto`` tells by the first byte (0x00 with more than five bytes is the schema registry's prefix,
            else JSON); ``json`` takes JSON only.
        envelope: where in the record's document the event lies: a preset's name or a JSON pointer.
        limits: what a record may be.
        normalise: renames and constants.
        fallbacks: what stands in for sentAt, and for userId of a group call.
        count_fallback: called with field and source for each fallback that was used.

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
    ) -> None:
        if format not in FORMATS:
            raise ValueError(f"source.format must be one of {', '.join(FORMATS)}")
        self._format = format
        self._limits = limits or DecodeLimits()
        self._open = opener(envelope)
        self._normaliser = Normaliser(normalise, self._limits) if normalise else None
        self._fallbacks = fallbacks or Fallbacks()
        self._count_fallback = count_fallback
        plain = envelope == "none" and not normalise and not self._fallbacks
        self._fast_bytes = self._limits.unchecked_bytes if plain else -1

    def decode(
        self,
        value: bytes | None,
        headers: Headers | None = None,
        timestamp_ms: int | None = None,
    ) -> Decoded:
        """What the record is.

        Args:
            value: the record's value; None is a tombstone.
            headers: the record's, in their order.
            timestamp_ms: the record's, in milliseconds since 1970; None where it has none.

        Returns:
            The record's events; or why there are none: `Skip`, or `Reject` of stage decode. Never an exception.
        """
        if value is None:
            return _TOMBSTONE
        if len(value) <= self._fast_bytes:
            event = fast_event(value, self._limits.max_depth)
            if event is not None:
                return [event]
        try:
            return self._events(value, headers or (), timestamp_ms)
        except DecodeError as error:
            return reject(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one record must not stop the partition
            kind = type(error).__name__
            return Reject(
                RejectReason.INTERNAL_ERROR,
                Stage.DECODE,
                errors=(FieldError("value", f"made the decoder fail ({kind}); please report this"),),
            )

    def _events(self, value: bytes, headers: Headers, timestamp_ms: int | None) -> Decoded:
        """The general path."""
        if len(value) > self._limits.max_record_bytes:
            raise too_large(len(value), self._limits)
        opened = self._open(self._document(value), headers, self._limits)
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

    def _document(self, value: bytes) -> Any:
        """The JSON value that the record holds."""
        try:
            return parse_json(value, self._limits)
        except DecodeError as error:
            if error.reason in _NOT_JSON and value and value[0] not in _JSON_STARTS:
                raise self._unknown_format(value) from None
            raise

    def _unknown_format(self, value: bytes) -> DecodeError:
        """The reject of bytes that are not meant to be JSON."""
        if value[0] == 0 and len(value) > _PREFIX_BYTES:
            found = "starts with the schema registry's prefix (0x00)"
            remedy = "set source.format to avro or json-schema"
        else:
            found = f"starts with byte 0x{value[0]:02x}, which neither JSON nor the schema registry's prefix does"
            remedy = "producers must write JSON, or Avro or JSON Schema with the registry's prefix"
        return DecodeError(DecodeReason.UNKNOWN_FORMAT, f"{found}; {remedy}")


def fast_event(value: bytes, max_depth: int) -> Event | None:
    """The event that an ordinary record is, or None if it takes a closer look: broken, no event, maybe too deep."""
    try:
        event: Event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if event.__class__ is not dict or event.get("type").__class__ is not str or may_be_deep(value, max_depth):
        return None
    return event


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
        found = f"is {kind_of(document['type'])}" if "type" in document else "is missing"
        raise DecodeError(
            DecodeReason.MISSING_TYPE,
            f"type {found}; it must be a string such as identify or group. If events lie within an envelope, set "
            "source.envelope; if the topic says the type, set source.normalise.constants",
        )
    return document


def reject(error: DecodeError, field: str = "value") -> Reject:
    """The error as an outcome."""
    return Reject(error.reason, Stage.DECODE, errors=(FieldError(field, error.detail),))
