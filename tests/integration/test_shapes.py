"""Every format times every envelope, on both brokers: records in, and the same two bodies out."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from consumer.chartmogul.router import Router
from consumer.config.source import Source
from consumer.decoding import open_decoding
from consumer.outcomes import Post
from consumer.planning import Planner
from tests.kafka.broker import QUIET
from tests.kafka.client import Record
from tests.kafka.local_registry import LocalRegistry
from tests.shapes import page
from tests.shapes.envelopes import ENVELOPES, EVENTS
from tests.shapes.formats import FORMATS, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from confluent_kafka import Message

    from consumer.decoding import Decoding
    from tests.kafka.client import Broker

CELLS = [(form, envelope) for form in FORMATS for envelope in ENVELOPES]
EXPECTED = [orjson.loads(planned.body) for event in EVENTS for planned in Router().route(event)]


def read_back(broker: Broker, topic: str, count: int) -> list[Message]:
    """The records as the service's client gives them: ``Broker.consume_all`` gives values of its own."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": broker.unique("g"), **QUIET})
    try:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        messages = consumer.consume(count, timeout=30)
    finally:
        consumer.close()
    assert [message.error() for message in messages] == [None] * count
    return messages


def planned_bodies(decoding: Decoding, messages: list[Message]) -> list[Any]:
    """What the service would post, once it has the schemas."""
    needs = decoding.needs
    if needs is not None and decoding.schemas is not None:
        ids = {needs.of(message) for message in messages} - {None}
        for schema_id in ids:
            assert schema_id is not None
            decoding.schemas.missing(schema_id)
        decoding.schemas.start()
        decoding.schemas.close()
        decoding.schemas.join(30)
    records = Planner(decoding.decoder, Router().route).records(messages)
    planned = [each for record in records for each in record.planned]
    return [orjson.loads(each.body) if isinstance(each, Post) else each for each in planned]


def key_of(message: Message) -> bytes:
    key = message.key()
    assert isinstance(key, bytes)
    return key


def cell_of(message: Message) -> int:
    return int(key_of(message).partition(b"/")[0])


@pytest.fixture(scope="module")
def registry() -> Iterator[LocalRegistry]:
    with LocalRegistry() as running:
        yield running


def test_every_format_in_every_envelope_gives_the_same_bodies(broker: Broker, registry: LocalRegistry, tmp_path: Path):
    topic = broker.unique("shapes")
    broker.create_topic(topic, 1)
    written: dict[bytes, dict[str, Any]] = {}
    records = []
    for number, (form, envelope) in enumerate(CELLS):
        for index, each in enumerate(envelope.write(EVENTS)):
            key = f"{number}/{index}".encode()
            file = tmp_path / f"{number}-{index}.avsc"
            value, headers = encoded(form, each, registry, file)
            records.append(Record(value, key, headers))
            source: dict[str, Any] = {**form.settings, **envelope.settings}
            if form.kind == "file":
                source["avro_schema_file"] = str(file)
            elif form.kind:
                source["registry"] = {"urls": [registry.url]}
            written[key] = source
    broker.produce(topic, records)
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    messages = read_back(broker, topic, len(records))
    for (cell, _), same in itertools.groupby(messages, lambda each: (cell_of(each), str(written[key_of(each)]))):
        group = list(same)
        decoding = open_decoding(Source.model_validate(written[key_of(group[0])]))
        form, envelope = CELLS[cell]
        found[form.name, envelope.name] += planned_bodies(decoding, group)
    for form, envelope in CELLS:
        bodies = found[form.name, envelope.name]
        # In a batch the second event has the batch's sentAt.
        assert bodies == (page.in_a_batch(EXPECTED) if envelope.name == "batch, object" else EXPECTED), (form, envelope)


def test_the_page_is_current():
    assert page.FILE.read_text(encoding="utf-8") == page.text(), "run: python -m tests.shapes.page"
