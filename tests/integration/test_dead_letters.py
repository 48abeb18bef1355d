"""Dead letters on a broker: what is written, and what is said about it. Runs on both brokers."""

from __future__ import annotations

import hashlib
import os
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, Message

from consumer.errors import ConfigurationError
from consumer.kafka.dead_letter import DeadLettersReported, DeadLetterWriter
from consumer.kafka.dead_letter_headers import DeadLetterContext, split_headers
from consumer.kafka.embedded import EmbeddedBroker
from consumer.outcomes import DeliverReason, Stage
from tests.kafka.client import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS = 30.0
CONTEXT = DeadLetterContext(
    DeliverReason.HTTP_REJECTED, Stage.DELIVER, "status 422", "events", 3, 77, "group", 1_700_000_000_000, status=422
)


class Writing:
    """A writer and everything that it reported."""

    def __init__(self, broker: Broker, topic: str, *, create: bool = False, **properties: str) -> None:
        self._queue: SimpleQueue[DeadLettersReported] = SimpleQueue()
        self.writer = DeadLetterWriter(
            bootstrap_servers=broker.bootstrap_servers,
            properties={"log_level": "0", **properties},
            topic=topic,
            create=create,
            emit=self._queue.put,
        )
        self.written: list[int] = []
        self.failed: dict[int, str] = {}

    def wait(self, count: int) -> None:
        deadline = time.monotonic() + SECONDS
        while len(self.written) + len(self.failed) < count:
            report = self._queue.get(timeout=deadline - time.monotonic())
            self.written += report.written
            self.failed |= dict(report.failed)


@pytest.fixture
def topic(broker: Broker) -> str:
    name = broker.unique("dead-letters")
    broker.create_topic(name, 1)
    return name


@pytest.fixture
def writing(broker: Broker, topic: str) -> Iterator[Writing]:
    made = Writing(broker, topic)
    yield made
    made.writer.close(SECONDS)


def message(
    value: bytes | None, key: bytes | None = b"key", headers: Sequence[tuple[str, bytes | None]] = ()
) -> Message:
    return Message(topic="events", partition=3, offset=77, key=key, value=value, headers=list(headers))


def test_key_value_and_headers_stay_as_they_were(broker, topic, writing):
    headers = (("a", b"1"), ("a", b"\xff\x00"), ("none", None), ("empty", b""))
    letters = [
        message(b'{"type":"identify"}', b"key", headers),
        message(None, None),
        message(b"", b""),
    ]
    for ident, letter in enumerate(letters):
        writing.writer.write(ident, letter, CONTEXT)
    writing.wait(3)
    assert {0, 1, 2} == set(writing.written)
    stored = {record.offset: record for record in broker.consume_all(topic)}
    assert [(stored[offset].key, stored[offset].value) for offset in range(3)] == [
        (b"key", b'{"type":"identify"}'),
        (None, None),
        (b"", b""),
    ]
    original, context = split_headers(stored[0].headers)
    assert list(headers) == original
    assert tuple(context[f"dlq_{name}"] for name in ("reason", "topic", "partition", "offset", "status")) == (
        "http_rejected",
        "events",
        "3",
        "77",
        "422",
    )
    # Its time is that of its writing: with the event's own, retention might remove it at once.
    assert stored[0].timestamp_ms > 1_700_000_000_000


def test_many_are_reported_in_few_batches(broker, topic):
    reports: SimpleQueue[DeadLettersReported] = SimpleQueue()
    writer = DeadLetterWriter(
        bootstrap_servers=broker.bootstrap_servers, properties={}, topic=topic, create=False, emit=reports.put
    )
    for ident in range(2000):
        writer.write(ident, message(b"x" * 100), CONTEXT)
    assert writer.close(SECONDS)
    written = []
    count = 0
    while not reports.empty():
        written += reports.get().written
        count += 1
    assert list(range(2000)) == sorted(written)
    assert count < 500
    assert broker.end_offsets(topic)[0] == 2000


