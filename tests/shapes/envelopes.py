"""What the same two events look like in each envelope: a record or records each, and the settings that open them.

Records are written as the producers write them; where from is in `consumer.kafka.decode.envelopes`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Event = dict[str, Any]

IDENTIFY: Final[Event] = {
    "type": "identify",
    "messageId": "ajs-next-950cd29b",
    "userId": "usr_40000",
    "traits": {
        "email": "amelia@northwind-bicycles.example",
        "first_name": "Amelia",
        "last_name": "Hart",
        "logins": 12,
        "company": {"id": "org_1001", "name": "Northwind Bicycles"},
    },
    "timestamp": "2026-03-02T08:02:00.000Z",
    "sentAt": "2026-03-02T08:02:00.439Z",
    "receivedAt": "2026-03-02T08:02:00.632Z",
}
GROUP: Final[Event] = {
    "type": "group",
    "messageId": "node-7f01b2",
    "userId": "usr_40000",
    "groupId": "org_1001",
    "traits": {"name": "Northwind Bicycles", "website": "https://northwind-bicycles.example", "employees": 40},
    "timestamp": "2026-03-02T08:03:00.000Z",
    "sentAt": "2026-03-02T08:03:00.100Z",
    "receivedAt": "2026-03-02T08:03:00.200Z",
}
EVENTS: Final = (IDENTIFY, GROUP)


@dataclass(frozen=True, slots=True)
class Written:
    """What a producer writes: the document, before any format, and the record's headers."""

    document: Any
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """One way in which topics hold events.

    Attributes:
        name: of the row.
        what: who writes so.
        settings: ``source``, beside the format.
        write: both events, as records.
    """

    name: str
    what: str
    settings: dict[str, Any]
    write: Callable[[Sequence[Event]], list[Written]] = field(repr=False)


def _each(wrap: Callable[[Event], Any], *headers: tuple[str, bytes]) -> Callable[[Sequence[Event]], list[Written]]:
    return lambda events: [Written(wrap(event), headers) for event in events]


def _rudderstack(event: Event) -> Event:
    if event["type"] != "identify":
        return {**event, "channel": "server", "rudderId": "5a1f"}
    rest = {name: value for name, value in event.items() if name != "traits"}
    return {**rest, "channel": "web", "rudderId": "5a1f", "context": {"traits": event["traits"]}}


def _jitsu(event: Event) -> Event:
    return {
        "ingestType": "browser",
        "messageCreated": "2026-03-02T08:02:00.500Z",
        "messageId": event["messageId"],
        "connectionId": "clx0",
        "type": event["type"],
        "origin": {"baseUrl": "https://data.example"},
        "httpHeaders": {"content-type": "application/json"},
        "httpPayload": event,
    }


def _connect(event: Event) -> Event:
    schema = {"type": "struct", "name": "event", "fields": [{"field": "type", "type": "string"}]}
    return {"schema": schema, "payload": event}


def _cloudevent(event: Event) -> Event:
    return {
        "specversion": "1.0",
        "id": event["messageId"],
        "source": "/segment",
        "type": "com.example.segment",
        "datacontenttype": "application/json",
        "data": event,
    }


_SNAKE: Final = {
    "messageId": "message_id",
    "userId": "user_id",
    "groupId": "group_id",
    "sentAt": "sent_at",
    "receivedAt": "received_at",
}


def _row(event: Event) -> Event:
    """A warehouse's row: snake_case, and traits as JSON text."""
    return {_SNAKE.get(name, name): json.dumps(value) if name == "traits" else value for name, value in event.items()}


def _debezium(event: Event) -> Event:
    source = {"connector": "postgresql", "db": "segment", "table": "events"}
    return {"before": None, "after": _row(event), "source": source, "op": "c", "ts_ms": 1772438520700}


def _outbox(event: Event) -> Event:
    return {"id": "b3f1", "aggregatetype": "event", "aggregateid": event["userId"], "payload": json.dumps(event)}


def _batch(events: Sequence[Event]) -> list[Written]:
    items = [{name: value for name, value in event.items() if name != "sentAt"} for event in events]
    return [Written({"batch": items, "sentAt": events[0]["sentAt"], "context": {"library": {"name": "http"}}})]


_ROWS: Final = {"snake_case": True, "json_fields": ["traits"]}

ENVELOPES: Final = (
    Envelope("none", "The event itself: Segment's Kafka destination.", {}, _each(dict)),
    Envelope("rudderstack", "RudderStack: traits of an identify in `context.traits`.", {"envelope": "rudderstack"}, _each(_rudderstack)),
    Envelope("jitsu", "Jitsu's ingest topic: the event in `httpPayload`.", {"envelope": "jitsu"}, _each(_jitsu)),
    Envelope("connect", "Kafka Connect's JsonConverter with `schemas.enable`.", {"envelope": "connect"}, _each(_connect)),
    Envelope("cloudevents, structured", "CloudEvents 1.0, the event in `data`.", {"envelope": "cloudevents"}, _each(_cloudevent)),
    Envelope(
        "cloudevents, binary",
        "CloudEvents 1.0, its attributes in headers.",
        {"envelope": "cloudevents"},
        _each(dict, ("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"com.example"), ("content-type", b"application/json")),
    ),
    Envelope(
        "debezium",
        "Debezium's change events of a table of events: the row in `after`.",
        {"envelope": "debezium", "normalise": _ROWS},
        _each(_debezium),
    ),
    Envelope("debezium, outbox", "Debezium's outbox: the event as text in `payload`.", {"envelope": "debezium"}, _each(_outbox)),
    Envelope("batch, object", "Segment's batch call: several events in `batch`.", {"envelope": "batch"}, _batch),
    Envelope("batch, array", "An array of events.", {"envelope": "batch"}, lambda events: [Written(list(events))]),
    Envelope("a JSON pointer", "Anything else: `/data/event`.", {"envelope": "/data/event"}, _each(lambda event: {"data": {"event": event}, "v": 2})),
    Envelope(
        "rows",
        "Rows of a database or a warehouse, no envelope: renamed, JSON text opened.",
        {"normalise": {**_ROWS, "rename": {"profile.uid": "userId"}}},
        _each(lambda event: {**{k: v for k, v in _row(event).items() if k != "user_id"}, "profile": {"uid": event["userId"]}}),
    ),
)  # fmt: skip
