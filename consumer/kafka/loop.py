"""The Kafka thread: everything that is done with the consumer is done here, turn by turn.

Theory of operation
    confluent-kafka lets one thread at a time into a Consumer, and another one's call can wait for ever
    (https://github.com/confluentinc/confluent-kafka-python/pull/2322); so this thread alone touches it. Each turn takes
    the driver's commands, starts partitions whose position is known by now, makes the pauses true, and polls. The
    driver hears of everything by `consumer.kafka.events`, in order: a partition's records come after it was assigned
    and before it is given up.

    Hand-over to the driver is bounded, and what librdkafka has fetched is not thrown away for a moment's fullness
    (handover.py).

    The one place where this thread waits for the driver is a revoke, with a deadline; it answers commands meanwhile.
    Once partitions are given up, nothing of them is committed any more: Kafka would take it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException

from consumer.delivery.messages import Partition
from consumer.errors import KafkaUnavailableError
from consumer.kafka.assignment import Assignment, from_kafka, to_kafka
from consumer.kafka.commits import Commits
from consumer.kafka.events import (
    Closed,
    CountsChanged,
    Joined,
    Messages,
    OutOfRange,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsReleased,
    PartitionsRevoking,
    Reply,
)
from consumer.kafka.faults import Faults
from consumer.kafka.handover import HandOver, Patience
from consumer.kafka.inbox import CommitCommand, Inbox, PauseCommand, ReleaseCommand, StopCommand, TookCommand
from consumer.kafka.properties import SourceConfig, open_consumer
from consumer.kafka.start import StartResolver
from consumer.kafka.topics import Subscription
from consumer.kafka.waiting import Waiting
from consumer.kafka.watch import TopicWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from confluent_kafka import Consumer, Message, TopicPartition

    from consumer.delivery.messages import Position
    from consumer.kafka.events import SourceEvent
    from consumer.kafka.inbox import Command
    from consumer.kafka.waiting import Needs

BATCH: Final = 500
"""Records handed over at once, at most."""

RECORD_BYTES: Final = 256
"""What a record holds beside its value, about: key, headers, the objects themselves."""

_POLL_SECONDS: Final = 0.1
_COMMIT_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 1.0
_BACKOFF_SECONDS: Final = 0.5
_MAX_BACKOFF_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 3.0


class SourceLoop:
    """The thread's body; see `consumer.kafka.source.KafkaSource` for what it promises.

    Raises:
        ConfigurationError: librdkafka refuses the properties, or a topic pattern is none.
    """

    def __init__(
        self, config: SourceConfig, emit: Callable[[SourceEvent], None], inbox: Inbox, needs: Needs | None = None
    ) -> None:
        self._config = config
        self._emit = emit
        self._inbox = inbox
        self._faults = Faults(emit)
        subscription = Subscription(config.topics)
        consumer = open_consumer(
            config,
            on_error=self._faults.kafka,
            on_commit=self._on_commit,
        )
        self._consumer: Consumer = consumer
        self._topics = list(subscription.topics)
        self._commits = Commits(consumer, emit)
        self._assignment = Assignment(consumer, cooperative=config.cooperative)
        self._starts = StartResolver(
            consumer, config, by_pattern=subscription.by_pattern, unix_ms=lambda: time.time_ns() // 1_000_000
        )
        self.watch = TopicWatch(consumer, subscription)
        self.waiting = Waiting(needs)
        self._epoch = 0
        self._pending: dict[Partition, bool] = {}  # held, not started; True: its offset was out of range
        self._start_at = 0.0
        self._backoff = _BACKOFF_SECONDS
        self._counts: Mapping[str, int] = {}
        self._wanted_paused: frozenset[Partition] = frozenset()
        self._hand_over = HandOver(config.buffer_bytes // 8)
        self._patience = Patience()
        self._stopping = False
        self._drained = False
        self._joined = False
        self._look_at = time.monotonic() + _LOOK_SECONDS

    def run(self) -> None:
        """Read until told to stop; ends with `Closed`, whatever happens."""
        try:
            self._consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._stopping:
                self._turn(time.monotonic())
            # Before close(): while it closes, librdkafka answers no question to the coordinator.
            self._drain(list(self._assignment.started))
            self._drained = True
            self._answer_the_group()
        except Exception as error:  # noqa: BLE001 - whatever it is, the driver must hear of the thread's end
            self._faults.fatal(error)
        try:
            self._consumer.close()
        except Exception as error:  # noqa: BLE001 - as above
            self._faults.fatal(error)
        self._emit(Closed())

    # ---- a turn

    def _turn(self, now: float) -> None:
        while (command := self._inbox.get(0)) is not None:
            self._obey(command)
        if self._stopping:
            return
        if self._pending and now >= self._start_at:
            self._start_pending(now)
        if not self._joined and self._config.next_generation:
            self._look_whether_joined(now)
        self.watch.refresh(now, self._assignment)
        self._faults.look_whether_over(now, self.watch.refresh_counts)
        self._look_at_counts()
        started = self._assignment.started.keys()
        still = self._hand_over.behind() or (bool(started) and started <= self._wanted_paused)
        if patience := self._patience.left(now, still=still):
            if (command := self._inbox.get(patience)) is not None:
                self._obey(command)
            return
        with suppress(KafkaException):  # some have just been lost; the callback that says so is on its way
            if over := self.waiting.over():
                self._assignment.restart(over)
            self._assignment.pause(None if still else self._wanted_paused | self.waiting.schemas.keys())
        self._poll()

    def _poll(self) -> None:
        # poll() returns with the first record, consume() when its time is over: so neither delays a lone record.
        first = self._consumer.poll(_POLL_SECONDS)
        if first is None:
            return
        polled = [first, *self._consumer.consume(BATCH - 1, 0)]
        read = [message for message in polled if message.error() is None]
        if len(read) < len(polled):
            for message in polled:
                if (error := message.error()) is not None:
                    self._on_error(error, message)
        self._assignment.saw(read)
        if batch := self.waiting.admit(read):
            size = sum(map(len, batch)) + RECORD_BYTES * len(batch)
            self._hand_over.handed(size)
            self._emit(Messages(batch, size))

    def _obey(self, command: Command) -> None:
        match command:
            case TookCommand(size):
                self._hand_over.took(size)
            case PauseCommand(partitions):
                self._wanted_paused = partitions
            case CommitCommand():
                self._commits.request(self._unfenced(command))
            case StopCommand():
                self._stopping = True
            case ReleaseCommand():
                pass  # too late: what it answers has been given up without it

    def _unfenced(self, command: CommitCommand) -> dict[Partition, Position]:
        """Positions that may be committed: Kafka would take those of partitions which others own by now."""
        started, held = self._assignment.started, self._assignment.held
        return {
            partition: position
            for partition, position in command.positions.items()
            if partition in started and held[partition] <= command.epoch
        }

    # ---- partitions start

    def _start_pending(self, now: float) -> None:
        """Find out where held partitions start, commit what that resolved, and read them; later, if Kafka is away."""
        self._start_at = now + self._backoff
        self._backoff = min(2 * self._backoff, _MAX_BACKOFF_SECONDS)
        try:
            positions = self._starting_positions()
        except KafkaUnavailableError as error:
            self._faults.unavailable(error)
            return
        self._counts = self.watch.counts
        self._emit(PartitionsAssigned(positions, self._counts, self._epoch))
        try:
            self._assignment.start({p: position.offset for p, position in positions.items()})
        except KafkaException as error:
            # They have just been lost; the callback that says so is on its way.
            self._faults.kafka(error.args[0])
            self._emit(PartitionsLost(list(positions)))
            return
        self._pending.clear()
        self._backoff = _BACKOFF_SECONDS
        self.watch.look_soon()

    def _starting_positions(self) -> Mapping[Partition, Position]:
        out_of_range = [p for p, reset in self._pending.items() if reset]
        self.watch.refresh_counts()
        starts = self._starts.resolve(self._pending.keys(), out_of_range=out_of_range, counts=self.watch.counts)
        resolved = {p: starts.positions[p] for p in starts.resolved}
        if error := self._commits.now(resolved, time.monotonic() + _COMMIT_SECONDS):
            raise KafkaUnavailableError(f"committing the starting point: {error}")
        self._commits.committed.update(starts.positions)
        return starts.positions

    def _joined_now(self) -> None:
        self._joined = True
        self._emit(Joined())

    def _look_whether_joined(self, now: float) -> None:
        """A KIP-848 group calls nobody for an empty assignment: there the coordinator's answer has to do."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        with suppress(KafkaUnavailableError, KafkaException):
            self.watch.refresh_counts()
            if topic := next(iter(self.watch.counts), ""):
                self._consumer.committed(to_kafka([Partition(topic, 0)]), timeout=_LOOK_SECONDS)
                self._joined_now()

    def _look_at_counts(self) -> None:
        # The assignment brings the first. Where no topic is there at all, nobody's part of them is larger for it.
        if self._counts and self.watch.counts and self.watch.counts != self._counts:
            self._counts = self.watch.counts
            self._emit(CountsChanged(self._counts))

    # ---- rebalances: librdkafka's callbacks, inside poll() and close()

    def _on_assign(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._epoch += 1
        try:
            given = [p for p in from_kafka(partitions) if p not in self._assignment.held]
            self._assignment.hold(given, self._epoch)
            self._pending.update(dict.fromkeys(given, False))
            self._start_at = 0.0
            if not given:  # it may be others who were given what topics have grown by
                self.watch.count_soon()
            self._joined_now()
        except Exception as error:  # noqa: BLE001 - out of the callback it would come out of poll(), without its cause
            self._faults.fatal(error)

    def _on_revoke(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        given_up = from_kafka(partitions)
        try:
            self._drain([p for p in given_up if p in self._assignment.started])
        except Exception as error:  # noqa: BLE001 - as above; and they are given up in any case
            self._faults.fatal(error)
        self._let_go(given_up)

    def _on_lost(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        lost = from_kafka(partitions)
        known = [p for p in lost if p in self._assignment.started]
        if known and not self._drained:
            self._emit(PartitionsLost(known))
        self._let_go(lost)

    def _on_commit(self, error: KafkaError | None, offsets: Sequence[TopicPartition]) -> None:
        self._commits.on_commit(error, offsets)

    def _let_go(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._pending.pop(partition, None)
            self._commits.committed.pop(partition, None)
        self.waiting.forget(partitions)
        try:
            self._assignment.release(partitions)
        except KafkaException as error:
            self._faults.kafka(error.args[0])

    def _answer_the_group(self) -> None:
        """Serve the callbacks that wait; what they give or take is let go while it closes.

        One that is still unanswered when librdkafka leaves the group hangs in its own answer, and holds the
        interpreter's lock: https://github.com/confluentinc/librdkafka/issues/4884. So does one that was answered
        unasked before, by an unassign of ours.
        """
        until = time.monotonic() + _ANSWER_SECONDS
        while self._consumer.poll(0.0) is not None and time.monotonic() < until:
            pass

    def _drain(self, partitions: Sequence[Partition]) -> None:
        """Have the driver finish what is under way, and commit what it says."""
        if self._drained or not partitions:
            return
        drain_seconds = self._config.drain_seconds
        reply = Reply(lambda which, positions: self._inbox.put(ReleaseCommand(which, positions)))
        self._commits.settle(time.monotonic() + _COMMIT_SECONDS)
        self._emit(PartitionsRevoking(partitions, drain_seconds, reply))
        positions = self._await(reply, time.monotonic() + drain_seconds + _GRACE_SECONDS)
        error = "there was no reply in time"
        if positions is not None:
            own = {p: position for p, position in positions.items() if p in partitions}
            error = self._commits.now(own, time.monotonic() + _COMMIT_SECONDS) or ""
        self._emit(PartitionsReleased(partitions, not error))
        if error:
            self._faults.release(error)

    def _await(self, reply: Reply, deadline: float) -> Mapping[Partition, Position] | None:
        while (left := deadline - time.monotonic()) > 0:
            command = self._inbox.get(left)
            match command:
                case ReleaseCommand() if command.reply is reply:
                    return command.positions
                case CommitCommand():
                    # librdkafka reports an asynchronous commit outside of callbacks only.
                    self._commits.request(self._unfenced(command))
                    self._commits.settle(min(deadline, time.monotonic() + _COMMIT_SECONDS))
                case None:
                    break
                case _:
                    self._obey(command)
        return None

    # ---- errors that come in place of records

    def _on_error(self, error: KafkaError, message: Message) -> None:
        if error.code() in _OUT_OF_RANGE:
            partition = Partition(message.topic() or "", message.partition() or 0)
            if partition in self._assignment.started:
                self._on_out_of_range(partition, message.offset() or 0)
        else:
            self._faults.kafka(error)

    def _on_out_of_range(self, partition: Partition, offset: int) -> None:
        """The topic does not have the offset that was to be read next; librdkafka has stopped reading there."""
        self._faults.out_of_range(partition, offset, self._config.on_out_of_range)
        if self._config.on_out_of_range == "halt":
            self._emit(OutOfRange({partition: offset}))
            return
        # The driver's idea of the partition ends here; it is assigned again, at another position.
        self._emit(PartitionsLost([partition]))
        self.waiting.forget([partition])
        with suppress(KafkaException):  # it has just been lost; the callback that says so is on its way
            self._assignment.stopped(partition)
        self._epoch += 1
        self._assignment.held[partition] = self._epoch
        self._pending[partition] = True
        self._start_at = 0.0


_OUT_OF_RANGE: Final = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001 - librdkafka's own errors are public under these names
        KafkaError._LOG_TRUNCATION,  # noqa: SLF001 - as above
        KafkaError.OFFSET_OUT_OF_RANGE,
    }
)
