"""The driver: runs the machine's decisions against Kafka and the webhook, on one event loop.

Theory of operation
    What happens outside (messages, answers, acknowledgements, time) becomes an event; the machine says what to do; the
    driver does it. One *turn* is one call of the machine: a whole polled batch, or all answers since the last turn. The
    Kafka consumer lives on its own thread and never waits for this loop, but for one reply: where a revoked partition
    stands. The driver decides nothing.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct, field

from consumer.delivery.machine import Machine
from consumer.delivery.messages import (
    Assigned,
    Commit,
    Committed,
    Completed,
    CountsChanged,
    DeadLetter,
    DeadLettersWritten,
    DestinationChanged,
    HaltChanged,
    Lost,
    Pause,
    Polled,
    Position,
    Probe,
    Release,
    Reset,
    Revoking,
    Send,
    Stop,
    Tick,
    Timer,
)
from consumer.kafka import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from random import Random

    from consumer.delivery.messages import Answer, Event, Partition
    from consumer.delivery.settings import DeliverySettings
    from consumer.delivery.snapshot import Snapshot
    from consumer.planning import Planner
    from consumer.sender import Clock, Sender


class Source(Protocol):
    """What the driver asks of the Kafka side; every method returns at once and may be called from the event loop."""

    def start(self) -> None:
        """Join the group; events come from now on."""
        ...

    def commit(self, positions: Mapping[Partition, Position], *, epoch: int) -> None:
        """Commit these, as of the assignment ``epoch``; answered by `events.CommitDone`."""
        ...

    def set_paused(self, partitions: frozenset[Partition]) -> None:
        """Pause these and no others."""
        ...

    def took(self, size: int) -> None:
        """This much of what was handed over has been taken in."""
        ...

    def stop(self) -> None:
        """Give everything up (by `events.PartitionsRevoking`) and close; answered by `events.Closed`."""
        ...


class DeadLetterSink(Protocol):
    """Writes dead letters; results come back by the callback that it was built with."""

    def write(self, letter: DeadLetter) -> None:
        """Write one; returns at once, never raises."""
        ...


class Health(Struct):
    """What readiness depends on beside the machine.

    Attributes:
        joined: the group has given an assignment, be it empty.
        turned_at: monotonic seconds of the last turn.
        out_of_range: committed offsets that their topics no longer have.
        source_error: the last error of the Kafka side, "" since it went well again.
        source_lost: it is of the connection.
    """

    joined: bool = False
    turned_at: float = 0.0
    out_of_range: Mapping[Partition, int] = field(default_factory=dict)
    source_error: str = ""
    source_lost: bool = False


class Service:
    """One running consumer. Build it, `start` it in an event loop, `stop` it, await `closed`."""

    def __init__(
        self,
        settings: DeliverySettings,
        planner: Planner,
        random: Random,
        clock: Clock,
        *,
        on_halt: Callable[[HaltChanged], None] = lambda _: None,
        on_dead_letter: Callable[[DeadLetter], None] = lambda _: None,
        on_source: Callable[[events.SourceEvent], None] = lambda _: None,
        on_fault: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Build it; nothing starts.

        Args:
            settings: the machine's.
            planner: makes records of messages.
            random: for jitter.
            clock: both clocks.
            on_halt: told when delivery halts or goes on, for the log.
            on_dead_letter: told of each dead letter, for the log and the status page.
            on_source: told of each event of the Kafka side, for the log.
            on_fault: told once of an exception that nobody expected. What was to be done with it is lost to this
                process, though to nobody else: it has to be stopped.
        """
        self._clock = clock
        self._planner = planner
        self._machine = Machine(settings, random, clock.monotonic())
        self._on_halt = on_halt
        self._on_dead_letter = on_dead_letter
        self._on_source = on_source
        self._on_fault = on_fault
        self._faulty = False
        self._source: Source
        self._dead_letters: DeadLetterSink
        self._sender: Sender
        self._loop: asyncio.AbstractEventLoop
        self._answers: list[Answer] = []
        self._acknowledged: list[DeadLetter] = []
        self._failed: list[DeadLetter] = []
        self._turn_due = False
        self._epoch = 0
        self._paced = settings.gate.requests_per_second is not None
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._reply: events.Reply | None = None
        self.health = Health(turned_at=clock.monotonic())
        self.closed: asyncio.Future[None]
        self._do: dict[type, Callable[[Any], None]] = {
            Send: self._send,
            DeadLetter: self._dead_letter,
            Commit: lambda action: self._source.commit(action.positions, epoch=self._epoch),
            Pause: lambda action: self._source.set_paused(action.partitions),
            Timer: self._set_timer,
            Release: self._release,
            HaltChanged: self._on_halt,
            Probe: lambda _: self._sender.prepare_next(),
        }
        self._on: dict[type, Callable[[Any], None]] = {
            events.Messages: self._messages,
            events.Joined: self._joined,
            events.PartitionsAssigned: self._assigned,
            events.PartitionsRevoking: self._revoking,
            events.PartitionsReleased: lambda event: self._gone(event.partitions),
            events.PartitionsLost: self._lost,
            events.CommitDone: lambda event: self.turn(Committed(event.positions, ok=event.error is None)),
            events.CountsChanged: lambda event: self.turn(CountsChanged(event.counts)),
            events.OutOfRange: self._out_of_range,
            events.SourceError: self._source_error,
            events.BrokersAnswer: self._brokers_answer,
            events.Closed: self._closed,
        }

    def start(self, source: Source, dead_letters: DeadLetterSink, sender: Sender) -> None:
        """Begin, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self.closed = self._loop.create_future()
        self._source, self._dead_letters, self._sender = source, dead_letters, sender
        source.start()

    def stop(self) -> None:
        """Take in and send nothing more, drain, commit, leave; `closed` is done afterwards."""
        self.turn(Stop())
        self._source.stop()

    def reset(self) -> None:
        """A person has looked: the dead-letter guard starts anew."""
        self.turn(Reset())

    def destination_changed(self) -> None:
        """The webhook URL was read again and differs."""
        self.turn(DestinationChanged())

    def snapshot(self) -> Snapshot:
        """The machine as it stands. Call it in the event loop: between two turns its numbers agree."""
        return self._machine.snapshot()

    @property
    def settled(self) -> bool:
        """Whether every record taken in is done and committed."""
        return self._machine.settled

    # ---- what happens outside

    def emit(self, event: events.SourceEvent) -> None:
        """Take an event of the Kafka side, from any thread."""
        self._loop.call_soon_threadsafe(self._source_event, event)

    def answered(self, answer: Answer) -> None:
        """Take an answer, in the event loop."""
        self._answers.append(answer)
        self._want_turn()

    def dead_letter_written(self, letter: DeadLetter, *, ok: bool) -> None:
        """Take the broker's word on a dead letter, in the event loop."""
        (self._acknowledged if ok else self._failed).append(letter)
        self._want_turn()

    def turn(self, event: Event) -> None:
        """One call of the machine, and what it says is done."""
        now = self._clock.monotonic()
        self.health.turned_at = now
        do = self._do
        try:
            for action in self._machine.handle(event, now):
                do[type(action)](action)
        except Exception as error:  # noqa: BLE001 - it would vanish in the event loop, and what waits would wait for ever
            self._fault(error)

    def _want_turn(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._turn_with_what_came)

    def _turn_with_what_came(self) -> None:
        self._turn_due = False
        if self._answers:
            answers, self._answers = self._answers, []
            self.turn(Completed(answers, int(self._clock.unix() * 1000)))
        if self._acknowledged or self._failed:
            acknowledged, self._acknowledged = self._acknowledged, []
            failed, self._failed = self._failed, []
            self.turn(DeadLettersWritten(acknowledged, failed))

    def _source_event(self, event: events.SourceEvent) -> None:
        try:
            self._on_source(event)
            self._on[type(event)](event)
        except Exception as error:  # noqa: BLE001 - as in `turn`
            self._fault(error)

    def _fault(self, error: Exception) -> None:
        if not self._faulty:
            self._faulty = True
            self._on_fault(error)

    def _messages(self, event: events.Messages) -> None:
        self.health.source_error = ""
        records = self._planner.records(event.batch)
        self._source.took(event.size)
        self.turn(Polled(records))

    def _joined(self, _: events.Joined) -> None:
        self.health.joined = True
        self.health.source_error = ""

    def _assigned(self, event: events.PartitionsAssigned) -> None:
        self._epoch = event.epoch
        self.health.source_error = ""
        self.turn(Assigned(event.positions, event.counts))

    def _revoking(self, event: events.PartitionsRevoking) -> None:
        self._reply = event.reply
        self.turn(Revoking(event.partitions, self._clock.monotonic() + event.deadline_seconds))

    def _lost(self, event: events.PartitionsLost) -> None:
        self._gone(event.partitions)
        self.turn(Lost(event.partitions))

    def _gone(self, partitions: Iterable[Partition]) -> None:
        """What was wrong with them is the next owner's affair."""
        gone = set(partitions)
        self.health.out_of_range = {p: n for p, n in self.health.out_of_range.items() if p not in gone}

    def _out_of_range(self, event: events.OutOfRange) -> None:
        self.health.out_of_range = {**self.health.out_of_range, **event.offsets}

    def _source_error(self, event: events.SourceError) -> None:
        # One lost connection keeps nobody from work; librdkafka says _ALL_BROKERS_DOWN when there is no other.
        if event.code != "_TRANSPORT":
            self.health.source_error, self.health.source_lost = event.message, event.lost

    def _brokers_answer(self, _: events.BrokersAnswer) -> None:
        if self.health.source_lost:
            self.health.source_error = ""

    def _closed(self, _: events.Closed) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    # ---- what the machine says

    def _send(self, send: Send) -> None:
        self._sender.send(send)
        if self._paced and not self._writing:
            self._writing = True
            # uvloop writes when all calls of its turn are done, before the next turn's.
            self._loop.call_soon(self._written)

    def _written(self) -> None:
        self._writing = False
        self._machine.written(self._clock.monotonic())

    def _dead_letter(self, letter: DeadLetter) -> None:
        self._on_dead_letter(letter)
        self._dead_letters.write(letter)

    def _set_timer(self, action: Timer) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Rounded up, for uvloop rounds to the nearest: a timer that fires before its time would only set itself again,
        # some hundred thousand times a second.
        milliseconds = math.ceil((action.at - self._clock.monotonic()) * 1000.0)
        self._timer = self._loop.call_later(max(0, milliseconds) / 1000.0, self.turn, Tick())

    def _release(self, action: Release) -> None:
        if self._reply is not None:
            reply, self._reply = self._reply, None
            reply.set(action.positions)
