"""A driver for `KafkaSource` that does what it is told: takes or holds back, answers revokes or leaves them."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from consumer.delivery.messages import Partition, Position
from consumer.kafka.events import Closed, Messages, PartitionsAssigned, PartitionsLost, PartitionsRevoking
from consumer.kafka.properties import SourceConfig
from consumer.kafka.source import KafkaSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self

    from confluent_kafka import Message

    from consumer.kafka.events import SourceEvent
    from tests.kafka.client import Broker

E = TypeVar("E")
SECONDS = 30.0


class Driver:
    """Runs one source and keeps everything it said.

    Attributes:
        events: all but `Messages`.
        records: offsets, by partition, in the order of their arrival.
        positions: of the partitions held; set by the assignment, moved by records unless ``held_back``.
        not_taken: sizes handed over and not given back.
    """

    def __init__(
        self,
        broker: Broker,
        topics: tuple[str, ...],
        *,
        group: str,
        start_from: Any = "earliest",
        take: bool = True,
        reply: bool = True,
        properties: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        # The embedded broker ends a rebalance when the session of whoever has not joined anew times out.
        quick = {"heartbeat.interval.ms": "300", "session.timeout.ms": "2000" if broker.kind == "embedded" else "6000"}
        given = dict(properties or {})
        if given.get("group.protocol") != "consumer":
            given = quick | given
        config = SourceConfig(
            bootstrap_servers=broker.bootstrap_servers,
            group_id=group,
            topics=topics,
            start_from=start_from,
            properties={"topic.metadata.refresh.interval.ms": "500", "log_level": "0", **given},
            **settings,
        )
        self._queue: SimpleQueue[SourceEvent] = SimpleQueue()
        self.source = KafkaSource(config, self._queue.put)
        self.take = take
        self.reply = reply
        self.events: list[SourceEvent] = []
        self.records: dict[Partition, list[int]] = {}
        self.values: list[bytes | None] = []
        self.positions: dict[Partition, Position] = {}
        self.not_taken: list[int] = []
        self.epoch = 0

    def __enter__(self) -> Self:
        self.source.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not any(isinstance(event, Closed) for event in self.events):
            self.stop()
        assert self.source.join(SECONDS)

    def stop(self) -> None:
        self.source.stop()
        self.wait_for(Closed)

    def wait(self, until: Callable[[], object]) -> None:
        """Take in events until something holds; a test's only way to wait."""
        deadline = time.monotonic() + SECONDS
        while not until():
            assert time.monotonic() < deadline, f"waited {SECONDS} s in vain; heard {self.events[-10:]}"
            self.step(0.05)

    def wait_for(self, kind: type[E], matching: Callable[[E], object] = lambda _: True) -> E:
        """Wait for the next event of a kind, from now on."""
        known = len(self.events)
        found: list[E] = []

        def heard() -> bool:
            found[:] = [e for e in self.events[known:] if isinstance(e, kind) and matching(e)]
            return bool(found)

        self.wait(heard)
        return found[0]

    def step(self, timeout: float) -> None:
        """Take in one event, if there is one in time."""
        try:
            event = self._queue.get(timeout=timeout)
        except Empty:
            return
        if isinstance(event, Messages):
            self._on_messages(event)
            return
        self.events.append(event)
        if isinstance(event, PartitionsAssigned):
            self.epoch = event.epoch
            self.positions |= event.positions
        elif isinstance(event, PartitionsLost):
            for partition in event.partitions:
                self.positions.pop(partition, None)
        elif isinstance(event, PartitionsRevoking):
            released = {partition: self.positions.pop(partition) for partition in event.partitions}
            if self.reply:
                event.reply.set(released)

    def take_all(self) -> None:
        """Give back everything that was held back, and hold back no more."""
        self.take = True
        for size in self.not_taken:
            self.source.took(size)
        self.not_taken.clear()

    def commit(self, positions: Mapping[Partition, Position], *, epoch: int | None = None) -> None:
        self.source.commit(positions, epoch=self.epoch if epoch is None else epoch)

    def count(self) -> int:
        return sum(map(len, self.records.values()))

    def _on_messages(self, event: Messages) -> None:
        for message in event.batch:
            self._on_message(message)
        if self.take:
            self.source.took(event.size)
        else:
            self.not_taken.append(event.size)

    def _on_message(self, message: Message) -> None:
        partition = Partition(str(message.topic()), int(message.partition() or 0))
        offset = int(message.offset() or 0)
        assert partition in self.positions, "a record of a partition that was not assigned"
        self.records.setdefault(partition, []).append(offset)
        self.values.append(message.value())
        self.positions[partition] = Position(offset + 1, self.positions[partition].metadata)
