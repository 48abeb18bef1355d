"""What an integration test asks of a broker, the same for librdkafka's mock cluster and for Apache Kafka.

``Broker`` is built on nothing but a bootstrap address: everything is asked over the wire, by clients that are made for
the question and closed with it, so that no answer comes from the service under test.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from tests.canary import watch
from tests.kafka.broker import QUIET, create_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from confluent_kafka import Message

_SECONDS: Final = 30
_COORDINATOR_COMES: Final = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
_Properties = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Record:
    """A record to be written. ``partition`` None: by the key, as Kafka's default partitioner does it."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int | None = None
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as the broker holds it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker, embedded or real.

    Attributes:
        kind: ``embedded`` (librdkafka's mock cluster) or ``real`` (Apache Kafka).
        description: what it is and where it comes from, for people.
    """

    kind: str
    bootstrap_servers: str
    description: str
    _create: Callable[[str, int, Mapping[str, str]], None] | None = field(default=None, repr=False)

    def unique(self, prefix: str) -> str:
        """A name for a topic or group which no other test uses: the real broker outlives a test."""
        return f"{prefix}-{uuid.uuid4().hex[:8]}"

    def create_topic(self, name: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Creates a topic; returns when it can be written to. Settings only on the real one."""
        if self._create is not None:
            self._create(name, partitions, config or {})
        else:
            create_topic(self.bootstrap_servers, name, partitions, config=config)

    def produce(self, topic: str, records: Iterable[Record]) -> None:
        """Writes records, in order within a partition; returns when the broker has acknowledged every one."""
        failed: list[KafkaError] = []

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(error)

        # murmur2, as the Java client: librdkafka's own default spreads the same keys differently.
        producer = Producer(self._client({"linger.ms": 5, "partitioner": "murmur2_random"}))
        for record in records:
            while True:
                try:
                    producer.produce(
                        topic,
                        record.value,
                        record.key,
                        headers=list(record.headers),
                        on_delivery=on_delivery,
                        partition=-1 if record.partition is None else record.partition,
                        timestamp=record.timestamp_ms or 0,  # 0 is librdkafka's "now"
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        left = producer.flush(_SECONDS)
        if failed:
            raise KafkaException(failed[0])
        assert left == 0, f"{left} records were not acknowledged within {_SECONDS} s"

    def consume_all(self, topic: str) -> list[Stored]:
        """Every record that the topic holds now, by partition, then by offset; [] for one that does not exist."""
        partitions = self._partitions(topic)
        if not partitions:
            return []
        consumer = self._consumer(self.unique("reader"), {"enable.partition.eof": True, "fetch.wait.max.ms": 20})
        try:
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
            open_partitions, stored = set(partitions), []
            deadline = time.monotonic() + _SECONDS
            while open_partitions:
                messages = consumer.consume(1000, timeout=0.1)
                if messages:
                    deadline = time.monotonic() + _SECONDS
                assert time.monotonic() < deadline, f"reading {topic} stood still for {_SECONDS} s"
                for message in messages:
                    if (error := message.error()) is None:
                        stored.append(_stored(message))
                        said = [header for header in stored[-1].headers if header[0].startswith("dlq_")]
                        watch("a dead letter", str(said))
                    elif error.code() == KafkaError._PARTITION_EOF:
                        open_partitions.discard(message.partition())
                    else:
                        raise KafkaException(error)
        finally:
            consumer.close()
        return sorted(stored, key=lambda record: (record.partition, record.offset))

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """The committed offset of each partition which has one: the next to be read."""
        return {p.partition: p.offset for p in self._committed(group, topic)}

    def committed_metadata(self, group: str, topic: str) -> dict[int, str]:
        """What was committed beside the offset, for each partition which has one; "" for none."""
        return {p.partition: p.metadata or "" for p in self._committed(group, topic)}

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The offset that each partition's next record will have."""
        consumer = self._consumer(self.unique("reader"))
        try:
            return {
                partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_SECONDS)[1]
                for partition in self._partitions(topic)
            }
        finally:
            consumer.close()

    def lag(self, group: str, topic: str) -> int:
        """Records after the committed offsets, over all partitions; one without a commit counts from 0."""
        committed = self.committed(group, topic)
        return sum(end - committed.get(partition, 0) for partition, end in self.end_offsets(topic).items())

    def _committed(self, group: str, topic: str) -> list[TopicPartition]:
        consumer = self._consumer(group)
        try:
            asked = [TopicPartition(topic, partition) for partition in self._partitions(topic)]
            deadline = time.monotonic() + _SECONDS
            while True:
                try:
                    return [p for p in consumer.committed(asked, timeout=_SECONDS) if p.offset >= 0]
                except KafkaException as error:
                    # A group's first question may come before its coordinator has loaded.
                    if error.args[0].code() not in _COORDINATOR_COMES or time.monotonic() > deadline:
                        raise
        finally:
            consumer.close()

    def _partitions(self, topic: str) -> list[int]:
        consumer = self._consumer(self.unique("reader"))
        try:
            # All topics are asked for: naming one would create it on the embedded broker.
            known = consumer.list_topics(timeout=_SECONDS).topics.get(topic)
        finally:
            consumer.close()
        return sorted(known.partitions) if known is not None else []

    def _consumer(self, group: str, properties: _Properties | None = None) -> Consumer:
        own: _Properties = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "error"}
        return Consumer(self._client({**own, **(properties or {})}))

    def _client(self, properties: _Properties) -> dict[str, str | int | bool]:
        return {"bootstrap.servers": self.bootstrap_servers, **QUIET, **properties}


def _stored(message: Message) -> Stored:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return Stored(
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value(),
        headers=tuple(cast("list[tuple[str, bytes | None]]", message.headers() or [])),
        timestamp_ms=message.timestamp()[1],
    )
