"""Partitions that wait for a schema: dropped from there on, started again there, and nobody else is held up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Message

from consumer.delivery.messages import Partition, Position
from consumer.kafka import loop
from consumer.kafka.assignment import to_kafka
from consumer.kafka.events import Messages, PartitionsRevoking
from consumer.kafka.inbox import Inbox, StopCommand
from consumer.kafka.loop import SourceLoop
from consumer.kafka.properties import SourceConfig
from consumer.kafka.waiting import Needs, Waiting
from tests.unit.kafka.test_source_loop import ScriptedConsumer

if TYPE_CHECKING:
    from collections.abc import Callable

A, B = Partition("a", 0), Partition("a", 1)


class Schemas:
    """A record's value is its schema's id; b"" needs none."""

    def __init__(self, *there: int) -> None:
        self.there = set(there)

    def needs(self) -> Needs:
        return Needs(lambda message: int(message.value() or 0) or None, lambda schema_id: schema_id not in self.there)


def record(partition: Partition, offset: int, value: bytes = b"") -> Message:
    return Message(topic=partition.topic, partition=partition.number, offset=offset, value=value)


def places(messages) -> list[tuple[int, int]]:
    return [(message.partition(), message.offset()) for message in messages]


def test_without_needs_everything_passes_untouched():
    batch = [record(A, 0, b"7")]
    waiting = Waiting(None)
    assert waiting.admit(batch) is batch
    assert waiting.over() == {}


def test_a_partition_is_dropped_from_the_record_on_that_waits():
    schemas = Schemas(1)
    waiting = Waiting(schemas.needs())
    batch = [record(A, 0), record(B, 0, b"7"), record(A, 1, b"1"), record(B, 1), record(A, 2)]
    assert places(waiting.admit(batch)) == [(0, 0), (0, 1), (0, 2)]
    assert waiting.schemas == {B: 7}
    assert waiting.over() == {}
    assert waiting.admit([record(B, 2)]) == []
    schemas.there.add(7)
    assert waiting.over() == {B: 0}
    assert (waiting.over(), waiting.schemas) == ({}, {})
    assert places(waiting.admit([record(B, 0, b"7"), record(B, 1)])) == [(1, 0), (1, 1)]


def test_a_partition_that_is_given_up_is_forgotten():
    schemas = Schemas()
    waiting = Waiting(schemas.needs())
    waiting.admit([record(A, 0, b"7"), record(B, 0, b"8")])
    waiting.forget([A])
    schemas.there |= {7, 8}
    assert waiting.over() == {B: 0}


@pytest.mark.parametrize("cooperative", [True, False])
def test_the_thread_starts_it_anew_where_it_waited(monkeypatch, cooperative):
    schemas = Schemas()
    consumer = ScriptedConsumer(logs={A: [], B: []})
    monkeypatch.setattr(loop, "open_consumer", lambda *_, **__: consumer)
    events, inbox = [], Inbox()

    def hear(event) -> None:
        events.append(event)
        if isinstance(event, PartitionsRevoking):
            event.reply.set(dict.fromkeys(event.partitions, Position(9)))

    strategy = {} if cooperative else {"partition.assignment.strategy": "range"}
    config = SourceConfig("broker", "group", ("a",), "earliest", properties=strategy, drain_timeout_seconds=0)
    source = SourceLoop(config, hear, inbox, schemas.needs())

    def there() -> None:
        assert source.waiting.schemas == {A: 7}
        assert ("pause", {A}) in consumer.calls
        schemas.there.add(7)

    steps: list[Callable[[], Message | None]] = [
        lambda: consumer.callbacks["on_assign"](consumer, to_kafka([A, B])),
        lambda: record(A, 3, b"7"),
        lambda: record(B, 0),
        there,
        lambda: record(A, 3, b"7"),
        lambda: inbox.put(StopCommand()),
    ]
    consumer.steps = steps
    source.run()
    heard = [place for event in events if isinstance(event, Messages) for place in places(event.batch)]
    assert heard == [(1, 0), (0, 3)]
    starts = [call[1] for call in consumer.calls if call[0] in {"assign", "incremental_assign"}]
    assert starts[-1][A] == 3
    assert {
        partition for event in events if isinstance(event, PartitionsRevoking) for partition in event.partitions
    } == {
        A,
        B,
    }
