"""What a run takes: of dead letters by their headers alone, of source records by time, key and place.

Theory of operation
    A letter is known by where its record stands (topic, partition, offset), by the mapping that failed, and by the
    event, where the record holds several (one that does not say stands for all of them). Letters stay in their topic
    when they are replayed, and one that fails again is written anew with the same coordinates; so the same delivery
    may be there several times. A run sends it once, at the place of its first letter, which is where it belongs in the
    order of its customer or contact; the others are *merged* into it.

    A run that was interrupted is continued by its id, with the same selection (the id holds a digest of it). Its own
    letters it knows by their ``dlq_group``: it never reads what it wrote.

Pure.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from consumer.delivery.messages import Partition
from consumer.kafka.dead_letter_headers import split_headers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from confluent_kafka import Message

    from consumer.delivery.messages import Position
    from consumer.kafka.dead_letter_headers import Header

LEFT_PLACES: Final = 10
"""How many letters that cannot be sent are named, and how many groups."""

_REPLAY: Final = ".replay."


class Origin(StrEnum):
    """Where the records of a run come from."""

    DEAD_LETTERS = "dead-letters"
    SOURCE = "source"


class Stretch(NamedTuple):
    """Offsets of a partition that is read: ``first`` up to, not including, ``end`` (None: as far as it goes)."""

    partition: Partition
    first: int = 0
    end: int | None = None

    def holds(self, partition: Partition, offset: int) -> bool:
        """Whether a record lies in it."""
        return partition == self.partition and self.first <= offset and (self.end is None or offset < self.end)


class Selection(Struct, frozen=True):
    """What is taken; an empty collection asks for nothing in particular.

    Attributes:
        topics: the dead-letter topic, or the source topics as the settings name them.
        reasons, stages: of dead letters only; values of ``dlq_reason`` and ``dlq_stage``.
        groups: of dead letters only; consumer groups of services that wrote them, or for which a replay did.
        mappings: of a letter, the one that failed; of a source record, those whose deliveries are sent.
        since_ms, until_ms: Unix milliseconds, the second excluded; of a letter when it was written (``dlq_at``), of a
            source record its timestamp.
        keys: record keys.
        stretches: places in the topic that is read.

    Raises:
        ValueError: reasons, stages or groups of source records.
    """

    origin: Origin
    topics: tuple[str, ...]
    reasons: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    mappings: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    keys: frozenset[bytes] = frozenset()
    stretches: tuple[Stretch, ...] = ()

    def __post_init__(self) -> None:
        if self.origin is Origin.SOURCE and (self.reasons or self.stages or self.groups):
            raise ValueError("source records have neither reason nor stage nor group")

    @property
    def bounded(self) -> bool:
        """Whether it is less than everything there is."""
        return bool(self.keys or self.stretches) or self.since_ms is not None or self.until_ms is not None

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that another selection does not have."""
        parts = (
            self.origin.value,
            self.topics,
            *(sorted(names) for names in (self.reasons, self.stages, self.groups, self.mappings)),
            sorted(self.keys),
            self.since_ms,
            self.until_ms,
            sorted(self.stretches, key=repr),
        )
        return sha256(repr(parts).encode()).hexdigest()[:8]

    def takes(self, record: Message, context: Mapping[str, str]) -> bool:
        """Whether a record is meant, whoever wrote it.

        Args:
            record: of a topic that is read, without an error.
            context: what its headers say of it as a dead letter; empty where it is none.
        """
        if self.keys and record.key() not in self.keys:
            return False
        if self.stretches and not self._in_a_stretch(record):
            return False
        kind, timestamp = record.timestamp()
        at = timestamp if kind else 0
        if self.origin is Origin.DEAD_LETTERS:
            at = unix_ms(context.get("dlq_at", "")) or at
            for name, wanted in (("reason", self.reasons), ("stage", self.stages), ("mapping", self.mappings)):
                if wanted and context.get(f"dlq_{name}", "") not in wanted:
                    return False
        return (self.since_ms is None or at >= self.since_ms) and (self.until_ms is None or at < self.until_ms)

    def takes_from(self, group: str) -> bool:
        """Whether letters of a group are meant: of a service, or of a replay for one."""
        return not self.groups or not self.groups.isdisjoint({group, group.rpartition(_REPLAY)[0]})

    def _in_a_stretch(self, record: Message) -> bool:
        partition, offset = place_of(record)
        return any(stretch.holds(partition, offset) for stretch in self.stretches)


