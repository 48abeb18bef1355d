from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError

from consumer.delivery.messages import Partition
from consumer.errors import KafkaUnavailableError
from consumer.kafka import faults
from consumer.kafka.faults import Faults

if TYPE_CHECKING:
    from consumer.kafka.events import SourceError


@pytest.fixture
def told() -> list[SourceError]:
    return []


@pytest.fixture
def subject(told) -> Faults:
    return Faults(told.append)


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(faults.time, "monotonic", lambda: now[0])
    return now


def test_a_fault_is_told_once_in_half_a_minute_though_its_words_differ(subject, told, clock):
    for second in range(31):
        clock[0] = 100.0 + second
        subject.kafka(KafkaError(KafkaError._TRANSPORT, f"disconnected after {second} s"))
    assert [error.message for error in told] == ["disconnected after 0 s", "disconnected after 30 s"]


def test_librdkafka_s_count_of_brokers_that_are_down_is_not_repeated(subject, told):
    """It counts while they go: of a cluster of three that is away it may say that none is down."""
    subject.kafka(KafkaError(KafkaError._ALL_BROKERS_DOWN, "0/3 brokers are down"))
    (error,) = told
    assert error.message == "no broker can be reached; check kafka.bootstrap_servers and the network"


def test_a_lost_connection_is_over_when_the_brokers_answer_again(subject, told, clock):
    """On a topic without traffic nothing else says so, and the service would stay "not ready"."""
    asked: list[str] = []
    answers = False

    def ask() -> None:
        asked.append("")
        if not answers:
            raise KafkaUnavailableError("no")

    subject.look_whether_over(100.0, ask)
    subject.kafka(KafkaError(KafkaError._TRANSPORT, "one connection"))
    subject.look_whether_over(100.0, ask)
    assert asked == [], "nothing is lost, nobody is asked"
    subject.kafka(KafkaError(KafkaError._ALL_BROKERS_DOWN, "down"))
    for second in range(25):
        subject.look_whether_over(100.0 + second, ask)
    assert len(asked) == 3, "a broker that is down holds up the thread: not at every turn"
    answers = True
    subject.look_whether_over(140.0, ask)
    subject.look_whether_over(160.0, ask)
    assert len(asked) == 4
    subject.kafka(KafkaError(KafkaError._ALL_BROKERS_DOWN, "down again"))
    assert [type(each).__name__ for each in told] == ["SourceError", "SourceError", "BrokersAnswer", "SourceError"]
    assert told[1].lost


def test_what_a_broker_refuses_is_no_lost_connection(subject, told, clock):
    subject.kafka(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    subject.look_whether_over(100.0, lambda: None)
    assert [error.lost for error in told] == [False]


def test_different_faults_are_told_each(subject, told, clock):
    for topic in ("a", "b", "a"):
        subject.kafka(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"no topic {topic}"))
    assert len(told) == 2
    assert all("kafka.topics" in error.message for error in told)


def test_the_end_of_a_partition_is_no_fault(subject, told):
    subject.kafka(KafkaError(KafkaError._PARTITION_EOF))
    assert told == []


def test_what_is_fatal_is_told_every_time(subject, told, clock):
    for _ in range(2):
        subject.kafka(KafkaError(KafkaError.FENCED_INSTANCE_ID, "fenced", fatal=True))
    subject.fatal(ValueError())
    assert [error.fatal for error in told] == [True, True, True]
    assert "group.instance.id" in told[0].message
    assert "ValueError" in told[2].message


@pytest.mark.parametrize(("policy", "words"), [("halt", "stands still"), ("earliest", "goes on from the earliest")])
def test_an_offset_out_of_range_says_what_is_done_about_it(subject, told, policy, words):
    subject.out_of_range(Partition("events", 3), 1000, policy)
    assert words in told[0].message
    assert "events/3 has no offset 1000" in told[0].message


def test_waiting_and_uncommitted_partitions_are_told(subject, told):
    subject.unavailable(KafkaUnavailableError("the topics' metadata: timed out"))
    subject.release("timed out")
    assert [error.code for error in told] == ["UNAVAILABLE", "RELEASE"]
