from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from consumer.delivery.messages import Partition
from consumer.kafka.assignment import Assignment
from tests.unit.kafka.fake_consumer import FakeConsumer

A0, A1, A2 = (Partition("a", number) for number in range(3))


@pytest.fixture
def consumer() -> FakeConsumer:
    return FakeConsumer()


def assignment(consumer: FakeConsumer, *, cooperative: bool = True) -> Assignment:
    return Assignment(consumer, cooperative=cooperative)  # type: ignore[arg-type] # a fake


def record(partition: Partition) -> Message:
    return Message(topic=partition.topic, partition=partition.number, offset=0)


def test_what_is_held_is_not_read_before_its_position_is_known(consumer):
    parts = assignment(consumer)
    parts.hold([A0, A1], 3)
    assert [("resume", {A0, A1}), ("incremental_assign", {})] == consumer.calls
    assert (parts.held, parts.started) == ({A0: 3, A1: 3}, {})
    parts.start({A0: 7})
    assert consumer.calls[-1] == ("incremental_assign", {A0: 7})
    assert parts.started == {A0: 7}


def test_an_epoch_stays_with_a_partition_that_is_kept(consumer):
    parts = assignment(consumer)
    parts.hold([A0], 1)
    parts.hold([A0, A1], 2)
    assert parts.held == {A0: 1, A1: 2}
    parts.release([A0])
    parts.hold([A0], 3)
    assert parts.held == {A0: 3, A1: 2}


def test_only_what_was_started_is_taken_out(consumer):
    parts = assignment(consumer)
    parts.hold([A0, A1], 1)
    parts.start({A0: 0})
    parts.release([A0, A1])
    assert ("incremental_unassign", {A0}) == consumer.calls[-1]
    assert (parts.held, parts.started) == ({}, {})


def test_before_its_first_record_a_partition_is_taken_out_rather_than_paused(consumer):
    """Overtaking its start, a pause would cancel it: librdkafka#2190, #5591."""
    parts = assignment(consumer)
    parts.hold([A0, A1], 1)
    parts.start({A0: 5, A1: 6})
    parts.saw([record(A0)])
    consumer.calls.clear()
    parts.pause({A0, A1})
    parts.pause({A0, A1})
    assert [("pause", {A0}), ("incremental_unassign", {A1})] == consumer.calls
    assert (parts.started, parts.paused) == ({A0: 5, A1: 6}, {A0, A1})
    consumer.calls.clear()
    parts.pause(())
    assert [("resume", {A0}), ("seek", {A0: 5}), ("incremental_assign", {A1: 6})] == consumer.calls
    assert set() == parts.paused


def test_what_was_taken_out_is_not_taken_out_again(consumer):
    parts = assignment(consumer)
    parts.hold([A0, A1, A2], 1)
    parts.start({A0: 5, A1: 6, A2: 7})
    parts.pause({A0, A1})
    consumer.calls.clear()
    parts.stopped(A0)
    assert consumer.calls == []
    parts.release([A0, A1, A2])
    assert consumer.calls == [("incremental_unassign", {A2})]
    parts.hold([A1], 2)
    parts.start({A1: 8})
    parts.saw([record(A1)])
    parts.pause({A1})
    assert consumer.calls[-1] == ("pause", {A1})


def test_a_pause_that_fails_halfway_is_made_good(consumer, monkeypatch):
    parts = assignment(consumer)
    parts.hold([A0, A1], 1)
    parts.start({A0: 5, A1: 6})
    parts.saw([record(A0)])

    def lost(_):
        raise KafkaException(KafkaError(KafkaError._STATE))

    with monkeypatch.context() as patched:
        patched.setattr(consumer, "incremental_unassign", lost)
        with pytest.raises(KafkaException):
            parts.pause({A0, A1})
    assert parts.paused == {A0}
    consumer.calls.clear()
    parts.pause({A0, A1})
    assert consumer.calls == [("incremental_unassign", {A1})]


