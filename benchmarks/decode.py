"""CPU microseconds to decode a 1.5 KB event, by format, with stock readers beside ours.

    python benchmarks/decode.py

Each figure is the best of many short runs, on one thread: what the work costs, not what else the machine was doing.
Aims: JSON ≤ 4, Avro with typed traits ≤ 20, Avro with traits as JSON text ≤ 8. confluent-kafka's AvroDeserializer takes
part where its extra is installed: pip install 'confluent-kafka[avro,schemaregistry]'.
"""

from __future__ import annotations

import io
import json
import sys
import timeit
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from consumer.kafka.decode import AvroSchema, Decoder, Normalise, Schema, SchemaKind
from consumer.resources import resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.kafka.decode import SchemaId

EVENT: dict[str, Any] = {
    "type": "identify",
    "messageId": "ajs-next-1772438400005-6c4d2f5e-93b1-4d3c-8a55-0b1c2d3e4f50",
    "userId": "usr_40304",
    "anonymousId": "334c967c-872e-4b22-be26-32606067686f",
    "traits": {
        "email": "amelia.hart@northwind-bicycles.example",
        "first_name": "Amelia",
        "last_name": "Hart",
        "title": "Head of Revenue Operations",
        "phone": "+1-503-555-0142",
        "linkedIn": "https://www.linkedin.com/in/example-amelia-hart",
        "createdAt": "2026-03-03T11:32:00.000Z",
        "plan": "growth",
        "logins": 42,
        "company": {"id": "org_1001", "name": "Northwind Bicycles", "industry": "Retail", "employees": 148},
    },
    "context": {
        "library": {"name": "analytics.js", "version": "npm:next-1.70.0"},
        "ip": "192.0.2.42",
        "userAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/17.4 Safari/605.1.15",
        "locale": "en-US",
        "timezone": "America/Los_Angeles",
        "page": {
            "path": "/account/settings/billing",
            "title": "Billing settings: Müller & Söhne",
            "url": "https://app.example/account/settings/billing?tab=invoices&utm_source=newsletter",
            "referrer": "https://app.example/account/settings",
            "search": "?tab=invoices&utm_source=newsletter",
        },
        "campaign": {"source": "newsletter", "medium": "email", "name": "spring-2026-renewals"},
    },
    "integrations": {"All": True},
    "timestamp": "2026-03-03T22:35:00.000Z",
    "originalTimestamp": "2026-03-03T22:35:00.000Z",
    "sentAt": "2026-03-03T22:35:00.411Z",
    "receivedAt": "2026-03-03T22:35:00.755Z",
    "version": 2,
}


def record(name: str, example: dict[str, Any]) -> dict[str, Any]:
    """A schema with a typed, nullable field for each key of ``example``, as a team writes one."""
    fields = []
    for key, value in example.items():
        kind: Any = "string"
        if isinstance(value, dict):
            kind = record(f"{name}_{key}", value)
        elif isinstance(value, bool | int):
            kind = "boolean" if isinstance(value, bool) else "long"
        fields.append({"name": key, "type": ["null", kind], "default": None})
    return {"type": "record", "name": name, "fields": fields}


def encoded(schema: Any, event: dict[str, Any]) -> bytes:
    """``event`` in Avro with the registry's prefix."""
    out = io.BytesIO(b"\0\0\0\0\1")
    out.seek(5)
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), event)
    return out.getvalue()


def wrapped(value: Any) -> Any:
    """A JSON value as the shipped schemas' record JsonValue has it."""
    return {"value": {key: wrapped(inner) for key, inner in value.items()} if isinstance(value, dict) else value}


class OneSchema:
    """A schema source that has one."""

    def __init__(self, schema: Any) -> None:
        self._schema = Schema(SchemaKind.AVRO, AvroSchema(schema))

    def schema(self, _schema_id: SchemaId) -> Schema:
        """That one."""
        return self._schema


