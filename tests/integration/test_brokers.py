"""What the integration suite relies on, on both brokers: otherwise its counts would say nothing about the service."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.kafka.client import Broker, Record, Stored


def test_records_come_back_as_they_were_written(broker: Broker) -> None:
    topic = broker.unique("events")
    broker.create_topic(topic, 4)
    records = [
        Record(b'{"n":1}', b"user-1", (("a", b"1"), ("a", b"2"), ("none", None)), 0, 1_700_000_000_000),
        Record(None, b"user-1", (), 0, 1_700_000_000_001),
        Record(b"", None, (), 3, 1_700_000_000_002),
    ]
    broker.produce(topic, records)
    expected = [
        Stored(0, 0, b"user-1", b'{"n":1}', (("a", b"1"), ("a", b"2"), ("none", None)), 1_700_000_000_000),
        Stored(0, 1, b"user-1", None, (), 1_700_000_000_001),
        Stored(3, 0, None, b"", (), 1_700_000_000_002),
    ]
    assert expected == broker.consume_all(topic)
    assert broker.end_offsets(topic) == {0: 2, 1: 0, 2: 0, 3: 1}


def test_a_key_stays_in_one_partition(broker: Broker) -> None:
    topic = broker.unique("events")
    broker.create_topic(topic, 4)
    broker.produce(topic, (Record(str(n).encode(), f"user-{n % 10}".encode()) for n in range(200)))
    stored = broker.consume_all(topic)
    assert len(stored) == 200
    assert len({(record.key, record.partition) for record in stored}) == 10
    assert len({record.partition for record in stored}) > 1


def test_commits_are_seen_with_their_metadata(broker: Broker) -> None:
    topic, group = broker.unique("events"), broker.unique("group")
    broker.create_topic(topic, 4)
    broker.produce(topic, [Record(b"x", partition=1)] * 5)
    assert broker.committed(group, topic) == {}
    assert broker.lag(group, topic) == 5
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": group, "log_level": 0})
    consumer.commit(offsets=[TopicPartition(topic, 1, 3, metadata="map")], asynchronous=False)
    consumer.close()
    assert broker.committed(group, topic) == {1: 3}
    assert broker.committed_metadata(group, topic) == {1: "map"}
    assert broker.lag(group, topic) == 2


def test_a_topic_that_is_not_there_is_not_made_by_looking(broker: Broker) -> None:
    topic = broker.unique("missing")
    assert broker.consume_all(topic) == []
    assert broker.end_offsets(topic) == {}
    assert broker.committed(broker.unique("group"), topic) == {}


def test_the_real_broker_takes_topic_settings(real_kafka: Broker) -> None:
    topic = real_kafka.unique("large")
    real_kafka.create_topic(topic, 1, {"max.message.bytes": str(4 * 1024 * 1024)})
    with pytest.raises(Exception, match="MSG_SIZE_TOO_LARGE"):
        real_kafka.produce(topic, [Record(b"x" * 2 * 1024 * 1024)])
