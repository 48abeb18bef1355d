"""Where in a record's document the event lies.

Envelopes are never guessed: an event may itself have ``payload`` or ``data`` keys. Each function takes the decoded
document and the record's headers and gives the documents of the events, or why there are none; whether each is an
event is asked later, after `normalise`. They were written down from: Confluent's JsonConverter (KIP-301), the
CloudEvents Kafka protocol binding 1.0, Debezium's change events and outbox router, RudderStack's and Jitsu's sources,
Segment's batch call.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec import Struct

from consumer.errors import DecodeError
from consumer.kafka.decode.jsontext import parse_json, parse_text
from consumer.kafka.decode.kinds import kind_of
from consumer.outcomes import DecodeReason, Skip, SkipReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumer.kafka.decode.limits import DecodeLimits

    Headers = Sequence[tuple[str, bytes | None]]
    Opener = Callable[[Any, Headers, DecodeLimits], "Opened"]

_DELETED = Skip(SkipReason.TOMBSTONE)
"""A row that was deleted says what a tombstone says."""
_OUTBOX_COLUMNS = ("aggregatetype", "aggregate_type")


class Batch(Struct, frozen=True):
    """The documents of a record that holds several events: one that is no event does not spoil the others."""

    documents: Sequence[Any]


class Single(Struct, frozen=True):
    """The one document of a record that holds one event."""

    document: Any


Opened = Single | Batch | Skip


def opener(envelope: str) -> Opener:
    """The function that opens ``envelope``: a preset's name, or a JSON pointer (RFC 6901) such as ``/payload/event``.

    Raises:
        ValueError: it is neither; the message lists what is allowed.
    """
    if envelope in PRESETS:
        return PRESETS[envelope]
    if envelope.startswith("/"):
        return _pointer(envelope)
    raise ValueError(f"must be one of {', '.join(PRESETS)} or a JSON pointer such as /payload/event")


def _refuse(message: str) -> NoReturn:
    raise DecodeError(DecodeReason.INVALID_ENVELOPE, message)


def _opened_text(value: Any, limits: DecodeLimits) -> Any:
    """JSON within a string is opened: outbox columns, MongoDB's change events and string converters write it so."""
    return parse_text(value, limits) if isinstance(value, str) else value


def _none(document: Any, _headers: Headers, _limits: DecodeLimits) -> Opened:
    return Single(document)


def _rudderstack(document: Any, _headers: Headers, _limits: DecodeLimits) -> Opened:
    """RudderStack keeps an identify's traits in ``context.traits``; Segment has them at the top."""
    if isinstance(document, dict) and document.get("type") == "identify" and document.get("traits") is None:
        context = document.get("context")
        if isinstance(context, dict) and isinstance(context.get("traits"), dict):
            return Single({**document, "traits": context["traits"]})
    return Single(document)


def _jitsu(document: Any, _headers: Headers, _limits: DecodeLimits) -> Opened:
    """Jitsu's ingest topic wraps the event in ``httpPayload``."""
    if not isinstance(document, dict) or not isinstance(document.get("httpPayload"), dict):
        _refuse("has no httpPayload object; source.envelope: jitsu reads Jitsu's ingest messages")
    return Single(document["httpPayload"])


def _connect(document: Any, _headers: Headers, limits: DecodeLimits) -> Opened:
    """Kafka Connect's JsonConverter with schemas.enable: ``{"schema": ..., "payload": ...}``."""
    if not _is_connect(document):
        _refuse(
            "is no object of schema and payload; source.envelope: connect reads JsonConverter's schemas.enable=true"
        )
    return _DELETED if document["payload"] is None else Single(_opened_text(document["payload"], limits))


def _is_connect(document: Any) -> bool:
    return isinstance(document, dict) and document.keys() == {"schema", "payload"}


def _cloudevents(document: Any, headers: Headers, limits: DecodeLimits) -> Opened:
    """CloudEvents: structured (the event in ``data`` or ``data_base64``) or binary (attributes in ``ce_`` headers)."""
    names = {name.lower(): value for name, value in headers}
    structured = (names.get("content-type") or b"").lower().startswith(b"application/cloudevents+json")
    if not structured and "ce_specversion" in names:
        return Single(document)
    if not isinstance(document, dict) or not (structured or "specversion" in document):
        _refuse("is no CloudEvent: neither ce_specversion header nor specversion attribute")
    if "data_base64" in document:
        try:
            data = base64.b64decode(document["data_base64"], validate=True)
        except (binascii.Error, ValueError, TypeError):
            _refuse("is a CloudEvent whose data_base64 is not base64")
        return Single(parse_json(data, limits))
    if document.get("data") is None:
        _refuse("is a CloudEvent without data")
    return Single(_opened_text(document["data"], limits))


