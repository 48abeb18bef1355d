"""Reads the end of every partition: may it be read, what are the records, and do their keys keep the order?

A delivery's order is its partition's (`docs/guarantees.md`). Records of one customer or contact that lie in several
partitions have no order that a consumer could keep: the producer's key decides, and only the records show it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, TopicPartition
from msgspec import Struct, field

from consumer.checks.finding import Finding, Verdict
from consumer.delivery.messages import Partition
from consumer.from_settings import source_config
from consumer.kafka.decode.schemas import SchemaUnavailable
from consumer.kafka.faults import remedy_for
from consumer.kafka.offsets import offsets_at
from consumer.kafka.properties import consumer_properties
from consumer.outcomes import Post, Reject

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from confluent_kafka import Message

    from consumer.checks.finding import Deadline
    from consumer.config.model import Settings
    from consumer.kafka.decode import Decoder
    from consumer.outcomes import Planned

RECORDS: Final = 1_000
"""How many records are looked at, over all partitions."""

_POLL_SECONDS: Final = 0.2
_MOST_REASONS: Final = 5
_FEW: Final = 0.05
"""A part of records this small with another key is somebody's experiment, no rule of the producer."""


class Sample(Struct):
    """What was read.

    Attributes:
        messages: with a value.
        refused: errors of single topics and partitions.
        unread: partitions that have not answered to their end in time.
    """

    messages: list[Message] = field(default_factory=list)
    refused: list[KafkaError] = field(default_factory=list)
    unread: set[Partition] = field(default_factory=set)


def open_reader(settings: Settings) -> Consumer:
    """A client of the group that joins nothing and commits nothing."""
    own = {"enable.partition.eof": True, "auto.offset.reset": "earliest", "log_level": 0}
    return Consumer(consumer_properties(source_config(settings)) | own | {"error_cb": _ignored})


def _ignored(_: KafkaError) -> None:
    """What is wrong with the connection is in the answers."""


