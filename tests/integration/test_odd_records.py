"""Records that producers do write, and that nothing may stumble over on its way through the whole service."""

from __future__ import annotations

import orjson
import pytest
from confluent_kafka import Producer

from consumer.kafka.embedded import EmbeddedBroker
from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import RunningService, identify, settings, wait_for
from tests.kafka.client import Broker

MICROSECONDS = 1_700_000_000_000_000
"""As some producers write record times: in milliseconds that is the year 55840."""


@pytest.fixture
def embedded():
    with EmbeddedBroker() as running:
        running.create_topic("events", 1)
        running.create_topic("dead-letters", 1)
        yield Broker("embedded", running.bootstrap_servers, "")


@pytest.fixture
def sandbox():
    with ThreadedSandbox(rate_per_second=None, max_parallel=None) as running:
        yield running


def produce(broker: Broker, values: list[bytes], timestamp: int = 0) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for value in values:
        producer.produce("events", value, timestamp=timestamp)
    assert producer.flush(10) == 0


def test_a_record_time_beyond_all_calendars_keeps_nobody_from_work(embedded, sandbox, tmp_path):
    (tmp_path / "url").write_text(sandbox.url)
    good = [orjson.dumps(identify(n, f"user{n}")) for n in range(5)]
    produce(embedded, [b"not json", *good], MICROSECONDS)
    with RunningService(settings(embedded, "events", "dead-letters", tmp_path / "url"), tmp_path) as service:
        wait_for(lambda: sandbox.stats()["delivered"] == 5, "all but one are delivered")
        (letter,) = wait_for(lambda: service.logged("dead_lettered"), "one is dead-lettered")
        assert letter["reason"] == "invalid_json"
        assert service.stop() == 0


def test_half_a_character_that_is_refused_is_a_dead_letter_like_any_other(embedded, sandbox, tmp_path):
    """JavaScript makes them by cutting an emoji in two."""
    event = identify(1, "user1")
    event["traits"]["name"] = "Bo HALF"
    (tmp_path / "url").write_text(sandbox.url)
    produce(embedded, [orjson.dumps(event).replace(b"HALF", rb"\ud83d"), orjson.dumps(identify(2, "user2"))])
    sandbox.set_faults({"status": 400, "match": {"user_id": "user1"}})
    with RunningService(settings(embedded, "events", "dead-letters", tmp_path / "url"), tmp_path) as service:
        wait_for(lambda: sandbox.stats()["delivered"] == 1, "the other is delivered")
        wait_for(lambda: service.logged("dead_lettered"), "it is dead-lettered")
        (failed,) = service.logged("attempt_failed")
        assert failed["message_id"]
        assert service.stop() == 0
        assert service.noise == []
