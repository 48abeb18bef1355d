"""Ten thousand events as JSON, JSON Schema and Avro: the same bodies, and the same reasons where there is none."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING, Any

import fastavro
import orjson
import pytest

from consumer.chartmogul.router import Router
from consumer.kafka.decode import AvroSchema, Decoder, Schema, SchemaKind
from consumer.outcomes import Post
from consumer.resources import resource
from consumer.sandbox.samples import load_samples
from tests.unit.kafka.test_decode_avro import as_avro

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = 10_000
SCHEMA = orjson.loads(resource("avro/event.avsc").read_bytes())
HELD = {1: Schema(SchemaKind.JSON), 2: Schema(SchemaKind.AVRO, AvroSchema(SCHEMA))}


class Schemas:
    def schema(self, schema_id: int) -> Schema | None:
        return HELD.get(schema_id)


def events() -> Iterator[dict[str, Any]]:
    """The samples again and again, each time about other people and companies."""
    samples = [orjson.loads(sample.value or b"") for sample in load_samples()]
    for number, event in enumerate(itertools.islice(itertools.cycle(samples), EVENTS)):
        changed = dict(event)
        for name in ("userId", "anonymousId", "groupId", "messageId"):
            if isinstance(event.get(name), str):
                changed[name] = f"{event[name]}-{number}"
        if isinstance(event.get("traits"), dict):
            changed["traits"] = {**event["traits"], "number": number, "half": number / 2, "odd": bool(number % 2)}
        yield changed


@pytest.mark.slow
def test_the_format_makes_no_difference_to_what_is_sent():
    decoder, route, parsed = Decoder("auto", schemas=Schemas()), Router().route, fastavro.parse_schema(SCHEMA)
    sent = 0
    for event in events():
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, as_avro(event))
        text = orjson.dumps(event)
        records = (text, b"\0\0\0\0\1" + text, b"\0\0\0\0\2" + out.getvalue())
        found = []
        for record in records:
            (decoded,) = decoder.decode(record)
            found.append([planned.body if isinstance(planned, Post) else planned for planned in route(decoded)])
        assert [orjson.loads(body) if isinstance(body, bytes) else body for body in found[0]] == [
            orjson.loads(body) if isinstance(body, bytes) else body for body in found[2]
        ]
        assert found[0] == found[1]
        sent += sum(isinstance(body, bytes) for body in found[0])
    assert sent > EVENTS / 4, "most of the samples are pages and tracks, but not these"