def test_eager_pauses_nothing_before_its_first_record(consumer):
    parts = assignment(consumer, cooperative=False)
    parts.hold([A0, A1], 1)
    parts.start({A0: 0, A1: 0})
    consumer.calls.clear()
    parts.pause({A0, A1})
    assert consumer.calls == []
    parts.saw([record(A0)])
    parts.pause({A0, A1})
    assert [("pause", {A0})] == consumer.calls


def test_only_the_difference_is_told(consumer):
    parts = assignment(consumer)
    parts.hold([A0, A1, A2], 1)
    parts.start(dict.fromkeys((A0, A1, A2), 0))
    parts.saw(map(record, (A0, A1, A2)))
    parts.pause({A0, A1})
    consumer.calls.clear()
    parts.pause({A1, A2})
    assert [("pause", {A2}), ("resume", {A0}), ("seek", {A0: 0})] == consumer.calls
    parts.pause(None)
    assert ("pause", {A0}) == consumer.calls[-1]
    parts.pause(())
    assert ("resume", {A0, A1, A2}) == consumer.calls[-4]


def test_what_is_resumed_goes_on_where_it_stood_whatever_comes_next(consumer):
    """After the seek that wakes the broker's thread, librdkafka knows no position until the next record."""
    parts = assignment(consumer)
    parts.hold([A0], 1)
    parts.start({A0: 5})
    parts.saw([record(A0)])
    consumer.positions = {A0: 55}
    for _ in range(2):
        parts.pause({A0})
        parts.pause(())
        assert [("resume", {A0}), ("seek", {A0: 55})] == consumer.calls[-2:]


def test_one_that_librdkafka_does_not_read_any_more_keeps_no_other_from_going_on(consumer, monkeypatch):
    """Its offset was out of range, or it has just been lost."""
    parts = assignment(consumer)
    parts.hold([A0, A1], 1)
    parts.start({A0: 5, A1: 6})
    parts.saw(map(record, (A0, A1)))
    parts.pause(None)
    sought = []

    def seek(partition):
        sought.append(partition.partition)
        raise KafkaException(KafkaError(KafkaError._STATE))

    monkeypatch.setattr(consumer, "seek", seek)
    parts.pause(())
    assert ({0, 1}, set()) == (set(sought), parts.paused)


def test_a_pause_is_forgotten_with_its_partition_and_taken_back_when_it_returns(consumer):
    parts = assignment(consumer)
    parts.hold([A0], 1)
    parts.start({A0: 0})
    parts.saw([record(A0)])
    parts.pause({A0})
    parts.release([A0])
    assert set() == parts.paused
    consumer.calls.clear()
    parts.hold([A0], 2)
    assert ("resume", {A0}) == consumer.calls[0]
    parts.start({A0: 0})
    parts.pause({A0})
    assert "pause" not in {call[0] for call in consumer.calls}


def test_eager_assigns_all_of_them_where_they_stand(consumer):
    parts = assignment(consumer, cooperative=False)
    parts.hold([A0, A1, A2], 1)
    assert consumer.calls[-1] == ("assign", {})
    parts.start({A0: 5, A1: 6})
    consumer.positions = {A0: 55}
    parts.saw(map(record, (A0, A1)))
    parts.pause({A0})
    consumer.calls.clear()
    parts.start({A2: 7})
    assert [("resume", {A0}), ("seek", {A0: 55}), ("assign", {A0: 55, A1: 6, A2: 7})] == consumer.calls
    consumer.positions = {}
    parts.stopped(A2)
    parts.start({A2: 1})
    assert consumer.calls[-1] == ("assign", {A0: 55, A1: 6, A2: 1})
    parts.release([A0, A1, A2])
    assert consumer.calls[-1] == ("unassign",)


def test_a_partition_that_was_stopped_is_held_on(consumer):
    parts = assignment(consumer)
    parts.hold([A0], 1)
    parts.start({A0: 5})
    parts.saw([record(A0)])
    parts.pause({A0})
    consumer.calls.clear()
    parts.stopped(A0)
    assert [("resume", {A0}), ("incremental_unassign", {A0})] == consumer.calls
    assert ({A0: 1}, {}, set()) == (parts.held, parts.started, parts.paused)
