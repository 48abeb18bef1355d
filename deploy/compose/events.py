"""Produces the sample events to a topic, again and again, keyed as producers of Segment events key them.

Part of deploy/compose.yaml; it runs in the service's own image, which has the events and a Kafka client.
"""
# ruff: noqa: INP001 - a script; deploy is no package

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer.sandbox.samples import UNDECODABLE, load_samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

PARTITIONS = 4


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the topic if it is not there, then produce at a steady rate until SIGTERM, or ``--rounds`` times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--per-second", type=float, required=True)
    parser.add_argument("--rounds", type=int, help="how often the whole stream is produced; for ever without")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)  # as PID 1 it would not be ended otherwise
    _create(options.bootstrap_servers, options.topic)
    producer = Producer({"bootstrap.servers": options.bootstrap_servers, "partitioner": "murmur2_random"})
    samples = [*load_samples(), *UNDECODABLE]
    try:
        for _ in itertools.count() if options.rounds is None else range(options.rounds):
            for sample in samples:
                producer.produce(options.topic, key=sample.key, value=sample.value)
                producer.poll(0)
                time.sleep(1 / options.per_second)
    finally:
        producer.flush(10)


def _create(servers: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers})  # held: what it is asked ends with it
    for future in admin.create_topics([NewTopic(topic, PARTITIONS)]).values():
        try:
            future.result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
