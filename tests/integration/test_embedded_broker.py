from __future__ import annotations

import time

import pytest
from confluent_kafka import Consumer, Producer

from consumer.kafka import embedded
from consumer.kafka.embedded import EmbeddedBroker

QUIET = {"log_level": 0}


def partitions_of(bootstrap_servers: str) -> dict[str, int]:
    producer = Producer({"bootstrap.servers": bootstrap_servers, **QUIET})
    return {name: len(topic.partitions) for name, topic in producer.list_topics(timeout=10).topics.items()}


def test_topics_have_the_partitions_asked_for():
    with EmbeddedBroker() as broker:
        broker.create_topic("one", 1)
        broker.create_topic("seven", 7)
        broker.create_topic("seven", 7)
        with pytest.raises(RuntimeError, match="exists with 7 partitions"):
            broker.create_topic("seven", 4)
        assert partitions_of(broker.bootstrap_servers) == {"one": 1, "seven": 7}


def test_a_group_joins_at_once_and_reads_what_was_written():
    with EmbeddedBroker() as broker:
        broker.create_topic("events")
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, **QUIET})
        producer.produce("events", b"value", b"key", headers=[("a", b"1")])
        assert producer.flush(10) == 0
        reader = {"group.id": "group", "auto.offset.reset": "earliest", **QUIET}
        consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, **reader})
        consumer.subscribe(["events"])
        began = time.monotonic()
        message = consumer.poll(10)
        assert time.monotonic() - began < 2.5, "the broker waited for further members"
        consumer.close()
        assert message is not None
        assert (message.key(), message.value(), message.headers()) == (b"key", b"value", [("a", b"1")])


def test_it_has_as_many_brokers_as_asked_for():
    with EmbeddedBroker(brokers=3) as broker:
        assert len(broker.bootstrap_servers.split(",")) == 3
    with pytest.raises(ValueError, match="at least 1"):
        EmbeddedBroker(brokers=0)


def test_a_broker_that_is_down_comes_back_with_its_topics():
    with EmbeddedBroker() as broker:
        broker.create_topic("events", 2)
        broker.set_down()
        with pytest.raises(Exception, match="Failed to get metadata"):
            Producer({"bootstrap.servers": broker.bootstrap_servers, **QUIET}).list_topics(timeout=0.2)
        broker.set_up()
        assert partitions_of(broker.bootstrap_servers) == {"events": 2}


def test_without_the_c_functions_a_producer_carries_it(monkeypatch):
    monkeypatch.setattr(embedded, "_library", lambda: None)
    with EmbeddedBroker() as broker:
        broker.create_topic("events", 4)
        with pytest.raises(RuntimeError, match="topics of 4 partitions only"):
            broker.create_topic("others", 3)
        with pytest.raises(RuntimeError, match="cannot switch"):
            broker.set_down()
        assert partitions_of(broker.bootstrap_servers)["events"] == 4
