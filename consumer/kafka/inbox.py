"""What the driver tells the Kafka thread: commands, in the order in which they were given."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.delivery.messages import Partition, Position
    from consumer.kafka.events import Reply


class CommitCommand(Struct, frozen=True):
    """Commit these positions, as far as they are of an epoch that the driver has seen."""

    positions: Mapping[Partition, Position]
    epoch: int


class PauseCommand(Struct, frozen=True):
    """Have these partitions paused, and no others."""

    partitions: frozenset[Partition]


class TookCommand(Struct, frozen=True):
    """The driver has taken records of this size."""

    size: int


class ReleaseCommand(Struct, frozen=True):
    """The answer to a revoke."""

    reply: Reply
    positions: Mapping[Partition, Position]


class StopCommand(Struct, frozen=True):
    """Give everything up and end."""


Command = CommitCommand | PauseCommand | TookCommand | ReleaseCommand | StopCommand


class Inbox:
    """A queue into the Kafka thread: any thread may put, without waiting."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Command] = SimpleQueue()

    def put(self, command: Command) -> None:
        """Append a command; never blocks."""
        self._queue.put(command)

    def get(self, timeout_seconds: float) -> Command | None:
        """The next command, or None when none came in time; 0 does not wait."""
        try:
            return self._queue.get(timeout_seconds > 0, timeout_seconds or None)
        except Empty:
            return None
