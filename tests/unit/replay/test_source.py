"""The bounded source: where a partition ends, what is handed over, and how it lets go."""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from consumer.delivery.messages import Partition, Position
from consumer.kafka.events import (
    Closed,
    CommitDone,
    Joined,
    Messages,
    PartitionsAssigned,
    PartitionsReleased,
    PartitionsRevoking,
    SourceError,
)
from consumer.kafka.properties import SourceConfig
from consumer.replay import source as module
from consumer.replay.selection import Origin, Selection
from consumer.replay.source import BoundedSource
from tests.unit.kafka.fake_consumer import FakeConsumer
from tests.unit.replay.cases import TOPIC, record

P0, P1 = Partition(TOPIC, 0), Partition(TOPIC, 1)
SECONDS = 20


class Spoken:
    """What comes of a poll that is no record."""

    def __init__(self, code: int, at: int, partition: int = 0) -> None:
        self._error, self._at, self._partition = KafkaError(code), at, partition

    def error(self) -> KafkaError:
        return self._error

    def topic(self) -> str:
        return TOPIC

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._at


def end_of(partition: int, at: int) -> Spoken:
    return Spoken(KafkaError._PARTITION_EOF, at, partition)


class ScriptedConsumer(FakeConsumer):
    """Each poll brings the next of ``script``; one that is callable is called."""

    script: deque[Any]
    batch: int = 1
    closed = False
    on_commit: Any

    def poll(self, timeout: float) -> Any:
        if not self.script:
            return None
        step = self.script.popleft()
        return step() if callable(step) else step

    def consume(self, count: int, timeout: float) -> list[Any]:
        return [self.script.popleft() for _ in range(min(self.batch - 1, len(self.script)))]

    def commit(self, offsets: list[TopicPartition], *, asynchronous: bool) -> Any:
        if asynchronous:
            self.script.append(lambda: self.on_commit(None, offsets))
        return super().commit(offsets, asynchronous=asynchronous)

    def close(self) -> None:
        self.closed = True


class Case:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, **selection: Any) -> None:
        self.consumer = ScriptedConsumer(logs={P0: [0] * 10, P1: [0] * 4})

        def open_(config: SourceConfig, on_error: Any, on_commit: Any) -> ScriptedConsumer:
            self.consumer.on_commit = on_commit
            return self.consumer

        monkeypatch.setattr(module, "_open", open_)
        config = SourceConfig("broker", "group.replay.run", (TOPIC,), "earliest", drain_timeout_seconds=1)
        self.source = BoundedSource(config, Selection(Origin.SOURCE, (TOPIC,), **selection))
        self.events: SimpleQueue[Any] = SimpleQueue()
        self.source.attach(self.events.put)

    def start(self, *script: Any) -> None:
        self.source.survey()
        self.consumer.script = deque(script)
        self.source.start()

    def next(self, kind: type) -> Any:
        """The next event of this kind; those before it are passed over."""
        while not isinstance(event := self.events.get(timeout=SECONDS), kind):
            pass
        return event

    def offsets(self, number: int) -> list[tuple[int, int]]:
        """Where the next ``number`` batches' records stand."""
        return [(m.partition(), m.offset()) for _ in range(number) for m in self.next(Messages).batch]

    def stop(self) -> list[Any]:
        """Everything that it says until it is closed."""
        self.source.stop()
        said = []
        while not said or not isinstance(said[-1], Closed):
            said.append(self.events.get(timeout=SECONDS))
            if isinstance(said[-1], PartitionsRevoking):
                said[-1].reply.set({P0: Position(7, "map")})
        assert self.consumer.closed
        return said


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(monkeypatch)