def test_what_is_too_large_leaves_its_value_behind_and_its_neighbours_keep_theirs(real_kafka):
    topic = real_kafka.unique("dead-letters")
    real_kafka.create_topic(topic, 1, {"max.message.bytes": "4000"})
    writing = Writing(real_kafka, topic, **{"linger.ms": "50"})
    large = os.urandom(10_000)
    for ident, value in enumerate([b"small", large, os.urandom(2500), b"small too"]):
        writing.writer.write(ident, message(value), CONTEXT)
    writing.wait(4)
    assert {0, 1, 2, 3} == set(writing.written)
    assert writing.writer.close(SECONDS)
    stored = real_kafka.consume_all(topic)
    assert len(stored) == 4
    assert [record.value for record in stored if record.value is None] == [None]
    (without,) = (record for record in stored if record.value is None)
    assert without.key == b"key"
    _, context = split_headers(without.headers)
    assert ("10000", hashlib.sha256(large).hexdigest()) == (context["dlq_value_size"], context["dlq_value_sha256"])
    assert context["dlq_offset"] == "77"


def test_too_large_for_this_client_leaves_its_value_behind_as_well(broker, topic):
    writing = Writing(broker, topic, **{"message.max.bytes": "2000", "batch.size": "2000"})
    writing.writer.write(1, message(os.urandom(5000)), CONTEXT)
    writing.wait(1)
    assert writing.written == [1]
    assert writing.writer.close(SECONDS)
    (stored,) = broker.consume_all(topic)
    assert stored.value is None


def test_a_missing_topic_fails_the_write_and_a_later_one_succeeds(broker):
    topic = broker.unique("dead-letters")
    writing = Writing(broker, topic, **{"message.timeout.ms": "500", "topic.metadata.refresh.interval.ms": "200"})
    assert "does not exist" in (writing.writer.check() or "")
    writing.writer.write(1, message(b"x"), CONTEXT)
    writing.wait(1)
    assert list(writing.failed) == [1]
    broker.create_topic(topic, 1)
    assert writing.writer.check() is None
    writing.writer.write(1, message(b"x"), CONTEXT)
    writing.written.clear()
    writing.failed.clear()
    writing.wait(1)
    assert writing.written == [1]
    assert writing.writer.close(SECONDS)


def test_it_makes_the_topic_where_that_is_asked_for(real_kafka):
    topic = real_kafka.unique("dead-letters")
    writing = Writing(real_kafka, topic, create=True)
    assert writing.writer.check() is None
    assert writing.writer.check() is None
    assert real_kafka.end_offsets(topic) == {0: 0}
    assert writing.writer.close(SECONDS)


def test_a_broker_that_is_away_is_told_in_words():
    with EmbeddedBroker() as embedded:
        embedded.set_down()
        writing = Writing(Broker("embedded", embedded.bootstrap_servers, ""), "dead-letters")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("consumer.kafka.dead_letter._REQUEST_SECONDS", 0.2)
            assert "cannot be looked for" in (writing.writer.check() or "")
        assert writing.writer.close(0.1)


def test_a_producer_that_is_broken_for_good_is_replaced(broker, topic, writing):
    client = writing.writer._client
    broken = client._producer
    writing.writer.write(1, message(b"before"), CONTEXT)
    writing.wait(1)
    client._on_error(KafkaError(KafkaError._FATAL, fatal=True))
    deadline = time.monotonic() + SECONDS
    ident = 2
    while client._producer is broken:
        assert time.monotonic() < deadline
        writing.writer.write(ident, message(b"x"), CONTEXT)
        writing.wait(ident)
        ident += 1
    writing.writer.write(ident, message(b"after"), CONTEXT)
    writing.wait(ident)
    assert ident in writing.written
    assert b"after" in [record.value for record in broker.consume_all(topic)]


def test_properties_are_refused_without_their_values():
    with pytest.raises(ConfigurationError, match=r"kafka\.properties") as caught:
        Writing(Broker("embedded", "127.0.0.1:1", ""), "dead-letters", **{"security.protocol": "s3cr3t"})
    assert "s3cr3t" not in str(caught.value)
