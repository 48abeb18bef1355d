"""Partitions whose next record names a schema that is not loaded yet: they wait, and all others go on.

Theory of operation
    Each record is looked at before it is handed over. From the first that has to wait on, a partition's records are
    dropped, and it is paused; once the schema is there (or is known not to exist) the partition starts anew at that
    record. So what waits takes no memory, and whoever gets the partition in between reads the same records.

Lives on the Kafka thread; `schemas` is replaced, never changed, so that others can read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from consumer.delivery.messages import Partition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from confluent_kafka import Message

    from consumer.kafka.decode.schemas import SchemaId


class Needs(Struct, frozen=True):
    """What has to be there before a record can be decoded.

    Attributes:
        of: the schema that a record names; None where it names none.
        missing: whether a schema is not there yet; it is being loaded from then on. Returns at once.
        problem: why schemas cannot be loaded; "" while nothing is known against it.
    """

    of: Callable[[Message], SchemaId | None]
    missing: Callable[[SchemaId], bool]
    problem: Callable[[], str] = lambda: ""

    def unmet(self, message: Message) -> SchemaId | None:
        """The schema that a record has to wait for."""
        schema_id = self.of(message)
        return schema_id if schema_id is not None and self.missing(schema_id) else None


class Waiting:
    """Which partitions wait, and at which offset.

    Args:
        needs: of records; None where they have none.

    Attributes:
        schemas: the one that each partition waits for.
    """

    def __init__(self, needs: Needs | None) -> None:
        self._needs = needs
        self._offsets: dict[Partition, int] = {}
        self.schemas: Mapping[Partition, SchemaId] = {}

    def admit(self, batch: Sequence[Message]) -> Sequence[Message]:
        """The records that may be handed over."""
        if self._needs is None:
            return batch
        ready = []
        for message in batch:
            partition = Partition(message.topic() or "", message.partition() or 0)
            if partition in self._offsets:
                continue
            unmet = self._needs.unmet(message)
            if unmet is None:
                ready.append(message)
            else:
                self._offsets[partition] = message.offset() or 0
                self.schemas = {**self.schemas, partition: unmet}
        return ready

    def over(self) -> Mapping[Partition, int]:
        """Partitions that need wait no longer, each with the offset to start at; they are forgotten."""
        if self._needs is None or not self._offsets:
            return {}
        found = {p: self._offsets[p] for p, schema_id in self.schemas.items() if not self._needs.missing(schema_id)}
        self.forget(found)
        return found

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These are somebody else's, or start elsewhere."""
        for partition in partitions:
            self._offsets.pop(partition, None)
        if len(self._offsets) < len(self.schemas):
            self.schemas = {p: schema_id for p, schema_id in self.schemas.items() if p in self._offsets}
