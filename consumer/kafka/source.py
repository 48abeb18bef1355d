"""Records out of Kafka and commits into it, on a thread of their own; the driver's side of it.

    source = KafkaSource(config, emit)     # emit: loop.call_soon_threadsafe(...)
    source.start()
    ...                                    # events come; commit(), set_paused(), took() go
    source.stop()                          # PartitionsRevoking for everything, then Closed

No method waits. A topic that is missing and a broker that is down are reported and waited for.
"""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from consumer.kafka.inbox import CommitCommand, Inbox, PauseCommand, StopCommand, TookCommand
from consumer.kafka.loop import SourceLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumer.delivery.messages import Partition, Position
    from consumer.kafka.decode.schemas import SchemaId
    from consumer.kafka.events import SourceEvent
    from consumer.kafka.properties import SourceConfig
    from consumer.kafka.waiting import Needs


class KafkaSource:
    """The Kafka consumer on its thread. Every method may be called from any thread and returns at once.

    Args:
        config: which records, as whom, from where.
        emit: takes each event, on the Kafka thread; must neither block nor raise.
        needs: what records need before they are handed over; their partition waits for it.

    Raises:
        ConfigurationError: librdkafka refuses ``config.properties``, or a topic pattern is none.
    """

    def __init__(self, config: SourceConfig, emit: Callable[[SourceEvent], None], needs: Needs | None = None) -> None:
        self._inbox = Inbox()
        self._loop = SourceLoop(config, emit, self._inbox, needs)
        # A daemon: librdkafka may wait for a coordinator that never comes back, and must not keep the process.
        self._thread = Thread(target=self._loop.run, name="kafka", daemon=True)

    def start(self) -> None:
        """Join the group and read."""
        self._thread.start()

    def commit(self, positions: Mapping[Partition, Position], *, epoch: int) -> None:
        """Commit; `CommitDone` follows. One at a time.

        Args:
            positions: those of partitions given up meanwhile are left out.
            epoch: of the last `PartitionsAssigned` that these positions know of.
        """
        self._inbox.put(CommitCommand(positions, epoch))

    def set_paused(self, partitions: frozenset[Partition]) -> None:
        """Have these paused, and no others; holds for partitions that are assigned later, too."""
        self._inbox.put(PauseCommand(partitions))

    def took(self, size: int) -> None:
        """Say that records of this size (`Messages.size`) are out of the hand-over."""
        self._inbox.put(TookCommand(size))

    def ends(self) -> Mapping[Partition, int]:
        """The offset that each partition's next record will have, some seconds old: lag's upper end."""
        return self._loop.watch.ends

    def waiting(self) -> Mapping[Partition, SchemaId]:
        """Partitions whose next record waits for this schema."""
        return self._loop.waiting.schemas

    def stop(self) -> None:
        """Give everything up: `PartitionsRevoking`, `PartitionsReleased`, then `Closed`."""
        self._inbox.put(StopCommand())

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread's end, which `Closed` announces; whether it has ended."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()
