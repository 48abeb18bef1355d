"""What is hard to bring about on a broker: lost partitions, a thread that fails, answers that come too late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from consumer.delivery.messages import Partition, Position
from consumer.kafka import handover, loop
from consumer.kafka.assignment import to_kafka
from consumer.kafka.events import (
    Closed,
    CommitDone,
    CountsChanged,
    Joined,
    Messages,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsReleased,
    PartitionsRevoking,
    SourceError,
)
from consumer.kafka.inbox import CommitCommand, Inbox, PauseCommand, StopCommand, TookCommand
from consumer.kafka.loop import RECORD_BYTES, SourceLoop
from consumer.kafka.properties import SourceConfig
from tests.unit.kafka.fake_consumer import FakeConsumer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

A = [Partition("a", number) for number in range(4)]


class ScriptedConsumer(FakeConsumer):
    """Each poll plays the next step: a callback's doing, or a record."""

    steps: Sequence[Callable[[], Message | None]] = ()
    callbacks: dict[str, Callable[[Any, list[TopicPartition]], None]]
    closed = False

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        self.callbacks = callbacks

    def poll(self, timeout: float) -> Message | None:
        if not self.steps:
            return None
        first, *self.steps = self.steps
        return first()

    def consume(self, count: int, timeout: float) -> list[Message]:
        return []

    def get_watermark_offsets(self, partition: TopicPartition, *, cached: bool) -> tuple[int, int]:
        return (0, 10)

    def close(self) -> None:
        self.closed = True


class Case:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.consumer = ScriptedConsumer(logs={partition: [] for partition in A})
        monkeypatch.setattr(loop, "open_consumer", lambda *_, **__: self.consumer)
        self.events: list[Any] = []
        self.inbox = Inbox()
        config = SourceConfig("broker", "group", ("a",), "earliest", buffer_bytes=2**20, drain_timeout_seconds=0)
        self.loop = SourceLoop(config, self.hear, self.inbox)

    def hear(self, event: Any) -> None:
        self.events.append(event)
        if isinstance(event, PartitionsRevoking):
            event.reply.set(dict.fromkeys(event.partitions, Position(9)))

    def calls(self, name: str, *partitions: Partition) -> Callable[[], None]:
        return lambda: self.consumer.callbacks[name](self.consumer, to_kafka(partitions))

    def run(self, *steps: Callable[[], Message | None], stopping: Callable[[], None] = lambda: None) -> list[Any]:
        """``stopping``: a callback that waits when the partitions have been drained."""
        self.consumer.steps = [*steps, lambda: self.inbox.put(StopCommand()), stopping]
        self.loop.run()
        return self.events

    def heard(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]


@pytest.fixture
def case(monkeypatch) -> Case:
    return Case(monkeypatch)


def record(partition: Partition, offset: int, value: bytes = b"x") -> Callable[[], Message]:
    return lambda: Message(topic=partition.topic, partition=partition.number, offset=offset, value=value)


def nothing() -> None:
    return None


def test_a_life(case):
    case.run(case.calls("on_assign", *A[:2]), record(A[0], 0), case.calls("on_revoke", A[1]), nothing)
    kinds = [type(event) for event in case.events]
    assert [
        Joined,
        PartitionsAssigned,
        Messages,
        PartitionsRevoking,
        PartitionsReleased,
        PartitionsRevoking,
        PartitionsReleased,
        Closed,
    ] == kinds
    assert [event.counts for event in case.heard(PartitionsAssigned)] == [{"a": 4}]
    assert {A[0]: Position(9), A[1]: Position(9)} == case.consumer.commits
    assert case.consumer.closed


def test_topics_that_grow_are_told_of_when_others_are_given_what_grew(case):
    def grow() -> None:
        case.consumer.logs[Partition("a", len(A))] = []
        case.calls("on_assign")()

    def vanish() -> None:
        case.consumer.logs.clear()
        case.calls("on_assign")()

    case.run(case.calls("on_assign", A[0]), nothing, grow, nothing, nothing, vanish, nothing)
    assert [event.counts for event in case.heard(CountsChanged)] == [{"a": 5}], (
        "topics that all are gone are an accident"
    )


