from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.kafka.properties import (
    SourceConfig,
    consumer_properties,
    owned_properties,
    producer_properties,
    refused,
)


def config(**more: Any) -> SourceConfig:
    return SourceConfig("broker:9092", "group", ("events",), "earliest", **more)


def test_nothing_is_committed_or_skipped_behind_our_back():
    properties = consumer_properties(config())
    assert {
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "cooperative-sticky",
        "group.id": "group",
        "bootstrap.servers": "broker:9092",
    }.items() <= properties.items()


@pytest.mark.parametrize("buffer_bytes", [2**20, 2**25, 2**33])
def test_librdkafka_may_keep_a_quarter(buffer_bytes):
    properties = consumer_properties(config(buffer_bytes=buffer_bytes))
    assert buffer_bytes // 4096 == properties["queued.max.messages.kbytes"]
    assert properties["max.partition.fetch.bytes"] <= buffer_bytes // 4


@pytest.mark.parametrize("name", ["enable.auto.commit", "group.id", "auto.offset.reset", "bootstrap.servers", "acks"])
def test_owned_properties_are_refused_by_name(name):
    assert name in owned_properties()
    with pytest.raises(ValueError, match=name):
        config(properties={name: "x"})


def test_others_come_through_and_win_over_defaults():
    properties = consumer_properties(config(properties={"fetch.wait.max.ms": "7", "sasl.username": "me"}))
    assert (properties["fetch.wait.max.ms"], properties["sasl.username"]) == ("7", "me")


@pytest.mark.parametrize(
    ("properties", "cooperative"),
    [
        ({}, True),
        ({"partition.assignment.strategy": "cooperative-sticky"}, True),
        ({"partition.assignment.strategy": "range,roundrobin"}, False),
        ({"group.protocol": "consumer"}, True),
        ({"group.protocol": "classic", "partition.assignment.strategy": "range"}, False),
    ],
)
def test_which_protocols_are_cooperative(properties, cooperative):
    assert cooperative == config(properties=properties).cooperative


def test_a_broker_balanced_group_has_no_strategy_of_its_own():
    """Librdkafka refuses the property together with group.protocol=consumer."""
    assert "partition.assignment.strategy" not in consumer_properties(config(properties={"group.protocol": "consumer"}))


def test_a_drain_leaves_half_of_the_time_after_which_the_group_expels():
    assert config().drain_seconds == 20.0
    assert config(properties={"max.poll.interval.ms": "6000"}).drain_seconds == 3.0


def test_a_time_needs_a_zone_and_there_must_be_topics():
    with pytest.raises(ValueError, match="zone"):
        SourceConfig("b", "g", ("t",), datetime(2026, 1, 1))  # noqa: DTZ001 - what is tested
    with pytest.raises(ValueError, match="topics"):
        SourceConfig("b", "g", (), datetime(2026, 1, 1, tzinfo=UTC))


def test_the_configuration_shows_no_property():
    assert "s3cr3t" not in repr(config(properties={"sasl.password": "s3cr3t"}))


def test_a_dead_letter_is_acknowledged_by_all_and_written_once():
    properties = producer_properties("broker:9092", {"sasl.username": "me", "session.timeout.ms": "1"})
    assert {"enable.idempotence": True, "acks": "all", "sasl.username": "me"}.items() <= properties.items()
    assert "session.timeout.ms" not in properties


def test_no_value_of_a_property_shows_in_an_error():
    values = {"a": "hunter2", "b": "hunter2-and-more", "c": ""}
    error = KafkaException(KafkaError(KafkaError._INVALID_ARG, 'bad "hunter2-and-more" or "hunter2"'))
    assert 'librdkafka refuses them: bad "…" or "…"' in str(refused(error, values))


def test_a_secret_is_masked_wherever_it_stands():
    error = KafkaException(KafkaError(KafkaError._INVALID_ARG, "hunter2. or xhunter2y, user:hunter2@host"))
    assert "hunter2" not in str(refused(error, {"sasl.password": "hunter2"}))


def test_a_short_value_takes_no_name_apart():
    error = KafkaException(KafkaError(KafkaError._INVALID_ARG, 'Invalid value "a" for "ssl.ca.location": a'))
    assert 'Invalid value "…" for "ssl.ca.location": …' in str(refused(error, {"ssl.ca.location": "a"}))
