"""Finds records on the broker: one by its place, or all since a time, and the dead letters of one."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition
from msgspec.structs import replace

from consumer.delivery.messages import Partition
from consumer.errors import ConfigurationError, KafkaUnavailableError, Problem
from consumer.from_settings import source_config
from consumer.kafka.dead_letter_headers import split_headers
from consumer.kafka.properties import consumer_properties, make_client
from consumer.replay.selection import Origin, Selection, Stretch
from consumer.replay.survey import Surveyor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from confluent_kafka import Message

    from consumer.config.model import Settings
    from consumer.replay.survey import Scope

_BATCH: Final = 500
_POLL_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 30.0
_DAY_MS: Final = 86_400_000
_MEMBERSHIP: Final = ("group.protocol", "group.instance.id", "group.remote.assignor")
_PLACE: Final = re.compile(r"(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<partition>\d{1,9})/(?P<offset>\d{1,18})")


class Place(NamedTuple):
    """Where a record stands."""

    partition: Partition
    offset: int

    def __str__(self) -> str:
        return f"{self.partition.topic}/{self.partition.number}/{self.offset}"


def parse_place(text: str) -> Place | None:
    """``TOPIC/PARTITION/OFFSET``; None where it is none."""
    found = _PLACE.fullmatch(text)
    return Place(Partition(found["topic"], int(found["partition"])), int(found["offset"])) if found else None


class Reader:
    """Reads stretches of topics, each with a consumer of its own.

    Args:
        settings: which cluster, as whom.
        say: told what keeps it from reading, while it tries.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._config = source_config(settings)
        self._dead_letters = settings.dead_letter.topic
        self._say = say

    def record(self, place: Place) -> tuple[Message, int | None]:
        """A record, and up to where the service's group has committed its partition (None: nothing yet).

        Raises:
            ConfigurationError: there is no such partition.
            KafkaUnavailableError: no answer, or there is no such record.
        """
        stretch = Stretch(place.partition, place.offset, place.offset + 1)
        selection = Selection(Origin.SOURCE, (place.partition.topic,), stretches=(stretch,))
        try:
            with self._open(selection) as (consumer, scope):
                found = next(self._read(consumer, scope), None)
        except ConfigurationError as error:
            raise ConfigurationError([Problem(str(place), each.message) for each in error.problems]) from None
        if found is None:
            raise KafkaUnavailableError(
                f"{place} holds no record: it is not written yet, retention or compaction has removed it, or the "
                "offset is a transaction's marker"
            )
        committed = scope.committed.get(place.partition)
        return found, None if committed is None else committed.offset

    def since(self, unix_ms: int) -> Iterator[Message]:
        """Every record of the source topics since a time, as far as they went when it began.

        Raises:
            KafkaUnavailableError: no answer, or no topic.
        """
        with self._open(Selection(Origin.SOURCE, self._config.topics, since_ms=unix_ms)) as (consumer, scope):
            yield from self._read(consumer, scope)

    def letters(self, place: Place, record_ms: int) -> list[tuple[Place, Mapping[str, str]]]:
        """What the dead-letter topic holds of a record: where, and what its headers say, oldest first.

        Raises:
            KafkaUnavailableError: no answer, or no topic.
        """
        # A letter is younger than its record; a day for producers whose clocks are ahead.
        since = min(record_ms, int(time.time() * 1000)) - _DAY_MS
        selection = Selection(Origin.SOURCE, (self._dead_letters,), since_ms=max(0, since))
        wanted = {
            "dlq_topic": place.partition.topic,
            "dlq_partition": str(place.partition.number),
            "dlq_offset": str(place.offset),
        }
        found = []
        with self._open(selection) as (consumer, scope):
            for message in self._read(consumer, scope):
                _, said = split_headers(message.headers())  # type: ignore[arg-type]  # of a record that was read: bytes
                if wanted.items() <= said.items():
                    found.append((place_of(message), said))
        return sorted(found, key=lambda each: each[1].get("dlq_at", ""))

    @contextmanager
    def _open(self, selection: Selection) -> Iterator[tuple[Consumer, Scope]]:
        """A consumer, and what it is to read."""
        config = replace(self._config, topics=selection.topics, start_from="earliest")
        own = {"enable.partition.eof": True, "auto.offset.reset": "earliest", "error_cb": self._error, "log_level": 0}
        properties = {name: value for name, value in consumer_properties(config).items() if name not in _MEMBERSHIP}
        consumer = make_client(Consumer, properties | own, config.properties)
        try:
            yield consumer, Surveyor(consumer, selection, config.group_id).survey()
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, scope: Scope) -> Iterator[Message]:
        """The records of a scope; those of a partition in order."""
        left = set(scope.starts)
        consumer.assign([TopicPartition(p.topic, p.number, offset) for p, offset in scope.starts.items()])
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while left:
            polled = consumer.consume(_BATCH, _POLL_SECONDS)
            if polled:
                deadline = time.monotonic() + _PATIENCE_SECONDS
            elif time.monotonic() > deadline:
                raise KafkaUnavailableError(
                    f"no records within {_PATIENCE_SECONDS:g} s; check the network and the ACLs"
                )
            for message in polled:
                place = place_of(message)
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - a public name
                    raise KafkaUnavailableError(f"reading {place.partition.topic}: {error.str()}")
                end = scope.ends.get(place.partition, 0)
                if error is None and place.offset < end:
                    yield message
                if place.offset + (error is None) >= end:
                    left.discard(place.partition)

    def _error(self, error: KafkaError) -> None:
        self._say(error.str())


def place_of(message: Message) -> Place:
    """Where a record stands that was read."""
    return Place(Partition(message.topic() or "", message.partition() or 0), message.offset() or 0)