def test_it_assigns_itself_what_it_surveyed_and_hands_over_up_to_the_end(case):
    case.consumer.commits[P0] = Position(3, "what an earlier part has done")
    case.consumer.batch = 4
    case.start(record(3), record(4), record(9), record(10), record(3, partition=1), record(4, partition=1))
    assert isinstance(case.events.get(timeout=SECONDS), Joined)
    assigned = case.next(PartitionsAssigned)
    assert assigned.positions == {P0: Position(3, "what an earlier part has done"), P1: Position(0)}
    assert assigned.counts == {P0.topic: 2}
    assert case.offsets(2) == [(0, 3), (0, 4), (0, 9), (1, 3)], "0/10 and 1/4 came after the survey"
    assert ("assign", {P0: 0, P1: 0}) in case.consumer.calls, "letters below a commit are read again, to be known"
    case.stop()


def test_it_is_exhausted_when_each_partition_has_ended_by_record_or_by_the_brokers_word(case):
    reached: list[bool] = []
    case.start(
        record(9),
        lambda: reached.append(case.source.exhausted),
        end_of(1, 4),
        lambda: None,
        lambda: reached.append(case.source.exhausted),
        lambda: case.events.put("played"),
    )
    while case.events.get(timeout=SECONDS) != "played":
        pass
    assert reached == [False, True]
    assert case.source.read == case.source.scope.records == 14
    assert ("pause", {P0}) in case.consumer.calls, "what has ended is not fetched any further"
    case.stop()


def test_a_replica_that_lags_behind_is_no_end_and_a_truncated_topic_is_one(case):
    reached: list[bool] = []

    def truncate() -> None:
        case.consumer.logs[P0] = [0] * 5

    case.start(
        end_of(1, 4),
        end_of(0, 5),
        lambda: reached.append(case.source.exhausted),
        truncate,
        end_of(0, 5),
        lambda: None,
        lambda: reached.append(case.source.exhausted),
        lambda: case.events.put("played"),
    )
    while case.events.get(timeout=SECONDS) != "played":
        pass
    assert reached == [False, True]
    case.stop()


def test_what_the_driver_says_last_is_committed_before_it_closes(case):
    case.start(record(0))
    case.offsets(1)
    said = case.stop()
    assert [type(event) for event in said] == [PartitionsRevoking, PartitionsReleased, Closed]
    assert said[1].committed
    assert case.consumer.commits == {P0: Position(7, "map")}


def test_a_commit_asked_for_while_it_lets_go_is_answered(case):
    case.start()
    case.next(PartitionsAssigned)
    case.source.stop()
    revoking = case.next(PartitionsRevoking)
    case.source.commit({P0: Position(6)}, epoch=1)
    assert case.next(CommitDone).error is not None
    revoking.reply.set({P0: Position(7)})
    case.next(Closed)
    assert case.consumer.commits == {P0: Position(7)}


def test_a_commit_that_fails_at_the_end_is_said(case):
    case.consumer.commit_errors = [KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)]
    case.start()
    case.next(PartitionsAssigned)
    said = case.stop()
    assert not next(event for event in said if isinstance(event, PartitionsReleased)).committed
    assert "without a last commit" in next(event for event in said if isinstance(event, SourceError)).message


def test_commits_go_on_after_the_last_record(case):
    case.start(record(9), end_of(1, 4))
    case.offsets(1)
    case.source.commit({P0: Position(10)}, epoch=1)
    assert case.next(CommitDone) == CommitDone({P0: Position(10)}, None)
    case.stop()


def test_the_driver_hears_of_a_thread_that_fails(case):
    def fail() -> None:
        raise KafkaException(KafkaError(KafkaError._FATAL))

    case.start(fail)
    assert case.next(SourceError).fatal
    case.next(Closed)


def test_nothing_to_read_is_exhausted_at_once(monkeypatch):
    case = Case(monkeypatch, since_ms=1)
    case.start(lambda: None, lambda: case.events.put("played"))
    while case.events.get(timeout=SECONDS) != "played":
        pass
    assert case.source.exhausted
    assert case.source.scope.records == 0
    assert [type(event) for event in case.stop()] == [PartitionsRevoking, PartitionsReleased, Closed]