def read(consumer: Consumer, partitions: Collection[Partition], deadline: Deadline) -> Sample:
    """The last records of each partition, evenly, up to `RECORDS` of them.

    Raises:
        KafkaException: where the partitions begin and end is not to be had.
    """
    sample = Sample(unread=set(partitions))
    if not partitions:
        return sample
    first = offsets_at(consumer, partitions, OFFSET_BEGINNING, deadline.at_most(10))
    ends = offsets_at(consumer, partitions, OFFSET_END, deadline.at_most(10))
    each = max(1, RECORDS // len(partitions))
    consumer.assign([TopicPartition(p.topic, p.number, max(first[p], ends[p] - each)) for p in partitions])
    while sample.unread and not deadline.over:
        for message in consumer.consume(RECORDS, deadline.at_most(_POLL_SECONDS)):
            _take(message, ends, sample)
    return sample


def _take(message: Message, ends: dict[Partition, int], sample: Sample) -> None:
    error, topic, number, offset = message.error(), message.topic(), message.partition(), message.offset()
    if error is None:
        assert topic is not None
        assert number is not None
        assert offset is not None
        if message.value() is not None:
            sample.messages.append(message)
        if offset + 1 >= ends[Partition(topic, number)]:
            sample.unread.discard(Partition(topic, number))
    elif topic is not None and number is not None:  # others are of the connection or the group
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own errors are public so
            sample.refused.append(error)
        sample.unread.discard(Partition(topic, number))


def reading(sample: Sample) -> Finding:
    """Whether the records may be read."""
    name = "kafka.read"
    if sample.refused:
        first = sample.refused[0]
        return Finding(name, Verdict.FAIL, first.str(), (remedy_for(first) or "see the brokers' log",))
    if sample.unread:
        where = ", ".join(sorted(f"{p.topic}/{p.number}" for p in sample.unread)[:5])
        says = f"no answer in time from {len(sample.unread)} partitions: {where}"
        return Finding(
            name, Verdict.FAIL, says, ("check that these partitions have a leader; or give a longer --timeout",)
        )
    return Finding(name, Verdict.PASS, f"{len(sample.messages):,} records read from the partitions' ends")


class Lanes:
    """What the sampled records become, and how they are keyed."""

    def __init__(self, decoder: Decoder, route: Callable[[dict[str, Any]], Sequence[Planned]]) -> None:
        self._decoder = decoder
        self._route = route
        self._ended: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._places: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        self._keys: Counter[str] = Counter()

    def look(self, messages: Iterable[Message]) -> None:
        """Decode and map records; nothing of them is kept but counts and lanes."""
        for message in messages:
            key = message.key()
            for planned, event in self._planned(message):
                if isinstance(planned, SchemaUnavailable):
                    self._ended["waiting"] += 1
                    self._reasons["schemas not loaded"] += 1
                elif isinstance(planned, Post):
                    self._ended["delivered"] += 1
                    self._places[str(message.topic()), planned.lane].add(message.partition() or 0)
                    self._keys[_kind_of_key(key, event)] += 1
                else:
                    self._ended["refused" if isinstance(planned, Reject) else "skipped"] += 1
                    self._reasons[planned.reason.value] += 1

    def _planned(self, message: Message) -> Iterator[tuple[Planned | SchemaUnavailable, dict[str, Any]]]:
        kind, timestamp = message.timestamp()
        headers = message.headers() if self._decoder.wants_headers else None
        decoded = self._decoder.decode(message.value(), headers, timestamp if kind else 0)
        for event in decoded if isinstance(decoded, list) else [decoded]:
            if isinstance(event, dict):
                yield from ((planned, event) for planned in self._route(event))
            else:
                yield event, {}

    def outcomes(self) -> Finding:
        """What would become of the records."""
        name, number = "source.records", self._ended.total()
        if not number:
            return Finding(name, Verdict.SKIP, "there are none to look at")
        named = self._reasons.most_common(_MOST_REASONS)
        others = self._reasons.total() - sum(count for _, count in named)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in (*named, ("for other reasons", others)) if count)
        would = f"of {number:,} deliveries {self._ended['delivered']:,} would be sent"
        says = f"{would}{'; ' if reasons else ''}{reasons}"
        if self._ended["refused"] > number / 2:
            remedy = "most would be dead-lettered: check source.format, source.envelope and the mappings with preview"
            return Finding(name, Verdict.WARN, says, (remedy,))
        if not self._ended["delivered"]:
            return Finding(name, Verdict.WARN, says, ("none would be sent: check the mappings with preview",))
        return Finding(name, Verdict.PASS, says)

    def keys(self, partitions: Collection[Partition]) -> Finding:
        """Whether each customer's and contact's records lie in one partition."""
        name, number = "source.keys", self._keys.total()
        if not number:
            return Finding(name, Verdict.SKIP, "there are no records to look at")
        spread = sum(len(places) > 1 for places in self._places.values())
        other = self._keys["none"] + self._keys["other"]
        several = {p.topic for p in partitions if p.number > 0}
        if spread or (several and other > number * _FEW):
            says = (
                f"of {number:,} deliveries {self._keys['none']:,} have no key, {self._keys['other']:,} a key other than"
                f" user or group; {spread:,} of {len(self._places):,} customers and contacts lie in several partitions"
            )
            remedy = "their order cannot be kept: have the producer key records by userId, and groups by groupId"
            return Finding(name, Verdict.WARN, says, (remedy,))
        return Finding(name, Verdict.PASS, f"{len(self._places):,} customers and contacts, each in one partition")


def _kind_of_key(key: bytes | None, event: dict[str, Any]) -> str:
    """``own`` where the key is, or holds, the event's user or group; ``none``, ``other``."""
    if not key:
        return "none"
    text = key.decode("utf-8", "replace")
    context = event.get("context")
    ids = [event.get("userId"), event.get("anonymousId"), event.get("groupId")]
    if isinstance(context, dict):
        ids.append(context.get("groupId"))
    return "own" if any(str(each) in text for each in ids if each not in (None, "")) else "other"
