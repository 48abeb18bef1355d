"""Mutated records through every format and envelope: named rejects only, no exception, no contents, bounded time.

`make fuzz` runs the long version, ``DECODE_FUZZ_INPUTS`` another number, ``DECODE_FUZZ_SEED``
another one. A failure names the seed, decoder and bytes that made it.
"""

import base64
import gc
import io
import json
import os
import random
import resource as process
import time
from typing import Any

import fastavro
import orjson

from consumer.kafka.decode import (
    PRESETS,
    AvroSchema,
    Decoder,
    Fallbacks,
    Normalise,
    Schema,
    SchemaId,
    SchemaKind,
    SchemaNotLoadedError,
    SchemaUnavailable,
)
from consumer.outcomes import DecodeReason, Reject, Skip
from consumer.resources import resource
from consumer.sandbox.samples import UNDECODABLE, load_samples

INPUTS = int(os.environ.get("DECODE_FUZZ_INPUTS", "4000"))
SEED = int(os.environ.get("DECODE_FUZZ_SEED", "1"))
MAX_BYTES = 32_768
MAX_CPU_SECONDS = 0.05
MAX_GROWTH_KB = 5_000
CANARY = "zq9canary"

TYPED = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "type", "type": "string"},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "time", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 4}},
        {"name": "raw", "type": "bytes"},
        {"name": "plan", "type": {"type": "enum", "name": "Plan", "symbols": ["FREE", "PRO"]}},
        {"name": "id", "type": {"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"}},
        {"name": "traits", "type": ["string", "null"]},
        {"name": "children", "type": {"type": "array", "items": "Row"}},
        {"name": "tags", "type": {"type": "map", "values": ["null", "float", "boolean", "double"]}},
    ],
}
TOKENS = [
    *(b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":", b"\0", b"\xff", b"\xef\xbb\xbf", b"null", b"true", b"NaN", b"-"),
    *(b"Infinity", b"1e999", b"-0", b"9" * 40, b"0" * 30, b'"\\ud83d"', b"\\u0000", b'{"a":', b'[{"a":[', b'"a":1,'),
    *(b"\0\0\0\0\1", b"\xfe\xff\xff\xff\x0f", b"\xff" * 9 + b"\1", b"\x80" * 6, b"\x02a\x0c\x02", "é😀".encode(), b" "),
    *(b'"batch":[', b'"payload":', b'"data_base64":"', b'"type":"identify"', b'"op":"c","source":{},', b'"schema":0,'),
]


class Registry:
    """Knows the two schemas, an unknown one, and has not loaded the others."""

    held: dict[SchemaId, Schema | None]

    def __init__(self) -> None:
        event = AvroSchema(orjson.loads(resource("avro/event.avsc").read_bytes()))
        row = AvroSchema(TYPED)
        self.held = {1: Schema(SchemaKind.AVRO, event), 2: Schema(SchemaKind.AVRO, row), 3: None}
        self.held[4] = Schema(SchemaKind.JSON)

    def schema(self, schema_id: SchemaId) -> Schema | None:
        if schema_id not in self.held:
            raise SchemaNotLoadedError(schema_id)
        return self.held[schema_id]


def avro(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def corpus() -> list[bytes]:
    """Records of every shape, small ones: mutations of the bytes that matter come up more often."""
    event = {"type": "identify", "userId": CANARY, "traits": {CANARY: [1, 2.5, {"x": None}]}, "context": {"traits": {}}}
    text = json.dumps(event)
    row: dict[str, Any] = {
        "type": "group",
        "at": 5,
        "day": 9,
        "time": 1,
        "price": b"\1\2",
        "raw": b"\xff",
        "plan": "PRO",
    }
    row |= {"id": bytes(16), "traits": text, "children": [], "tags": {CANARY: 1.5, "b": None, "c": True}}
    plain = json.loads(json.dumps(TYPED).replace('"logicalType"', '"was"'))
    rows = [avro(plain, row), avro(plain, row | {"children": [row] * 3})]
    shipped = avro(orjson.loads(resource("avro/event.avsc").read_bytes()), {"type": "identify", "userId": CANARY})
    documents: list[Any] = [
        event,
        [event, 5, event],
        {"batch": [event, {}], "context": {"a": 1}, "integrations": {"All": False}, "sentAt": "x"},
        {"schema": {}, "payload": event},
        {"schema": {}, "payload": text},
        {"specversion": "1.0", "data": event},
        {"specversion": "1.0", "data_base64": base64.b64encode(text.encode()).decode()},
        {"before": None, "after": event, "op": "c", "source": {}},
        {"aggregatetype": "x", "payload": text},
        {"httpPayload": event},
        {"user_id": CANARY, "traits": text, "sent_at": None},
        text,
    ]
    return [
        *(orjson.dumps(document) for document in documents),
        *(sample.value for sample in UNDECODABLE if sample.value),
        *[sample.value for sample in load_samples() if sample.value][:5],
        *rows,
        shipped,
        *(b"\0\0\0\0\2" + value for value in rows),
        b"\0\0\0\0\1" + shipped,
        b"\0\0\0\0\3" + shipped,
        b"\0\0\0\0\4" + text.encode(),
        b"[" * 2000,
        b'{"a":' * 500,
        b'{"type":"x","a":"\\ud83d"}',
    ]


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """One of the seeds, changed in one to six places."""
    data = rng.choice(seeds)
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((0, 0, 1, 1, 4, 30)))
        change = rng.randrange(6)
        if change == 0:
            put = rng.choice(TOKENS)
        elif change == 1:
            put = bytes([rng.randrange(256)])
        elif change == 2:
            put = data[at : at + 40] * rng.choice((2, 3, 100))
        elif change == 3:
            other = rng.choice(seeds)
            start = rng.randint(0, len(other))
            put = other[start : start + rng.choice((5, 50, 5000))]
        elif change == 4:
            put = rng.choice(TOKENS) * rng.choice((2, 70, 3000))
        else:
            put = b""
        data = (data[:at] + put + data[end:])[:MAX_BYTES]
    return data


