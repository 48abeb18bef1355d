"""Commits: one asynchronous one at a time while reading, bounded synchronous ones while letting go.

With the coordinator out of reach, librdkafka keeps an asynchronous commit and sends it later, and a synchronous one
waits for ever. So a synchronous commit is preceded by a question to the coordinator that has a time-out.

Lives on the Kafka thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from consumer.kafka.assignment import to_kafka
from consumer.kafka.events import CommitDone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from confluent_kafka import Consumer

    from consumer.delivery.messages import Partition, Position

_RETRY_SECONDS: Final = 0.1

TRANSIENT: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._TIMED_OUT,  # noqa: SLF001 - librdkafka's own errors are public under these names
        KafkaError._TRANSPORT,  # noqa: SLF001 - as above
        KafkaError._WAIT_COORD,  # noqa: SLF001 - as above
    }
)
"""What passes by itself: the coordinator moves or loads its log, the group is being balanced, an answer was lost."""


class Commits:
    """Commits positions and reports how it went.

    Args:
        consumer: the Kafka client.
        done: takes each `CommitDone`.

    Attributes:
        committed: what Kafka has of each partition, as far as known here: where it was started, what was committed
            since. Whoever starts and gives up partitions keeps it.
    """

    def __init__(self, consumer: Consumer, done: Callable[[CommitDone], None]) -> None:
        self._consumer = consumer
        self._done = done
        self._under_way: Mapping[Partition, Position] | None = None
        self._settled = 0
        self.committed: dict[Partition, Position] = {}

    def request(self, positions: Mapping[Partition, Position]) -> None:
        """Commit these, and report when it is done; refused while another is under way."""
        if self._under_way is not None:
            self._done(CommitDone(positions, "another commit is under way"))
        elif not positions:
            self._done(CommitDone(positions, None))
        else:
            self._under_way = positions
            try:
                self._consumer.commit(offsets=_offsets(positions), asynchronous=True)
            except KafkaException as error:
                self._finish(error.args[0].str())

    def on_commit(self, error: KafkaError | None, offsets: Sequence[TopicPartition]) -> None:
        """The client's callback: the asynchronous commit has ended."""
        if self._settled:
            self._settled -= 1
            return
        failed = error or next((p.error for p in offsets if p.error is not None), None)
        self._finish(None if failed is None else failed.str())

    def settle(self, deadline: float) -> None:
        """Bring the commit under way to an end without the callback, which is not called inside another."""
        if self._under_way is not None:
            error = self.now(self._under_way, deadline)
            self._settled += 1
            self._finish(error)

    def now(self, positions: Mapping[Partition, Position], deadline: float) -> str | None:
        """Commit and wait; what is transient is tried again until the deadline (monotonic seconds).

        What Kafka has already is not asked for again: between two generations of the group it would refuse.

        Returns:
            Kafka's error, or None: committed.
        """
        positions = {p: position for p, position in positions.items() if self.committed.get(p) != position}
        if not positions:
            return None
        offsets = _offsets(positions)
        while True:
            try:
                self._consumer.committed(to_kafka(positions), timeout=max(deadline - time.monotonic(), 0.1))
                failed = [p.error for p in self._consumer.commit(offsets=offsets, asynchronous=False) if p.error]
            except KafkaException as raised:
                failed = [raised.args[0]]
            if not failed:
                self.committed.update(positions)
                return None
            error = failed[0]
            if error.code() not in TRANSIENT or time.monotonic() + _RETRY_SECONDS >= deadline:
                return error.str()
            time.sleep(_RETRY_SECONDS)

    def _finish(self, error: str | None) -> None:
        positions, self._under_way = self._under_way, None
        if positions is not None:
            if error is None:
                self.committed.update(positions)
            self._done(CommitDone(positions, error))


def _offsets(positions: Mapping[Partition, Position]) -> list[TopicPartition]:
    return [
        TopicPartition(partition.topic, partition.number, position.offset, metadata=position.metadata)
        for partition, position in positions.items()
    ]
