"""The bounded source: reads what a run selects, on a thread of its own, and nothing that came after its beginning.

Theory of operation
    The driver takes it for the service's Kafka source: the same protocol (`consumer.service.Source`), the same events.
    But it joins no group: it assigns itself the partitions of its `Scope`, once, in the one epoch that there is. Its
    group is the run's own; the offsets there serve to continue a run that was interrupted, and nobody else.

    A partition is finished at the first record at or after its end, or where it ends by the broker's word (a
    transaction's marker takes an offset and gives no record). When all are, the source is *exhausted*; it stays, for
    commits, until it is told to stop.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException

from consumer.errors import KafkaUnavailableError
from consumer.kafka.assignment import Assignment
from consumer.kafka.commits import Commits
from consumer.kafka.events import (
    Closed,
    CommitDone,
    Joined,
    Messages,
    PartitionsAssigned,
    PartitionsReleased,
    PartitionsRevoking,
    Reply,
)
from consumer.kafka.faults import Faults
from consumer.kafka.handover import HandOver
from consumer.kafka.inbox import CommitCommand, Inbox, PauseCommand, ReleaseCommand, StopCommand, TookCommand
from consumer.kafka.loop import BATCH, RECORD_BYTES
from consumer.kafka.properties import SourceConfig, consumer_properties, make_client
from consumer.replay.selection import Sieve, place_of
from consumer.replay.survey import Surveyor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import Message

    from consumer.delivery.messages import Partition, Position
    from consumer.kafka.events import SourceEvent
    from consumer.kafka.inbox import Command
    from consumer.kafka.waiting import Needs
    from consumer.replay.selection import Selection
    from consumer.replay.survey import Scope

_POLL_SECONDS: Final = 0.1
_COMMIT_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 1.0
_EPOCH: Final = 1
_MEMBERSHIP: Final = ("group.protocol", "group.instance.id", "group.remote.assignor")
"""Properties that are about being a member of a group."""

_logger: Final = logging.getLogger("consumer.kafka.librdkafka")


class BoundedSource:
    """Reads once what a selection takes. `survey` first, then `start`; the other methods return at once, on any thread.

    Args:
        config: the settings' with the run's own group; topics and starting point are the selection's business.
        selection: what to read.
        needs: what records need before they are handed over; reading waits for it.

    Attributes:
        scope: what is read; after `survey`.
        sieve: counts what is selected; after `survey`.
        exhausted: everything was read and handed over.

    Raises:
        ConfigurationError: librdkafka refuses the properties.
    """

    def __init__(self, config: SourceConfig, selection: Selection, needs: Needs | None = None) -> None:
        self._config = config
        self._needs = needs
        self._held: list[Message] = []
        self._selection = selection
        self._inbox = Inbox()
        self._emit: Callable[[SourceEvent], None] = _nobody
        self._faults = Faults(self._tell)
        self._consumer = _open(config, self._faults.kafka, self._on_commit)
        self._commits = Commits(self._consumer, self._tell)
        self._assignment = Assignment(self._consumer, cooperative=False)
        self._surveyor = Surveyor(self._consumer, selection, config.group_id)
        self._hand_over = HandOver(config.buffer_bytes // 8)
        self._wanted_paused: frozenset[Partition] = frozenset()
        self._finished: set[Partition] = set()
        self._at: dict[Partition, int] = {}
        self._stopping = False
        self._thread = Thread(target=self._run, name="replay", daemon=True)
        self.exhausted = False
        self.scope: Scope
        self.sieve: Sieve

    def survey(self) -> Scope:
        """Ask what there is to be read; takes seconds at worst. From here on its ends are fixed.

        Raises:
            ConfigurationError: a place is asked for in a partition that is not there.
            KafkaUnavailableError: no answer, no permission, or no topic.
        """
        self.scope = self._surveyor.survey()
        self.sieve = Sieve(self._selection, self._config.group_id, self.scope.committed)
        self._at = dict(self.scope.starts)
        return self.scope

    def attach(self, emit: Callable[[SourceEvent], None]) -> None:
        """Say who takes the events, before `start`: on the source's thread; must neither block nor raise."""
        self._emit = emit

    @property
    def read(self) -> int:
        """How many of `Scope.records` were passed."""
        return sum(min(at, self.scope.ends[p]) - self.scope.starts[p] for p, at in self._at.copy().items())

    def abandon(self) -> None:
        """Close without having started: somebody thought better of it."""
        self._consumer.close()

    def _tell(self, event: SourceEvent) -> None:
        self._emit(event)

    # ---- what the driver asks for

    def start(self) -> None:
        """Read; events come from now on."""
        self._thread.start()

    def commit(self, positions: Mapping[Partition, Position], *, epoch: int) -> None:
        """Commit into the run's group; `CommitDone` follows."""
        self._inbox.put(CommitCommand(positions, epoch))

    def set_paused(self, partitions: frozenset[Partition]) -> None:
        """Pause these and no others."""
        self._inbox.put(PauseCommand(partitions))

    def took(self, size: int) -> None:
        """This much of what was handed over has been taken in."""
        self._inbox.put(TookCommand(size))

    def stop(self) -> None:
        """Give everything up: `PartitionsRevoking`, `PartitionsReleased`, then `Closed`."""
        self._inbox.put(StopCommand())

    # ---- the thread

    def _run(self) -> None:
        try:
            self._assignment.hold(self.scope.starts, _EPOCH)
            self._emit(Joined())
            self._emit(PartitionsAssigned(self.scope.positions, Counter(p.topic for p in self.scope.positions), _EPOCH))
            self._assignment.start(self.scope.starts)
            while not self._stopping:
                self._turn()
            self._drain()
        except Exception as error:  # noqa: BLE001 - whatever it is, the driver must hear of the thread's end
            self._faults.fatal(error)
        with suppress(KafkaException):
            self._consumer.close()
        self._emit(Closed())

    def _turn(self) -> None:
        while (command := self._inbox.get(0)) is not None:
            self._obey(command)
        if self._stopping:
            return
        if self._hand_over.behind():
            # There is no group that would expel a member for not polling.
            if (command := self._inbox.get(_POLL_SECONDS)) is not None:
                self._obey(command)
            return
        if self._held:
            self._hand(self._held)
            if self._held and self._needs is not None and (problem := self._needs.problem()):
                self._faults.unavailable(KafkaUnavailableError(problem))
            if self._held and (command := self._inbox.get(_POLL_SECONDS)) is not None:
                self._obey(command)
            return
        self._assignment.pause(self._wanted_paused | self._finished)
        self._poll()
        self.exhausted = not self._held and len(self._finished) == len(self.scope.starts)

    def _obey(self, command: Command) -> None:
        match command:
            case TookCommand(size):
                self._hand_over.took(size)
            case PauseCommand(partitions):
                self._wanted_paused = partitions
            case CommitCommand():
                self._commits.request(command.positions)
            case StopCommand():
                self._stopping = True
            case ReleaseCommand():
                pass  # too late: what it answers has been given up without it

    def _poll(self) -> None:
        first = self._consumer.poll(_POLL_SECONDS)
        if first is None:
            return
        polled = [first, *self._consumer.consume(BATCH - 1, 0)]
        read = [message for message in polled if message.error() is None]
        self._assignment.saw(read)
        batch = [message for message in read if self._within(message) and self.sieve.passes(message)]
        if batch:
            self._hand(batch)
        for message in polled:
            if (error := message.error()) is not None:
                self._on_error(error, message)

    def _hand(self, batch: list[Message]) -> None:
        """Hand records over, or hold them while a schema that they name is not there: nobody else waits for these."""
        if self._needs is not None and any(self._needs.unmet(message) is not None for message in batch):
            self._held = batch
            return
        self._held = []
        size = sum(map(len, batch)) + RECORD_BYTES * len(batch)
        self._hand_over.handed(size)
        self._emit(Messages(batch, size))

    def _within(self, message: Message) -> bool:
        """Whether a record lies before its partition's end."""
        partition, offset = place_of(message)
        end = self.scope.ends[partition]
        self._at[partition] = offset + 1
        if offset + 1 >= end:
            self._finished.add(partition)
        return offset < end

    def _on_error(self, error: KafkaError, message: Message) -> None:
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own errors are public so
            self._faults.kafka(error)
            return
        partition, offset = place_of(message)
        # A topic that was truncated ends before the end that it had; a replica that lags behind only seems to.
        if offset >= self.scope.ends[partition] or offset >= self._surveyor.offsets([partition], OFFSET_END)[partition]:
            self._at[partition] = max(offset, self.scope.ends[partition])
            self._finished.add(partition)

    def _on_commit(self, error: KafkaError | None, offsets: list[Any]) -> None:
        self._commits.on_commit(error, offsets)

    def _drain(self) -> None:
        """Have the driver finish what is under way, and commit what it says."""
        partitions = list(self.scope.starts)
        seconds = self._config.drain_timeout_seconds
        self._commits.settle(time.monotonic() + _COMMIT_SECONDS)
        reply = Reply(lambda which, positions: self._inbox.put(ReleaseCommand(which, positions)))
        self._emit(PartitionsRevoking(partitions, seconds, reply))
        error = "there was no reply in time"
        deadline = time.monotonic() + seconds + _GRACE_SECONDS
        while (command := self._inbox.get(max(deadline - time.monotonic(), 0.0))) is not None:
            match command:
                case ReleaseCommand():
                    error = self._commits.now(command.positions, time.monotonic() + _COMMIT_SECONDS) or ""
                    break
                case CommitCommand():
                    # Asked for before the revoke was heard of: the reply says the same, and more.
                    self._emit(CommitDone(command.positions, "the run ends"))
                case _:
                    self._obey(command)
        self._emit(PartitionsReleased(partitions, not error))
        if error:
            self._faults.release(error)


def _open(
    config: SourceConfig,
    on_error: Callable[[KafkaError], None],
    on_commit: Callable[[KafkaError | None, list[Any]], None],
) -> Consumer:
    """A consumer that is told where a partition ends, and passes over what retention has just removed.

    Raises:
        ConfigurationError: librdkafka refuses the properties.
    """
    own = {"enable.partition.eof": True, "auto.offset.reset": "earliest"}
    properties = {name: value for name, value in consumer_properties(config).items() if name not in _MEMBERSHIP}
    called = {"error_cb": on_error, "on_commit": on_commit, "logger": _logger}
    return make_client(Consumer, properties | own | called, config.properties)


def _nobody(_: SourceEvent) -> None:
    """Nobody listens yet."""
