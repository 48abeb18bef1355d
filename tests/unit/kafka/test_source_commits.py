from __future__ import annotations

import time

import pytest
from confluent_kafka import KafkaError, TopicPartition

from consumer.delivery.messages import Partition, Position
from consumer.kafka.commits import Commits
from consumer.kafka.events import CommitDone
from tests.unit.kafka.fake_consumer import FakeConsumer

A0 = Partition("a", 0)
POSITIONS = {A0: Position(5, "m")}
OTHERS = {A0: Position(6, "n")}


class Case:
    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.done: list[CommitDone] = []
        self.commits = Commits(self.consumer, self.done.append)  # type: ignore[arg-type] # a fake

    def answered(self, error: int | None = None) -> None:
        offsets = [TopicPartition("a", 0, 5)]
        self.commits.on_commit(None if error is None else KafkaError(error), offsets)


@pytest.fixture
def case() -> Case:
    return Case()


def soon() -> float:
    return time.monotonic() + 0.05


def test_a_commit_is_done_when_the_broker_says_so(case):
    case.commits.request(POSITIONS)
    assert case.consumer.calls == [("commit", True, {A0: 5})]
    assert case.done == []
    case.answered()
    assert [CommitDone(POSITIONS, None)] == case.done


def test_a_refused_commit_carries_its_error(case):
    case.commits.request(POSITIONS)
    case.answered(KafkaError.ILLEGAL_GENERATION)
    assert [done.error is None for done in case.done] == [False]


def test_one_at_a_time(case):
    case.commits.request(POSITIONS)
    case.commits.request(OTHERS)
    assert len(case.consumer.calls) == 1
    assert [done.positions for done in case.done] == [OTHERS]
    assert case.done[0].error is not None
    case.answered()
    assert CommitDone(POSITIONS, None) == case.done[-1]
    case.commits.request(OTHERS)
    assert len(case.consumer.calls) == 2


def test_nothing_to_commit_is_done_at_once(case):
    case.commits.request({})
    assert [CommitDone({}, None)] == case.done
    assert case.consumer.calls == []
    assert case.commits.now({}, soon()) is None


@pytest.mark.parametrize("how", ["answered", "waited for", "started there"])
def test_what_kafka_has_already_is_not_committed_again_while_letting_go(case, how):
    """Between two generations of the group it would refuse what there is no need for."""
    if how == "answered":
        case.commits.request(POSITIONS)
        case.answered()
    elif how == "waited for":
        assert case.commits.now(POSITIONS, soon()) is None
    else:
        case.commits.committed.update(POSITIONS)
    case.consumer.commit_errors = [KafkaError(KafkaError.ILLEGAL_GENERATION)]
    assert case.commits.now(POSITIONS, soon()) is None
    assert case.commits.now(OTHERS, soon()) is not None, "what is new is asked for, and the refusal told"
    assert case.commits.now(OTHERS, soon()) is None, "what was refused is not known to be there"
    assert case.consumer.commits == OTHERS


def test_a_commit_under_way_is_settled_once(case):
    case.commits.request(POSITIONS)
    case.commits.settle(soon())
    assert [CommitDone(POSITIONS, None)] == case.done
    assert case.consumer.commits == POSITIONS
    # The late word on the asynchronous one belongs to nobody, least of all to the next.
    case.commits.request(OTHERS)
    case.answered(KafkaError.ILLEGAL_GENERATION)
    assert len(case.done) == 1
    case.answered()
    assert CommitDone(OTHERS, None) == case.done[-1]


def test_what_passes_is_tried_again(case):
    case.consumer.commit_errors = [KafkaError(KafkaError.NOT_COORDINATOR)]
    assert case.commits.now(POSITIONS, time.monotonic() + 5) is None
    assert case.consumer.commits == POSITIONS


def test_what_does_not_pass_is_not(case):
    case.consumer.commit_errors = [KafkaError(KafkaError.ILLEGAL_GENERATION, "no")] * 2
    assert case.commits.now(POSITIONS, time.monotonic() + 5) == "no"
    assert len(case.consumer.calls) == 1


def test_without_a_coordinator_there_is_no_synchronous_commit_for_it_would_wait_for_ever(case):
    case.consumer.down = True
    began = time.monotonic()
    assert case.commits.now(POSITIONS, soon()) is not None
    assert time.monotonic() - began < 1
    assert case.consumer.calls == []
