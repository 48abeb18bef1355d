"""What is asked now and then about the topics: how many partitions they have, and where they end.

Lives on the Kafka thread; ``ends`` may be read from any.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from confluent_kafka import OFFSET_END, KafkaException

from consumer.delivery.messages import Partition
from consumer.errors import KafkaUnavailableError
from consumer.kafka.assignment import to_kafka

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Consumer

    from consumer.kafka.assignment import Assignment
    from consumer.kafka.topics import Subscription

_ENDS_SECONDS: Final = 5.0
_COUNTS_SECONDS: Final = 60.0
_TIMEOUT_SECONDS: Final = 2.0


class TopicWatch:
    """Partition counts and end offsets, as fresh as they need to be.

    Attributes:
        counts: partitions of each subscribed topic that exists, as last heard.
        ends: the offset that each started partition's next record will have, as last heard: lag's upper end.
    """

    def __init__(self, consumer: Consumer, subscription: Subscription) -> None:
        self._consumer = consumer
        self._subscription = subscription
        self._ends_at = 0.0
        self._counts_at = 0.0
        self.counts: Mapping[str, int] = {}
        self.ends: Mapping[Partition, int] = {}

    def refresh_counts(self) -> None:
        """Ask for the topics.

        Raises:
            KafkaUnavailableError: the broker did not answer in time.
        """
        # All topics are asked for: asking for one by name makes it, on brokers that make topics by themselves.
        try:
            metadata = self._consumer.list_topics(timeout=_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise KafkaUnavailableError(f"the topics' metadata: {error.args[0].str()}") from None
        self.counts = self._subscription.partitions(metadata)

    def look_soon(self) -> None:
        """Have the ends looked for at the next `refresh`: there are new partitions."""
        self._ends_at = 0.0

    def count_soon(self) -> None:
        """Have the topics asked for at the next `refresh`: they may have grown."""
        self._counts_at = 0.0

    def refresh(self, now: float, assignment: Assignment) -> None:
        """Ask again for what is due; what is not answered keeps its last value."""
        if assignment.held and now >= self._counts_at:
            self._counts_at = now + _COUNTS_SECONDS
            with suppress(KafkaUnavailableError):
                self.refresh_counts()
        if now >= self._ends_at:
            self._ends_at = now + _ENDS_SECONDS
            self._refresh_ends(now, assignment)

    def _refresh_ends(self, now: float, assignment: Assignment) -> None:
        ends: dict[Partition, int] = {}
        unknown: list[Partition] = []
        for partition, at in zip(assignment.started, to_kafka(assignment.started), strict=True):
            end = -1
            with suppress(KafkaException):
                _, end = self._consumer.get_watermark_offsets(at, cached=True)
            # What is cached comes with fetched records: a paused partition's would stand still while lag grows.
            if end < 0 or partition in assignment.paused:
                unknown.append(partition)
            else:
                ends[partition] = end
        if unknown:
            try:
                asked = to_kafka(unknown, dict.fromkeys(unknown, OFFSET_END))
                for answer in self._consumer.offsets_for_times(asked, timeout=_TIMEOUT_SECONDS):
                    if answer.error is None and answer.offset >= 0:
                        ends[Partition(answer.topic, answer.partition)] = answer.offset
            except KafkaException:
                # A broker that is down is reported by others; asking it each time would hold up the thread.
                self._ends_at = now + 6 * _ENDS_SECONDS
        kept = {p: end for p, end in self.ends.items() if p in assignment.started}
        self.ends = kept | ends