def decoders() -> dict[str, Decoder]:
    registry = Registry()
    extras: dict[str, Any] = {
        "normalise": Normalise(json_fields=("traits", "a.b"), snake_case=True, rename={"x": "traits.x"}),
        "fallbacks": Fallbacks(sent_at=("receivedAt", "record_time"), group_user_id=("groupId",)),
    }
    return {
        "plain": Decoder(),
        **{f"auto {preset}": Decoder("auto", preset, schemas=registry, **extras) for preset in (*PRESETS, "/payload")},
        "avro": Decoder("avro", schemas=registry, **extras),
        "avro debezium": Decoder("avro", "debezium", schemas=registry),
        "bare avro": Decoder("avro", avro_schema=AvroSchema(TYPED), **extras),
        "json-schema batch": Decoder("json-schema", "batch"),
    }


HEADERS: list[list[tuple[str, bytes | None]]] = [
    [],
    [("ce_specversion", b"1.0"), ("content-type", b"application/json")],
    [("content-type", b"application/cloudevents+json")],
    [("__value_schema_id", b"\0\0\0\0\1")],
    [("__value_schema_id", None), ("content-type", None)],
]


def fault(outcome: Any) -> str:
    """What is wrong with the outcome of decoding; "" if nothing is."""
    for one in outcome if isinstance(outcome, list) else [outcome]:
        if isinstance(one, Reject):
            if one.reason not in DecodeReason or not one.errors:
                return f"a reject without a name of its own: {one}"
            if CANARY in repr(one):
                return "a message with contents"
        elif isinstance(one, dict):
            if not isinstance(one.get("type"), str):
                return "an event without a type"
        elif not isinstance(one, Skip | SchemaUnavailable):
            return f"a {type(one).__name__}"
    return ""


def test_mutated_records_end_by_name() -> None:
    rng = random.Random(SEED)
    seeds, targets = corpus(), list(decoders().items())
    reasons: set[DecodeReason] = set()
    slowest = 0.0
    start_kb = 0
    for n in range(INPUTS):
        data = mutated(rng, seeds)
        name, decoder = rng.choice(targets)
        headers = rng.choice(HEADERS)
        before = time.process_time()
        outcome = decoder.decode(data, headers, 1)
        slowest = max(slowest, time.process_time() - before)
        found = fault(outcome)
        assert not found, f"seed {SEED}, input {n}, {name}, {headers}: {found}: {data!r}"
        assert slowest < MAX_CPU_SECONDS, f"seed {SEED}, input {n}, {name}: {slowest:.3f} s of CPU: {data[:200]!r}"
        if isinstance(outcome, Reject) and isinstance(outcome.reason, DecodeReason):
            reasons.add(outcome.reason)
        if n == INPUTS // 10:
            gc.collect()
            start_kb = process.getrusage(process.RUSAGE_SELF).ru_maxrss
    growth = process.getrusage(process.RUSAGE_SELF).ru_maxrss - start_kb
    print(f"{INPUTS} inputs, slowest {slowest * 1e3:.1f} ms, RSS grew by {growth} KB, {len(reasons)} reasons")
    assert growth < MAX_GROWTH_KB
    # The corpus reaches what it is meant to reach.
    expected = {DecodeReason.INVALID_JSON, DecodeReason.INVALID_AVRO, DecodeReason.TOO_DEEP, DecodeReason.INVALID_UTF8}
    assert expected | {DecodeReason.INVALID_ENVELOPE, DecodeReason.UNKNOWN_SCHEMA, DecodeReason.MISSING_TYPE} <= reasons