@pytest.mark.parametrize("name", ["on_revoke", "on_lost"])
def test_what_the_group_takes_while_it_stops_is_answered_once_and_before_it_closes(case, name):
    def taken() -> None:
        assert not case.consumer.closed
        assert set(case.loop._assignment.held) == {A[0]}, "an answer before the question would be taken for this one"
        case.calls(name, A[0])()

    case.run(case.calls("on_assign", A[0]), nothing, stopping=taken)
    assert case.loop._assignment.held == {}
    assert len(case.heard(PartitionsRevoking)) == len(case.heard(PartitionsReleased)) == 1
    assert case.heard(SourceError, PartitionsLost) == []
    assert case.consumer.closed


def test_lost_partitions_are_told_and_never_committed(case):
    case.run(
        case.calls("on_assign", *A[:2]),
        nothing,
        case.calls("on_lost", *A[:2]),
        lambda: case.inbox.put(CommitCommand({A[0]: Position(5)}, epoch=1)),
        nothing,
    )
    assert [PartitionsLost(A[:2])] == case.heard(PartitionsLost)
    assert case.heard(PartitionsRevoking) == []
    assert [CommitDone({}, None)] == case.heard(CommitDone)
    assert dict.fromkeys(A[:2], Position(0)) == case.consumer.commits


def test_what_is_known_of_commits_ends_with_the_partition(case):
    """Another member has committed meanwhile."""
    case.run(
        case.calls("on_assign", A[0]),
        nothing,
        lambda: case.inbox.put(CommitCommand({A[0]: Position(9)}, epoch=1)),
        nothing,
        case.calls("on_lost", A[0]),
        lambda: case.consumer.commits.update({A[0]: Position(12)}),
        case.calls("on_assign", A[0]),
        nothing,
    )
    assert [event.positions for event in case.heard(PartitionsAssigned)] == [{A[0]: Position(0)}, {A[0]: Position(12)}]
    assert case.consumer.commits == {A[0]: Position(9)}, "the driver's reply, which is new to what was committed last"


def test_partitions_taken_before_they_were_started_are_not_spoken_of(case):
    case.consumer.down = True
    case.run(case.calls("on_assign", *A), nothing, case.calls("on_revoke", *A), nothing)
    assert case.heard(PartitionsAssigned, PartitionsRevoking, PartitionsLost) == []
    assert [event.code for event in case.heard(SourceError)] == ["UNAVAILABLE"]


def test_a_commit_after_the_partition_came_back_is_of_an_earlier_life(case):
    case.run(
        case.calls("on_assign", A[0]),
        nothing,
        case.calls("on_lost", A[0]),
        case.calls("on_assign", A[0]),
        nothing,
        lambda: case.inbox.put(CommitCommand({A[0]: Position(5)}, epoch=1)),
        nothing,
    )
    assert [event.epoch for event in case.heard(PartitionsAssigned)] == [1, 2]
    assert [CommitDone({}, None)] == case.heard(CommitDone)


def test_a_start_that_the_client_refuses_is_tried_again(case, monkeypatch):
    refusals = [KafkaException(KafkaError(KafkaError._STATE, "lost"))]
    start = loop.Assignment.start

    def refuse_once(self: Any, offsets: Any) -> None:
        if refusals:
            raise refusals.pop()
        start(self, offsets)

    monkeypatch.setattr(loop.Assignment, "start", refuse_once)
    monkeypatch.setattr(loop, "_BACKOFF_SECONDS", 0.0)
    case.loop._backoff = 0.0
    case.run(case.calls("on_assign", A[0]), nothing, nothing)
    told = case.heard(PartitionsAssigned, PartitionsLost)
    assert [PartitionsAssigned, PartitionsLost, PartitionsAssigned] == [type(event) for event in told]


def test_errors_in_place_of_records_are_told_and_the_records_beside_them_kept(case):
    def expelled() -> Message:
        return Message(error=KafkaError(KafkaError._MAX_POLL_EXCEEDED, "expelled"))

    case.run(case.calls("on_assign", A[0]), nothing, expelled, record(A[0], 0))
    assert [event.code for event in case.heard(SourceError)] == ["_MAX_POLL_EXCEEDED"]
    assert [len(event.batch) for event in case.heard(Messages)] == [1]


