"""What the Kafka thread tells the driver, as values, in the order in which it happened.

Each is handed to the ``emit`` that the driver gave; that must not block and must be callable from any thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from confluent_kafka import Message

    from consumer.delivery.messages import Partition, Position


class Reply:
    """The answer that a revoke waits for; the first one counts, and only before the deadline."""

    __slots__ = ("_deliver",)

    def __init__(self, deliver: Callable[[Reply, Mapping[Partition, Position]], None]) -> None:
        self._deliver = deliver

    def set(self, positions: Mapping[Partition, Position]) -> None:
        """Let go: commit these positions and give the partitions up. From any thread, never blocks."""
        self._deliver(self, positions)


class Messages(Struct, frozen=True):
    """Records, in offset order within each partition.

    Attributes:
        batch: none of them is an error.
        size: what they hold in memory, about; to be given back with `KafkaSource.took`.
    """

    batch: Sequence[Message]
    size: int


class Joined(Struct, frozen=True):
    """The group has taken us in; the assignment may be empty for good (more replicas than partitions)."""


class PartitionsAssigned(Struct, frozen=True):
    """Partitions that are ours from now on; their records come after this.

    Attributes:
        positions: where each starts, with the metadata committed there.
        counts: how many partitions each subscribed topic has.
        epoch: rises with each assignment; `KafkaSource.commit` takes the last one seen.
    """

    positions: Mapping[Partition, Position]
    counts: Mapping[str, int]
    epoch: int


@dataclass(frozen=True, slots=True)
class PartitionsRevoking:
    """Partitions to be given up. The Kafka thread waits for ``reply``, then commits it and lets go.

    Attributes:
        deadline_seconds: from now; without a reply nothing more is committed for them.
    """

    partitions: Sequence[Partition]
    deadline_seconds: float
    reply: Reply = field(compare=False)


class PartitionsReleased(Struct, frozen=True):
    """Partitions have been given up.

    Attributes:
        committed: whether the reply's positions are committed; if not, the next owner delivers some of it again.
    """

    partitions: Sequence[Partition]
    committed: bool


class PartitionsLost(Struct, frozen=True):
    """Partitions that are no longer ours, or start anew elsewhere: nothing of them is committed any more."""

    partitions: Sequence[Partition]


class CommitDone(Struct, frozen=True):
    """The commit under way has ended.

    Attributes:
        positions: those asked for, without the ones whose partition was given up meanwhile.
        error: what Kafka said against it, None if it is committed.
    """

    positions: Mapping[Partition, Position]
    error: str | None


class OutOfRange(Struct, frozen=True):
    """The topics no longer have these offsets, and ``on_out_of_range`` is ``halt``: the partitions stand still.

    Retention was shorter than an outage, or a topic was made anew. A person resets the group's offsets, or sets
    ``kafka.on_out_of_range``; both take a restart.
    """

    offsets: Mapping[Partition, int]


class CountsChanged(Struct, frozen=True):
    """Topics came, went or grew; see `PartitionsAssigned.counts`."""

    counts: Mapping[str, int]


class SourceError(Struct, frozen=True):
    """Something is wrong that a person may have to see to; the thread goes on trying unless it is ``fatal``.

    Attributes:
        code: Kafka's name for it, such as ``UNKNOWN_TOPIC_OR_PART``; a metric label.
        message: for people: what it means and what to check.
        fatal: nothing will be read any more; only a new process helps.
        lost: it is of the connection, and over with `BrokersAnswer`.
    """

    code: str
    message: str
    fatal: bool = False
    lost: bool = False


class BrokersAnswer(Struct, frozen=True):
    """A lost connection is back: what `SourceError` said of it is over."""


class Closed(Struct, frozen=True):
    """The thread has ended: the last event."""


SourceEvent = (
    Messages
    | Joined
    | PartitionsAssigned
    | PartitionsRevoking
    | PartitionsReleased
    | PartitionsLost
    | CommitDone
    | OutOfRange
    | CountsChanged
    | SourceError
    | BrokersAnswer
    | Closed
)
