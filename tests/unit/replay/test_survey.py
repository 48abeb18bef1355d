"""What a run will read, as the broker answers."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.delivery.messages import Partition, Position
from consumer.errors import ConfigurationError, KafkaUnavailableError
from consumer.replay import survey as module
from consumer.replay.selection import Origin, Selection, Stretch
from consumer.replay.survey import Scope, Surveyor
from tests.unit.kafka.fake_consumer import FakeConsumer

A0, A1 = Partition("a", 0), Partition("a", 1)


def survey(consumer: FakeConsumer, origin: Origin = Origin.SOURCE, **selection: Any) -> Scope:
    values = {"topics": ("a",), **selection}
    return Surveyor(consumer, Selection(origin, **values), "group.replay.run").survey()  # type: ignore[arg-type] # a fake


def cluster(**changes: Any) -> FakeConsumer:
    """Records that were written at 0, 10, 20, …; of partition 1 the first two are gone."""
    return FakeConsumer(logs={A0: [0, 10, 20, 30], A1: [0, 10, 20], Partition("b", 0): [0]}, lows={A1: 2}, **changes)


@pytest.mark.parametrize(
    ("selection", "starts", "ends"),
    [
        ({"keys": frozenset({b"k"})}, {A0: 0, A1: 2}, {A0: 4, A1: 3}),
        ({"since_ms": 20}, {A0: 2, A1: 2}, {A0: 4, A1: 3}),
        ({"since_ms": 25}, {A0: 3}, {A0: 4}),
        ({"since_ms": 31}, {}, {}),
        ({"stretches": (Stretch(A0, 1, 3),)}, {A0: 1}, {A0: 3}),
        ({"stretches": (Stretch(A0, 1, 2), Stretch(A0, 3, 99))}, {A0: 1}, {A0: 4}),
        ({"stretches": (Stretch(A0, 1, 2), Stretch(A0, 3))}, {A0: 1}, {A0: 4}),
        ({"stretches": (Stretch(A1, 0),)}, {A1: 2}, {A1: 3}),
        ({"stretches": (Stretch(A0, 4, 9),)}, {}, {}),
        ({"stretches": (Stretch(A0), Stretch(A1)), "since_ms": 20}, {A0: 2, A1: 2}, {A0: 4, A1: 3}),
    ],
)
def test_it_reads_what_is_there_and_asked_for(selection, starts, ends):
    scope = survey(cluster(), **selection)
    assert (scope.starts, scope.ends) == (starts, ends)
    assert scope.records == sum(ends.values()) - sum(starts.values())


def test_the_time_of_dead_letters_is_in_their_headers_so_all_are_read():
    assert survey(cluster(), Origin.DEAD_LETTERS, since_ms=25).starts == {A0: 0, A1: 2}


def test_an_interrupted_run_begins_where_it_stood_and_reads_from_the_beginning():
    scope = survey(cluster(commits={A0: Position(2, "map")}), Origin.DEAD_LETTERS)
    assert scope.starts[A0] == 0
    assert scope.positions == {A0: Position(2, "map"), A1: Position(2)}


def test_patterns_are_those_of_the_service():
    assert set(survey(cluster(), topics=("^[ab]$",), since_ms=0).starts) == {A0, A1, Partition("b", 0)}


@pytest.mark.parametrize(
    ("origin", "setting"), [(Origin.SOURCE, "kafka.topics"), (Origin.DEAD_LETTERS, "dead_letter.topic")]
)
def test_a_topic_that_is_missing_names_its_setting(origin, setting):
    with pytest.raises(KafkaUnavailableError, match=f"no such topic: nowhere; check {setting}"):
        survey(cluster(), origin, topics=("nowhere",))


def test_a_partition_that_is_missing_is_a_mistake_of_the_command():
    with pytest.raises(ConfigurationError) as raised:
        survey(cluster(), stretches=(Stretch(Partition("a", 2)),))
    assert [str(p) for p in raised.value.problems] == ["--partition: a/2 is not among what is read: a/0-1"]


def test_a_broker_that_does_not_answer_is_said_with_what_to_look_at(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    with pytest.raises(KafkaUnavailableError, match=r"the topics: .*; check kafka\.bootstrap_servers and the network"):
        survey(cluster(down=True))