def microseconds(call: Callable[[], Any]) -> float:
    """CPU of one call: the best of 300 runs of 200."""
    return min(timeit.repeat(call, number=200, repeat=300)) / 200 * 1e6


def deserializer(schema: Any, value: bytes) -> Callable[[], Any] | None:
    """confluent-kafka's own, if it can be imported."""
    try:
        from confluent_kafka.schema_registry import Schema as RegistrySchema
        from confluent_kafka.schema_registry import SchemaRegistryClient
        from confluent_kafka.schema_registry.avro import AvroDeserializer
        from confluent_kafka.serialization import MessageField, SerializationContext
    except ImportError:
        return None
    client = SchemaRegistryClient.new_client({"url": "mock://"})
    client.register_schema("events-value", RegistrySchema(json.dumps(schema), "AVRO"))
    read = AvroDeserializer(client)
    context = SerializationContext("events", MessageField.VALUE)
    return lambda: read(value, context)


def main() -> None:
    text = orjson.dumps(EVENT)
    typed = record("Event", EVENT)
    as_text = EVENT | {name: json.dumps(EVENT[name]) for name in ("traits", "context", "integrations")}
    texts = record("Event", as_text)
    any_json = orjson.loads(resource("avro/event.avsc").read_bytes())
    in_any = {k: {n: wrapped(i) for n, i in v.items()} if isinstance(v, dict) else v for k, v in EVENT.items()}

    values = {"typed": encoded(typed, EVENT), "text": encoded(texts, as_text), "any": encoded(any_json, in_any)}
    open_text = Normalise(json_fields=("traits", "context", "integrations"))
    plain, by_schema = Decoder(), Decoder("avro", schemas=OneSchema(typed))
    with_text = Decoder("avro", schemas=OneSchema(texts), normalise=open_text)
    with_any = Decoder("avro", schemas=OneSchema(any_json))
    for decoder, value in ((plain, text), *zip((by_schema, with_text, with_any), values.values(), strict=True)):
        assert decoder.decode(value) == [EVENT]

    parsed, parsed_texts = fastavro.parse_schema(typed), fastavro.parse_schema(texts)

    def by_hand(value: bytes) -> dict[str, Any]:
        event: dict[str, Any] = fastavro.schemaless_reader(io.BytesIO(value), parsed_texts, None)  # type: ignore[assignment] # a record
        for name in ("traits", "context", "integrations"):
            event[name] = orjson.loads(event[name])
        return event

    assert by_hand(values["text"][5:]) == EVENT
    after_prefix = values["typed"][5:]
    rows: list[tuple[str, int, Callable[[], Any] | None]] = [
        ("JSON: json.loads", len(text), lambda: json.loads(text)),
        ("JSON: orjson.loads", len(text), lambda: orjson.loads(text)),
        ("JSON: Decoder", len(text), lambda: plain.decode(text)),
        (
            "Avro, typed traits: fastavro",
            len(after_prefix),
            lambda: fastavro.schemaless_reader(io.BytesIO(after_prefix), parsed, None),
        ),
        ("Avro, typed traits: AvroDeserializer", len(values["typed"]), deserializer(typed, values["typed"])),
        ("Avro, typed traits: Decoder", len(values["typed"]), lambda: by_schema.decode(values["typed"])),
        ("Avro, traits as JSON text: fastavro, orjson", len(values["text"]), lambda: by_hand(values["text"][5:])),
        ("Avro, traits as JSON text: Decoder", len(values["text"]), lambda: with_text.decode(values["text"])),
        ("Avro, shipped schema (any JSON): Decoder", len(values["any"]), lambda: with_any.decode(values["any"])),
    ]
    print(f"{'format: reader':45} {'bytes':>6} {'µs an event':>12}")
    for name, size, call in rows:
        print(f"{name:45} {size:6} {microseconds(call) if call else float('nan'):12.1f}")


if __name__ == "__main__":
    main()