_DELETIONS = ("d", "t")
"""Debezium's operations that leave no row: delete, truncate."""


def _debezium(document: Any, _headers: Headers, limits: DecodeLimits) -> Opened:
    """A change event's ``after``, an outbox row's ``payload``, or what the outbox router or flattening left of them."""
    if _is_connect(document):
        document = document["payload"]
    row = _opened_text(document, limits)
    if isinstance(row, dict) and "op" in row and ("after" in row or "source" in row):
        operation, row = row["op"], _opened_text(row.get("after"), limits)
        if row is None and operation not in _DELETIONS:
            _refuse(
                "is a change without the row as it is after it; have the connector capture whole rows or documents"
                " (MongoDB: capture.mode change_streams_update_full), and events by a table"
            )
    if row is None:
        return _DELETED
    if isinstance(row, dict):
        if row.get("__deleted") in (True, "true"):
            return _DELETED
        if "payload" in row and any(column in row for column in _OUTBOX_COLUMNS):
            row = _opened_text(row["payload"], limits)
    return Single(row)


_SHARED = ("context", "integrations")
"""What a batch says of all its events."""


def _batch(document: Any, _headers: Headers, limits: DecodeLimits) -> Opened:
    """Segment's batch call, or an array of events; an event by itself is one as well, for topics that have both.

    A batch's context and integrations are merged into each event key by key, the event's own winning, and an event
    without sentAt has the batch's, which is where Segment's libraries write it.
    """
    if isinstance(document, list):
        return _several(document, limits)
    if not isinstance(document, dict):
        _refuse(f"is {kind_of(document)}, neither an object with batch nor an array; see source.envelope")
    if "batch" not in document:
        return Single(document)
    if not isinstance(document["batch"], list):
        _refuse(f"has a batch that is {kind_of(document['batch'])}, not an array")
    opened = _several(document["batch"], limits)
    if isinstance(opened, Skip):
        return opened
    common = sum(len(document[name]) for name in _SHARED if isinstance(document.get(name), dict))
    if common * len(opened.documents) > limits.max_merged_keys:
        raise DecodeError(
            DecodeReason.TOO_MANY_KEYS,
            f"is a batch whose context and integrations, merged into each of its {len(opened.documents)} events, have "
            f"more than {limits.max_merged_keys} keys in all (ten times max_keys)",
        )
    return Batch([_merged(item, document) for item in opened.documents])


def _several(documents: Sequence[Any], limits: DecodeLimits) -> Batch | Skip:
    if not documents:
        return Skip(SkipReason.EMPTY_BATCH)
    if len(documents) > limits.max_events:
        raise DecodeError(
            DecodeReason.TOO_MANY_EVENTS,
            f"holds {len(documents)} events, over the limit of {limits.max_events} (max_events)",
        )
    return Batch(documents)


def _merged(item: Any, batch: Mapping[str, Any]) -> Any:
    """``item`` with what its batch says of all its events."""
    if not isinstance(item, dict):
        return item
    merged = dict(item)
    for name in _SHARED:
        common, own = batch.get(name), item.get(name)
        if isinstance(common, dict) and (own is None or isinstance(own, dict)):
            merged[name] = {**common, **own} if own else common
    if merged.get("sentAt") is None and "sentAt" in batch:
        merged["sentAt"] = batch["sentAt"]
    return merged


def _pointer(pointer: str) -> Opener:
    """Opens what a JSON pointer points at; an array there is a batch, a string is JSON."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]

    def opened(document: Any, _headers: Headers, limits: DecodeLimits) -> Opened:
        found = document
        for step in steps:
            if isinstance(found, dict) and step in found:
                found = found[step]
            elif isinstance(found, list) and step.isascii() and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            else:
                _refuse(f"has nothing at source.envelope: {pointer}")
        found = _opened_text(found, limits)
        return _several(found, limits) if isinstance(found, list) else Single(found)

    return opened


PRESETS: dict[str, Opener] = {
    "none": _none,
    "rudderstack": _rudderstack,
    "jitsu": _jitsu,
    "connect": _connect,
    "cloudevents": _cloudevents,
    "debezium": _debezium,
    "batch": _batch,
}
"""The names that ``source.envelope`` takes beside a JSON pointer."""
