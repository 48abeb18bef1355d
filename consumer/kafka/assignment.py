"""Which partitions the group has given us, which of them are being read, and which of those are paused.

Theory of operation
    A partition is *held* from the group's word until it is revoked or lost, and *started* once its position is known
    and librdkafka fetches it. In between, it waits outside librdkafka's assignment: so nothing is read of it, and there
    is nothing to pause.

    Which partitions are to be paused is said as a whole set; what librdkafka has to be told is the difference to what
    it was told before. Two of its habits make that careful. A pause or resume that overtakes the start of the same
    partition cancels the start (https://github.com/confluentinc/librdkafka/issues/2190, .../issues/5591): before its
    first record a partition is taken out of librdkafka's assignment instead, and started anew later. And the pause flag
    survives a revoke (https://github.com/confluentinc/librdkafka/issues/1849): it is taken back when a partition is
    held again.

    A broker's thread that has nothing to fetch sleeps for up to a second, and a resume does not wake it. A seek does:
    to where the partition stands anyway.

    With the eager protocol librdkafka knows one assignment, whole; a partition that is started later, or anew, makes
    it begin anew with all others where they stand. There a pause before the first record waits for it.

Lives on the Kafka thread.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicPartition

from consumer.delivery.messages import Partition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from confluent_kafka import Consumer, Message


class Assignment:
    """What is held, started, paused.

    Args:
        consumer: the Kafka client.
        cooperative: whether partitions come and go one by one.

    Attributes:
        held: each with the epoch in which it was given to us.
        started: each with the offset at which it was started, or resumed last.
        paused: those of which librdkafka was told to read nothing for now.
    """

    def __init__(self, consumer: Consumer, *, cooperative: bool) -> None:
        self._consumer = consumer
        self._cooperative = cooperative
        self._unseen: set[Partition] = set()
        self._taken_out: set[Partition] = set()
        self.held: dict[Partition, int] = {}
        self.started: dict[Partition, int] = {}
        self.paused: set[Partition] = set()

    def hold(self, partitions: Iterable[Partition], epoch: int) -> None:
        """The group has given us these; to be called in the rebalance callback, which it answers."""
        new = [p for p in partitions if p not in self.held]
        self.held.update(dict.fromkeys(new, epoch))
        if new:
            self._consumer.resume(to_kafka(new))
        if self._cooperative:
            self._consumer.incremental_assign([])
        else:
            self._consumer.assign([])

    def release(self, partitions: Iterable[Partition]) -> None:
        """The group has taken these; to be called in the rebalance callback, which it answers."""
        given_up = list(partitions)
        started = [p for p in given_up if p in self.started and p not in self._taken_out]
        for partition in given_up:
            self.held.pop(partition, None)
            self._forget(partition)
        if self._cooperative:
            self._consumer.incremental_unassign(to_kafka(started))
        else:
            self._consumer.unassign()

    def start(self, offsets: Mapping[Partition, int]) -> None:
        """Read held partitions from these offsets on.

        Raises:
            KafkaException: librdkafka does not take them: they have just been lost.
        """
        if self._cooperative:
            self._consumer.incremental_assign(to_kafka(offsets, offsets))
        else:
            # Resumed first, while each is certainly started; all begin anew, so all have to be seen again.
            self.pause(())
            offsets = {**self._positions(self.started), **offsets}
            self._consumer.assign(to_kafka(offsets, offsets))
        self.started.update(offsets)
        self._unseen.update(offsets)

    def stopped(self, partition: Partition) -> None:
        """Librdkafka has stopped reading a partition that stays held; it can be started anew.

        Raises:
            KafkaException: as `start`.
        """
        taken_out = partition in self._taken_out
        if partition in self.paused and not taken_out:
            self._consumer.resume(to_kafka([partition]))
        self._forget(partition)
        if self._cooperative and not taken_out:
            self._consumer.incremental_unassign(to_kafka([partition]))

    def restart(self, offsets: Mapping[Partition, int]) -> None:
        """Read started partitions from these offsets on instead.

        Raises:
            KafkaException: as `start`.
        """
        for partition in offsets:
            self.stopped(partition)
        self.start(offsets)

    def saw(self, batch: Iterable[Message]) -> None:
        """Note where records come from. Costs nothing once each started partition has had one."""
        if self._unseen:
            self._unseen -= {Partition(message.topic() or "", message.partition() or 0) for message in batch}

    def pause(self, wanted: Collection[Partition] | None) -> None:
        """Make these the paused ones, or (None) all.

        Raises:
            KafkaException: as `start`; to be asked for again.
        """
        pausable = self.started.keys() if self._cooperative else self.started.keys() - self._unseen
        target = set(pausable) if wanted is None else pausable & set(wanted)
        if target == self.paused:
            return
        new, old = target - self.paused, self.paused - target
        if seen := new - self._unseen:
            self._consumer.pause(to_kafka(seen))
            self.paused |= seen
        if unseen := new & self._unseen:
            self._consumer.incremental_unassign(to_kafka(unseen))
            self._taken_out |= unseen
            self.paused |= unseen
        if read := old - self._taken_out:
            self._resume(read)
            self.paused -= read
        if back := old & self._taken_out:
            self._consumer.incremental_assign(to_kafka(back, self.started))
            self._taken_out -= back
            self.paused -= back

    def _resume(self, partitions: Collection[Partition]) -> None:
        self._consumer.resume(to_kafka(partitions))
        for partition, offset in self._positions(partitions).items():
            self.started[partition] = offset  # librdkafka knows no position between a seek and the next record
            with suppress(KafkaException):  # it does not read this one any more: lost, or its offset is gone
                self._consumer.seek(TopicPartition(partition.topic, partition.number, offset))

    def _forget(self, partition: Partition) -> None:
        self.started.pop(partition, None)
        self._unseen.discard(partition)
        self._taken_out.discard(partition)
        self.paused.discard(partition)

    def _positions(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Where each of these started partitions stands."""
        known = self._consumer.position(to_kafka(partitions))
        return {
            partition: at.offset if at.offset >= 0 else self.started[partition]
            for partition, at in zip(partitions, known, strict=True)
        }


def to_kafka(partitions: Iterable[Partition], offsets: Mapping[Partition, int] | None = None) -> list[TopicPartition]:
    """The client's own form of these partitions, with their offsets."""
    if offsets is None:
        return [TopicPartition(topic, number) for topic, number in partitions]
    return [TopicPartition(p.topic, p.number, offsets[p]) for p in partitions]


def from_kafka(partitions: Iterable[TopicPartition]) -> list[Partition]:
    """Our form of the client's partitions."""
    return [Partition(p.topic, p.partition) for p in partitions]