def test_a_thread_that_fails_says_so_and_ends(case):
    def fail() -> None:
        raise RuntimeError("broken")

    case.run(case.calls("on_assign", A[0]), nothing, fail)
    assert [event.fatal for event in case.heard(SourceError)] == [True]
    assert isinstance(case.events[-1], Closed)
    assert case.consumer.closed


def test_a_callback_that_fails_does_not_take_the_thread_with_it(case, monkeypatch):
    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(loop.Assignment, "hold", fail)
    case.run(case.calls("on_assign", A[0]), nothing)
    assert [event.fatal for event in case.heard(SourceError)] == [True]
    assert isinstance(case.events[-1], Closed)


def test_what_is_handed_over_counts_until_it_is_taken(case):
    case.run(case.calls("on_assign", A[0]), nothing, record(A[0], 0, b"x" * 200_000))
    (handed,) = case.heard(Messages)
    assert handed.size == 200_000 + RECORD_BYTES
    assert case.loop._hand_over.behind(), "an eighth of the buffer is 131,072 bytes"
    case.loop._obey(TookCommand(handed.size))
    assert not case.loop._hand_over.behind()


def test_while_all_is_to_pause_the_client_is_told_only_when_it_has_to_be_polled(case, monkeypatch):
    """A pause discards what the client has fetched, and a full buffer soon has room again."""
    monkeypatch.setattr(handover, "PATIENCE_SECONDS", 0.01)
    case.loop._on_assign(case.consumer, to_kafka(A[:2]))
    case.loop._turn(100.0)
    case.consumer.steps = [record(A[0], 0), record(A[1], 0)]
    case.loop._turn(101.0)
    case.loop._turn(101.0)

    def told(at: float, *paused: Partition) -> list[tuple[str, set[Partition]]]:
        case.consumer.calls.clear()
        case.loop._obey(PauseCommand(frozenset(paused)))
        case.loop._turn(at)
        return [call for call in case.consumer.calls if call[0] in {"pause", "resume"}]

    assert told(102.0, *A[:2]) == []
    assert told(102.005) == [], "there was room before it had to be polled"
    assert told(103.0, *A[:2]) == []
    assert told(103.02, *A[:2]) == [("pause", set(A[:2]))]
    assert told(104.0, A[0]) == [("resume", {A[1]})]
    assert told(105.0, A[1]) == [("pause", {A[1]}), ("resume", {A[0]})], "one alone is paused at once"


def test_the_commit_under_way_is_settled_before_the_driver_is_asked_to_let_go(case):
    case.run(
        case.calls("on_assign", A[0]),
        nothing,
        lambda: case.inbox.put(CommitCommand({A[0]: Position(5)}, epoch=1)),
        nothing,
        case.calls("on_revoke", A[0]),
    )
    told = case.heard(CommitDone, PartitionsRevoking)
    assert [CommitDone({A[0]: Position(5)}, None), PartitionsRevoking] == [told[0], type(told[1])]


def test_only_the_reply_that_was_asked_for_counts_and_only_for_what_is_given_up(case):
    stale: list[PartitionsRevoking] = []

    def hear(event: Any) -> None:
        case.events.append(event)
        if isinstance(event, PartitionsRevoking):
            if stale:
                stale[0].reply.set({A[1]: Position(1, "too late")})
                event.reply.set({A[1]: Position(7), A[3]: Position(8, "not asked about")})
            else:
                event.reply.set({A[0]: Position(6)})
            stale.append(event)

    case.loop._emit = hear
    case.run(
        case.calls("on_assign", A[0], A[1], A[3]),
        nothing,
        case.calls("on_revoke", A[0]),
        case.calls("on_revoke", A[1]),
        case.calls("on_lost", A[3]),
    )
    assert {A[0]: Position(6), A[1]: Position(7), A[3]: Position(0)} == case.consumer.commits
