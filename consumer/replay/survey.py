"""What a run will read, asked of the broker before anything is sent: from where to where, and what is done already."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException
from msgspec import Struct

from consumer.delivery.messages import Partition, Position
from consumer.errors import ConfigurationError, KafkaUnavailableError, Problem
from consumer.kafka.commits import TRANSIENT
from consumer.kafka.offsets import committed, offsets_at
from consumer.kafka.topics import Subscription
from consumer.replay.selection import Origin, names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from confluent_kafka import Consumer

    from consumer.replay.selection import Selection

T = TypeVar("T")

_PATIENCE_SECONDS: Final = 20.0
_REQUEST_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 0.2
_SILENT: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - librdkafka's own errors are public under these names
        KafkaError._TIMED_OUT,  # noqa: SLF001 - as above
        KafkaError._TRANSPORT,  # noqa: SLF001 - as above
    }
)


class Scope(Struct, frozen=True):
    """What a run reads.

    Attributes:
        starts: the first offset to be read, of each partition that has any.
        ends: the first that is not: what came later is another run's.
        committed: where this run stood when it was interrupted; empty for a new one.
    """

    starts: Mapping[Partition, int]
    ends: Mapping[Partition, int]
    committed: Mapping[Partition, Position]

    @property
    def records(self) -> int:
        """How many there are at most: transactions and compaction leave gaps."""
        return sum(self.ends[partition] - start for partition, start in self.starts.items())

    @property
    def positions(self) -> dict[Partition, Position]:
        """Where each partition's deliveries begin."""
        return {partition: self.committed.get(partition, Position(start)) for partition, start in self.starts.items()}


class Surveyor:
    """Asks the broker; every question has a time-out, and what passes by itself is asked again for a while.

    Args:
        consumer: the run's Kafka client; nobody else may be using it.
        selection: what is to be read.
        group: the run's group.
    """

    def __init__(self, consumer: Consumer, selection: Selection, group: str) -> None:
        self._consumer = consumer
        self._selection = selection
        self._group = group

    def survey(self) -> Scope:
        """Find out what the run reads.

        Raises:
            ConfigurationError: a place is asked for in a partition that is not there.
            KafkaUnavailableError: no answer, no permission, or no topic.
        """
        partitions = self._partitions()
        ends = self.offsets(partitions, OFFSET_END)
        starts = self.offsets(partitions, OFFSET_BEGINNING)
        if self._selection.origin is Origin.SOURCE and self._selection.since_ms is not None:
            # What lies before the first record at or after a time is older, all of it: no need to read it.
            found = self.offsets(partitions, self._selection.since_ms)
            starts = {p: found[p] if found[p] >= 0 else ends[p] for p in partitions}
        if stretches := self._selection.stretches:
            for p in partitions:
                own = [stretch for stretch in stretches if stretch.partition == p]
                starts[p] = max(starts[p], min(stretch.first for stretch in own))
                ends[p] = min(ends[p], max(ends[p] if stretch.end is None else stretch.end for stretch in own))
        read = [p for p in partitions if starts[p] < ends[p]]
        return Scope({p: starts[p] for p in read}, {p: ends[p] for p in read}, self._committed(read))

    def offsets(self, partitions: Collection[Partition], when: int) -> dict[Partition, int]:
        """`consumer.kafka.offsets.offsets_at`, with patience.

        Raises:
            KafkaUnavailableError: as `survey`.
        """
        return self._ask(
            f"offsets of {names(partitions)}",
            lambda: offsets_at(self._consumer, partitions, when, _REQUEST_SECONDS),
        )

    def _partitions(self) -> list[Partition]:
        subscription = Subscription(self._selection.topics)
        # All topics are asked for: asking for one by name makes it, on brokers that make topics by themselves.
        counts = self._ask(
            "the topics",
            lambda: subscription.partitions(self._consumer.list_topics(timeout=_REQUEST_SECONDS)),
        )
        named = [topic for topic in self._selection.topics if not topic.startswith("^")]
        if missing := [topic for topic in named if topic not in counts] or ([] if counts else self._selection.topics):
            setting = "kafka.topics" if self._selection.origin is Origin.SOURCE else "dead_letter.topic"
            raise KafkaUnavailableError(
                f"no such topic: {', '.join(missing)}; check {setting}, and that the principal may DESCRIBE it"
            )
        there = [Partition(topic, number) for topic, count in sorted(counts.items()) for number in range(count)]
        if not self._selection.stretches:
            return there
        wanted = {stretch.partition for stretch in self._selection.stretches}
        if unknown := wanted.difference(there):
            topics = ", ".join(f"{topic}/0-{count - 1}" for topic, count in sorted(counts.items()))
            problem = f"{names(unknown)} is not among what is read: {topics}"
            raise ConfigurationError([Problem("--partition", problem)])
        return [p for p in there if p in wanted]

    def _committed(self, partitions: Collection[Partition]) -> dict[Partition, Position]:
        """Where the run stood. Asked of a new run, too: without the permission its end would never be committed."""
        return self._ask(
            f"the offsets of the group {self._group} (the principal needs READ on it)",
            lambda: committed(self._consumer, partitions, _REQUEST_SECONDS),
        )

    @staticmethod
    def _ask(what: str, question: Callable[[], T]) -> T:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return question()
            except KafkaException as error:
                fault = error.args[0]
                # A group's first question may come before its coordinator has loaded.
                if fault.code() not in TRANSIENT or time.monotonic() > deadline:
                    silent = "; check kafka.bootstrap_servers and the network" if fault.code() in _SILENT else ""
                    raise KafkaUnavailableError(f"{what}: {fault.str()}{silent}") from None
            time.sleep(_RETRY_SECONDS)
