"""One record's value, headers and timestamp become Segment events, or the reason why they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import orjson

from consumer.errors import DecodeError, FieldError
from consumer.kafka.decode.jsontext import may_be_deep, parse_json
from consumer.kafka.decode.limits import DecodeLimits, too_large
from consumer.outcomes import DecodeReason, Reject, RejectReason, Skip, SkipReason, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

Event = dict[str, Any]
"""A Segment event: a JSON object with a ``type``; which types there are is not the decoder's business."""

Decoded = list[Event | Reject] | Skip | Reject
"""What a record is: its events (a batch has several, each its own delivery or its own reject), or nothing at all."""

Format = Literal["auto", "json"]
Envelope = Literal["none"]

_TOMBSTONE = Skip(SkipReason.TOMBSTONE)
_PREFIX_BYTES = 5
_JSON_STARTS = frozenset(b'{[ \t\r\n"-0123456789tfn\xef')
"""First bytes of JSON text, byte order mark included. What starts otherwise is another format, not broken JSON."""


class Decoder:
    """Decodes records by one topic's settings. Immutable, does no I/O, never raises; one serves any number of threads.

    Args:
        format: ``auto`` tells by the first byte (0x00 with more than five bytes is the schema registry's prefix,
            else JSON); ``json`` takes JSON only.
        envelope: where in the record's document the event lies.
        limits: what a record may be.
    """

    def __init__(
        self,
        format: Format = "auto",  # noqa: A002 - the setting's name, source.format
        envelope: Envelope = "none",
        limits: DecodeLimits | None = None,
    ) -> None:
        self._format = format
        self._envelope = envelope
        self._limits = limits or DecodeLimits()
        self._fast_bytes = self._limits.unchecked_bytes

    def decode(
        self,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] | None = None,
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
            return self._events(value, headers, timestamp_ms)
        except DecodeError as error:
            return reject(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one record must not stop the partition
            kind = type(error).__name__
            return Reject(
                RejectReason.INTERNAL_ERROR,
                Stage.DECODE,
                errors=(FieldError("value", f"made the decoder fail ({kind}); please report this"),),
            )

    def _events(
        self,
        value: bytes,
        _headers: Sequence[tuple[str, bytes | None]] | None,
        _timestamp_ms: int | None,
    ) -> Decoded:
        return [as_event(self._document(value))]

    def _document(self, value: bytes) -> Any:
        """The JSON value that the record holds."""
        if len(value) > self._limits.max_record_bytes:
            raise too_large(len(value), self._limits)
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


_NOT_JSON = frozenset({DecodeReason.INVALID_JSON, DecodeReason.INVALID_UTF8})


def as_event(document: Any) -> Event:
    """``document`` if it is an event: an object with a ``type`` string.

    Raises:
        DecodeError: not_an_object, missing_type.
    """
    if not isinstance(document, dict):
        kind = kind_of(document)
        remedy = "set source.envelope to batch if a record holds several" if kind == "an array" else "send JSON objects"
        raise DecodeError(DecodeReason.NOT_AN_OBJECT, f"is {kind}, not an event; {remedy}")
    if not isinstance(document.get("type"), str):
        found = f"is {kind_of(document['type'])}" if "type" in document else "is missing"
        raise DecodeError(
            DecodeReason.MISSING_TYPE,
            f"type {found}; it must be a string such as identify or group. If events lie within an envelope, set"
            " source.envelope; if the topic says the type, set source.normalise",
        )
    return document


def kind_of(value: Any) -> str:
    """What kind of JSON value it is, in words for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def fast_event(value: bytes, max_depth: int) -> Event | None:
    """The event that an ordinary record is, or None if it takes a closer look: valid or not, large or deep.

    The general path decides the same; this is what nearly every record takes, at orjson's cost and half as much again.
    """
    try:
        event: Event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if event.__class__ is not dict or event.get("type").__class__ is not str or may_be_deep(value, max_depth):
        return None
    return event


def reject(error: DecodeError) -> Reject:
    """The error as an outcome."""
    return Reject(error.reason, Stage.DECODE, errors=(FieldError("value", error.detail),))
