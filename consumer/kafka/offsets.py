"""Questions about offsets, each one request a broker and bounded in time: what is committed, what is where.

They may be asked on any thread that nobody else asks the same client on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicPartition

from consumer.delivery.messages import Partition, Position
from consumer.kafka.assignment import to_kafka

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from confluent_kafka import Consumer


def committed(consumer: Consumer, partitions: Iterable[Partition], timeout_seconds: float) -> dict[Partition, Position]:
    """What the client's group has committed, for those partitions that it has.

    Raises:
        KafkaException: no answer in time, or not for each partition.
    """
    asked = to_kafka(partitions)
    if not asked:
        return {}
    answers = _checked(consumer.committed(asked, timeout=timeout_seconds))
    return {Partition(p.topic, p.partition): Position(p.offset, p.metadata or "") for p in answers if p.offset >= 0}


def offsets_at(
    consumer: Consumer, partitions: Collection[Partition], when: int, timeout_seconds: float
) -> dict[Partition, int]:
    """Of each partition the first offset that there is, the next one that will be, or the first at a time.

    Args:
        consumer: the Kafka client.
        partitions: which.
        when: ``OFFSET_BEGINNING``, ``OFFSET_END``, or Unix milliseconds (-1 is answered where nothing is that young).
            Kafka's protocol has the beginning and the end as the times -2 and -1.
        timeout_seconds: of the whole question.

    Raises:
        KafkaException: as `committed`.
    """
    if not partitions:
        return {}
    asked = to_kafka(partitions, dict.fromkeys(partitions, when))
    answers = _checked(consumer.offsets_for_times(asked, timeout=timeout_seconds))
    return {Partition(p.topic, p.partition): p.offset for p in answers}


def _checked(answers: list[TopicPartition]) -> list[TopicPartition]:
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    return answers