class Sieve:
    """Lets through what a run is to send, and counts the rest. Lives on the reading thread; others may read counts.

    Args:
        selection: what is taken.
        group: the run's own group: letters that this run wrote are passed over.
        committed: where the run stood when it was interrupted: letters below are done, and known.

    Attributes:
        passed: let through.
        merged: letters of a delivery that another letter stands for.
        left: letters that cannot be sent: too large for the dead-letter topic, so their value is not in it.
        left_places: where the records of the first of these stand, ``topic/partition/offset``.
        foreign: records of the dead-letter topic that are no dead letters of this software; not selected.
        others: letters that are selected but for their group.
        other_groups: names of the first of these groups.
    """

    def __init__(self, selection: Selection, group: str, committed: Mapping[Partition, Position]) -> None:
        self._selection = selection
        self._group = group
        self._committed = committed
        self._seen: dict[tuple[Partition, str, str], set[int]] = defaultdict(set)
        self.passed = self.merged = self.left = self.foreign = self.others = 0
        self.left_places: list[str] = []
        self.other_groups: set[str] = set()

    @property
    def selected(self) -> int:
        """All that the selection takes."""
        return self.passed + self.merged + self.left

    def passes(self, record: Message) -> bool:
        """Whether a record is to be sent."""
        if self._selection.origin is Origin.SOURCE:
            passes = self._selection.takes(record, {}) and not self._done(record)
            self.passed += passes
            return passes
        context = context_of(record)
        if not context:
            self.foreign += 1
            return False
        if context.get("dlq_group") == self._group or not self._selection.takes(record, context):
            return False
        group = context.get("dlq_group", "")
        if not self._selection.takes_from(group):
            self.others += 1
            if len(self.other_groups) < LEFT_PLACES and group.isprintable():
                self.other_groups.add(group)
            return False
        if "dlq_value_sha256" in context:
            return self._leave(context)
        again = self._again(context)
        if self._done(record):
            return False
        self.merged += again
        self.passed += not again
        return not again

    def _again(self, context: Mapping[str, str]) -> bool:
        """Whether another letter stands for this one: of the same event, or of all events of its record."""
        origin = original_place(context)
        if origin is None:
            return False
        partition, offset = origin
        mapping, event = context.get("dlq_mapping", ""), context.get("dlq_event", "")
        again = any(offset in self._seen[partition, mapping, each] for each in (event, ""))
        self._seen[partition, mapping, event].add(offset)
        return again

    def _done(self, record: Message) -> bool:
        partition, offset = place_of(record)
        committed = self._committed.get(partition)
        return committed is not None and offset < committed.offset

    def _leave(self, context: Mapping[str, str]) -> bool:
        self.left += 1
        if len(self.left_places) < LEFT_PLACES:
            self.left_places.append("/".join(context.get(f"dlq_{n}", "?") for n in ("topic", "partition", "offset")))
        return False


def context_of(record: Message) -> Mapping[str, str]:
    """What a dead letter's headers say; empty for any other record."""
    headers: Sequence[Header] | None = record.headers()  # type: ignore[assignment] # of a polled one they are a list
    return split_headers(headers)[1]


def place_of(record: Message) -> tuple[Partition, int]:
    """Where a record without an error stands."""
    topic, number, offset = record.topic(), record.partition(), record.offset()
    assert topic is not None
    assert number is not None
    assert offset is not None
    return Partition(topic, number), offset


def original_place(context: Mapping[str, str]) -> tuple[Partition, int] | None:
    """Where a letter's record stands; None where the headers do not say: anybody may have written them."""
    topic, number, offset = (context.get(f"dlq_{name}", "") for name in ("topic", "partition", "offset"))
    if not topic or not _is_number(number) or not _is_number(offset):
        return None
    return Partition(topic, int(number)), int(offset)


def attempts_of(context: Mapping[str, str]) -> int:
    """How often a letter's delivery was sent; 0 where it was not, or where the header is no number."""
    text = context.get("dlq_attempts", "")
    return int(text) if _is_number(text) else 0


def event_of(context: Mapping[str, str]) -> int | None:
    """Which of its record's events a letter is about, from 0; None where the headers do not say."""
    text = context.get("dlq_event", "")
    return int(text) if _is_number(text) else None


def record_time(context: Mapping[str, str]) -> int:
    """The timestamp of a letter's record in Unix milliseconds; 0 where it is not known."""
    return unix_ms(context.get("dlq_record_at", ""))


def unix_ms(text: str) -> int:
    """An ISO 8601 time with its zone, in Unix milliseconds; 0 where it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return int(time.timestamp() * 1000) if time.tzinfo is not None else 0


def new_run_id(selection: Selection, now: datetime) -> str:
    """A name for a run: when it began, and what it selects."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S}{now.microsecond // 1000:03}Z-{selection.digest}"


def run_group(group: str, run_id: str) -> str:
    """The consumer group that a run keeps its offsets in."""
    return f"{group}{_REPLAY}{run_id}"


def names(partitions: Collection[Partition]) -> str:
    """``topic/0, topic/1``."""
    return ", ".join(f"{topic}/{number}" for topic, number in sorted(partitions))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
