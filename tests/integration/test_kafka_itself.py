"""What topics can be, on Apache Kafka: transactional, compressed, compacted, new; read to the end and committed there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from consumer.delivery.messages import Partition
from consumer.kafka.events import PartitionsAssigned
from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import RunningService, identify, records, settings, wait_for
from tests.integration.kafka_driver import Driver
from tests.kafka.broker import QUIET
from tests.kafka.client import Record

if TYPE_CHECKING:
    from tests.kafka.client import Broker

pytestmark = pytest.mark.real_kafka


def transactional(broker: Broker) -> Producer:
    own = {"bootstrap.servers": broker.bootstrap_servers, "transactional.id": broker.unique("transaction"), **QUIET}
    producer = Producer(own)
    producer.init_transactions(30)
    return producer


@pytest.mark.parametrize("isolation", ["", "read_uncommitted"])
def test_what_a_transaction_takes_back_never_was(real_kafka, isolation):
    topic = real_kafka.unique("transactional")
    real_kafka.create_topic(topic, 1)
    producer = transactional(real_kafka)
    for number, ends in enumerate(
        (producer.commit_transaction, producer.abort_transaction, producer.commit_transaction)
    ):
        producer.begin_transaction()
        for index in range(5):
            producer.produce(topic, f"{number}-{index}".encode(), partition=0)
        producer.flush(30)
        ends(30)
    properties = {"isolation.level": isolation} if isolation else {}
    wanted = [f"{number}-{index}".encode() for number in ((0, 1, 2) if isolation else (0, 2)) for index in range(5)]
    with Driver(real_kafka, (topic,), group=real_kafka.unique("group"), properties=properties) as driver:
        driver.wait(lambda: driver.count() == len(wanted))
        assert driver.values == wanted


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_records_with_headers(real_kafka, compression):
    topic = real_kafka.unique("compressed")
    real_kafka.create_topic(topic, 1)
    client = {"bootstrap.servers": real_kafka.bootstrap_servers, "compression.type": compression, **QUIET}
    producer = Producer({**client, "linger.ms": 50})
    for number in range(200):
        producer.produce(topic, b"%d" % number * 200, headers=[("n", b"%d" % number)])
    assert producer.flush(30) == 0
    with Driver(real_kafka, (topic,), group=real_kafka.unique("group")) as driver:
        driver.wait(lambda: driver.count() == 200)
        assert driver.values == [b"%d" % number * 200 for number in range(200)]
        assert driver.records == {Partition(topic, 0): list(range(200))}


def test_a_topic_that_a_pattern_matches_later_and_partitions_that_are_added(real_kafka):
    prefix = real_kafka.unique("pattern")
    real_kafka.create_topic(f"{prefix}-one", 1)
    with Driver(real_kafka, (f"^{prefix}-.*",), group=real_kafka.unique("group")) as driver:
        driver.wait_for(PartitionsAssigned)
        real_kafka.produce(f"{prefix}-one", [Record(b"1")])
        driver.wait(lambda: driver.count() == 1)
        real_kafka.create_topic(f"{prefix}-two", 2)
        real_kafka.produce(f"{prefix}-two", [Record(b"2", partition=1)])
        driver.wait(lambda: driver.count() == 2)
        assert set(driver.positions) == {
            Partition(f"{prefix}-one", 0),
            *(Partition(f"{prefix}-two", n) for n in (0, 1)),
        }


def test_gaps_of_compaction_and_of_transactions_are_passed_and_committed(real_kafka, tmp_path):
    """The group's lag comes to what a transaction's marker alone makes of it."""
    topic, dead_letters = real_kafka.unique("compacted"), real_kafka.unique("dead-letters")
    at_once = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001"}
    real_kafka.create_topic(topic, 1, {**at_once, "delete.retention.ms": "100", "min.compaction.lag.ms": "0"})
    events = [identify(n, f"user{n % 10}") for n in range(500)]
    real_kafka.produce(topic, records(events))
    deadline = time.monotonic() + 60
    while (kept := len(real_kafka.consume_all(topic))) >= 500 and time.monotonic() < deadline:
        real_kafka.produce(topic, [Record(None, b"tombstone")])  # rolls the segment, without which nothing is compacted
    producer = transactional(real_kafka)
    producer.begin_transaction()
    producer.produce(topic, records([identify(500, "last")])[0].value, b"last")
    producer.commit_transaction(30)
    (tmp_path / "url").write_text("unused")
    with ThreadedSandbox(rate_per_second=None, max_parallel=None) as sandbox:
        (tmp_path / "url").write_text(sandbox.url)
        config = settings(real_kafka, topic, dead_letters, tmp_path / "url")
        with RunningService(config, tmp_path) as service:
            group = config["kafka"]["group_id"]
            wait_for(lambda: real_kafka.lag(group, topic) <= 1, "all but the marker is committed")
            assert service.get("/readyz")[0] == 200
        users = {delivery["body"]["user_id"]: delivery["body"]["message_id"] for delivery in sandbox.deliveries()}
    assert kept < 500, "the broker has compacted"
    assert users == {**{f"user{n}": f"message-{490 + n}" for n in range(10)}, "last": "message-500"}
