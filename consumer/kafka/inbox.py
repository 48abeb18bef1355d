"""What the driver tells the Kafka thread: commands, in the order in which they were given."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.delivery.messages import Partition, Position
    from consumer.kafka.events import Reply


@dataclass(frozen=True, slots=True)
class CommitCommand:
    """Commit these positions, as far as they are of an epoch that the driver has seen."""

    positions: Mapping[Partition, Position]
    epoch: int


@dataclass(frozen=True, slots=True)
class PauseCommand:
    """Have these partitions paused, and no others."""

    partitions: frozenset[Partition]


@dataclass(frozen=True, slots=True)
class TookCommand:
    """The driver has taken records of this size."""

    size: int


@dataclass(frozen=True, slots=True)
class ReleaseCommand:
    """The answer to a revoke."""

    reply: Reply
    positions: Mapping[Partition, Position]


@dataclass(frozen=True, slots=True)
class StopCommand:
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
