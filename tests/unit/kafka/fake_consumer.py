"""A Kafka client in memory: what the group has committed, what the topics hold, and what was asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from consumer.delivery.messages import Partition, Position

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class FakeConsumer:
    """Implements what `consumer.kafka` calls of a Consumer.

    Attributes:
        commits: what the group has committed.
        logs: each partition's records, as the times of their writing; the list's index is the offset.
        lows: first offsets that are still there, where it is not 0.
        calls: what was asked, in order.
        commit_errors: what the next synchronous commits raise.
    """

    commits: dict[Partition, Position] = field(default_factory=dict)
    logs: dict[Partition, list[int]] = field(default_factory=dict)
    lows: dict[Partition, int] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    commit_errors: list[KafkaError] = field(default_factory=list)
    positions: dict[Partition, int] = field(default_factory=dict)
    before_times: Callable[[], None] = lambda: None
    down: bool = False

    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        assert timeout > 0
        self._answer()
        result = []
        for p in partitions:
            at = self.commits.get(Partition(p.topic, p.partition))
            result.append(
                TopicPartition(p.topic, p.partition, at.offset if at else -1001, metadata=at.metadata if at else "")
            )
        return result

    def commit(self, offsets: list[TopicPartition], *, asynchronous: bool) -> list[TopicPartition] | None:
        self.calls.append(("commit", asynchronous, {Partition(o.topic, o.partition): o.offset for o in offsets}))
        if asynchronous:
            return None
        if self.commit_errors:
            raise KafkaException(self.commit_errors.pop(0))
        for o in offsets:
            self.commits[Partition(o.topic, o.partition)] = Position(o.offset, o.metadata or "")
        return offsets

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        assert timeout > 0
        self._answer()
        self.before_times()
        return [
            TopicPartition(p.topic, p.partition, self._offset(Partition(p.topic, p.partition), p.offset))
            for p in partitions
        ]

    def list_topics(self, timeout: float = -1) -> Any:
        assert timeout > 0
        self._answer()
        topics: dict[str, Any] = {}
        for topic, number in self.logs:
            topics.setdefault(topic, SimpleNamespace(partitions={})).partitions[number] = None
        return SimpleNamespace(topics=topics)

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [
            TopicPartition(p.topic, p.partition, self.positions.get(Partition(p.topic, p.partition), -1001))
            for p in partitions
        ]

    def seek(self, partition: TopicPartition) -> None:
        sought = Partition(partition.topic, partition.partition)
        self.calls.append(("seek", {sought: partition.offset}))
        self.positions.pop(sought, None)

    def __getattr__(self, name: str) -> Callable[[list[TopicPartition]], None]:
        if name not in {"assign", "incremental_assign", "incremental_unassign", "pause", "resume"}:
            raise AttributeError(name)
        return lambda partitions: self.calls.append(
            (name, {Partition(p.topic, p.partition): p.offset for p in partitions})
            if "assign" in name and "un" not in name
            else (name, {Partition(p.topic, p.partition) for p in partitions})
        )

    def unassign(self) -> None:
        self.calls.append(("unassign",))

    def _offset(self, partition: Partition, when: int) -> int:
        log = self.logs.get(partition, [])
        if when == -1:
            return len(log)
        low = self.lows.get(partition, 0)
        if when == -2:
            return low
        return next((offset for offset, at in enumerate(log) if offset >= low and at >= when), -1)

    def _answer(self) -> None:
        if self.down:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
