"""Where each partition starts: at what the group has committed, else at the starting point of the settings.

Rules
    A committed offset wins. Without one, ``earliest`` is the beginning, a time the first record at or after it.

    ``latest`` means: what comes from now on, for the group as a whole and once. So its time is kept in the metadata of
    the offsets that it resolves to, and a partition without a commit whose topic's other partitions carry such a time
    starts there: one that is added to the topic later is read from its beginning, and one that another replica
    resolves at the same moment leaves no gap. A topic that a pattern finds later takes the time from the group's other
    topics. Where others have commits but none says a time, the partition was found later: it starts at its beginning.

    What was resolved is committed before the first record is read: a crash must not resolve ``latest`` again, later.

Lives on the Kafka thread; each question to the broker has a time-out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException
from msgspec import Struct

from consumer.delivery.messages import Partition, Position
from consumer.delivery.offset_map import start_metadata, start_of
from consumer.errors import KafkaUnavailableError
from consumer.kafka.offsets import committed, offsets_at

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from confluent_kafka import Consumer

    from consumer.kafka.properties import SourceConfig

REQUEST_SECONDS: Final = 3.0
"""The longest that one question may hold up the Kafka thread."""


class Starts(Struct, frozen=True):
    """Where partitions start.

    Attributes:
        positions: for each partition asked for.
        resolved: those of them that were not committed and are to be, before anything is read.
    """

    positions: Mapping[Partition, Position]
    resolved: Collection[Partition]


class StartResolver:
    """Answers where partitions start.

    Args:
        consumer: the Kafka client.
        by_pattern: whether only a pattern subscribes to a topic.
        unix_ms: the wall clock.
    """

    def __init__(
        self,
        consumer: Consumer,
        config: SourceConfig,
        *,
        by_pattern: Callable[[str], bool],
        unix_ms: Callable[[], int],
    ) -> None:
        self._consumer = consumer
        self._start_from = config.start_from
        self._out_of_range = config.on_out_of_range
        self._by_pattern = by_pattern
        self._unix_ms = unix_ms

    def resolve(
        self,
        partitions: Collection[Partition],
        *,
        out_of_range: Collection[Partition],
        counts: Mapping[str, int],
    ) -> Starts:
        """Find the starting positions.

        Args:
            partitions: held, not started.
            out_of_range: those of them whose offset the topic no longer has; never with policy ``halt``.
            counts: the number of partitions of each subscribed topic.

        Raises:
            KafkaUnavailableError: the broker did not answer in time, or not for each partition.
        """
        try:
            positions = self._committed(p for p in partitions if p not in out_of_range)
            resolved = self._reset(out_of_range) | self._first_time(partitions - positions.keys(), out_of_range, counts)
        except KafkaException as error:
            raise KafkaUnavailableError(f"starting positions: {error.args[0].str()}") from None
        return Starts(positions | resolved, resolved.keys())

    def _reset(self, partitions: Collection[Partition]) -> dict[Partition, Position]:
        assert not partitions or self._out_of_range != "halt"
        return self._at(partitions, OFFSET_BEGINNING if self._out_of_range == "earliest" else OFFSET_END)

    def _first_time(
        self, missing: Collection[Partition], out_of_range: Collection[Partition], counts: Mapping[str, int]
    ) -> dict[Partition, Position]:
        """The starting point of the settings, for partitions that nothing is committed for."""
        new = [p for p in missing if p not in out_of_range]
        if not new:
            return {}
        if self._start_from == "earliest":
            return self._at(new, OFFSET_BEGINNING)
        if self._start_from == "latest":
            return self._latest(new, counts)
        return self._since(new, int(self._start_from.timestamp() * 1000))

    def _latest(self, new: Collection[Partition], counts: Mapping[str, int]) -> dict[Partition, Position]:
        everything = [Partition(topic, number) for topic, count in counts.items() for number in range(count)]
        times = {p: start_of(position.metadata) for p, position in self._committed(everything).items()}
        result: dict[Partition, Position] = {}
        fresh: list[Partition] = []
        for topic in {p.topic for p in new}:
            own = [p for p in new if p.topic == topic]
            on_topic = [time for p, time in times.items() if p.topic == topic]
            # A topic that is named has its own beginning: it may be old, and added to the settings today.
            known = [time for time in (on_topic or (times.values() if self._by_pattern(topic) else ())) if time]
            if known:
                since = min(known)
                result |= self._since(own, since, start_metadata(since))
            elif on_topic:
                result |= self._at(own, OFFSET_BEGINNING)
            else:
                fresh += own
        if fresh:
            # The time is taken first: what is written between it and the answer is not before it.
            metadata = start_metadata(self._unix_ms())
            result |= self._at(fresh, OFFSET_END, metadata)
        return result

    def _committed(self, partitions: Iterable[Partition]) -> dict[Partition, Position]:
        return committed(self._consumer, partitions, REQUEST_SECONDS)

    def _since(self, partitions: Collection[Partition], unix_ms: int, metadata: str = "") -> dict[Partition, Position]:
        """The first record at or after a time; the end where there is none."""
        # The end is asked for first: a record that arrives between the questions is then found by one of them.
        ends = self._at(partitions, OFFSET_END, metadata)
        found = self._offsets(partitions, unix_ms)
        return {p: Position(found[p], metadata) if found[p] >= 0 else ends[p] for p in partitions}

    def _at(self, partitions: Collection[Partition], which: int, metadata: str = "") -> dict[Partition, Position]:
        """The first offset that there is, or the next one that will be."""
        return {p: Position(offset, metadata) for p, offset in self._offsets(partitions, which).items()}

    def _offsets(self, partitions: Collection[Partition], when: int) -> dict[Partition, int]:
        return offsets_at(self._consumer, partitions, when, REQUEST_SECONDS)
