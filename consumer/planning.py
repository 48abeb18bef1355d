"""From polled messages to the machine's records: decode, then route. The only place where both meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs
from msgspec.structs import replace

from consumer.delivery.messages import Partition, Record
from consumer.outcomes import Planned, Post, Reject, Skip, SkipReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from confluent_kafka import Message

    from consumer.kafka.decode import Decoder

    Route = Callable[[dict[str, Any]], Sequence[Planned]]

_EMPTY = (Skip(SkipReason.EMPTY_BATCH),)
_TIMESTAMP_NOT_AVAILABLE = 0

MAX_ID_CHARS = 100
"""How much of a messageId a line shows; Segment's are 36 to 55 characters."""


class Planner:
    """Decodes and routes. ``route`` may be replaced between two batches: that is how mappings are reloaded."""

    def __init__(self, decoder: Decoder, route: Route) -> None:
        self._decoder = decoder
        self._once_more = decoder.without_fallbacks()
        self.route = route
        self._partitions: dict[tuple[str, int], Partition] = {}

    def records(self, messages: Sequence[Message]) -> list[Record]:
        """One record a message, in order."""
        partitions, plan = self._partitions, self._plan
        records = []
        for message in messages:
            topic, number = message.topic(), message.partition()
            offset = message.offset()
            # A message without an error has all three; its types only cannot say so.
            assert topic is not None
            assert number is not None
            assert offset is not None
            partition = partitions.get((topic, number))
            if partition is None:
                partition = partitions[topic, number] = Partition(topic, number)
            value, key = message.value(), message.key()
            kind, timestamp = message.timestamp()
            if kind == _TIMESTAMP_NOT_AVAILABLE:
                timestamp = 0
            size = (len(value) if value is not None else 0) + (len(key) if key is not None else 0)
            records.append(Record(partition, offset, size, plan(value, message, timestamp), message, timestamp))
        return records

    def message_id(self, message: Any) -> str:
        """The messageId of a record that is one event, for the log; "" where it has none, or is several."""
        headers = message.headers() if self._decoder.wants_headers else None
        decoded = self._once_more.decode(message.value(), headers, message.timestamp()[1])
        event = decoded[0] if type(decoded) is list and len(decoded) == 1 else None
        found = event.get("messageId") if isinstance(event, dict) else None
        return found[:MAX_ID_CHARS] if isinstance(found, str) else ""

    def _plan(self, value: bytes | None, message: Message, timestamp_ms: int) -> Sequence[Planned]:
        decoded = self._decoder.decode(value, message.headers() if self._decoder.wants_headers else None, timestamp_ms)
        if type(decoded) is not list:
            # A record comes here once its schema is loaded, or known not to exist: `consumer.kafka.waiting`.
            assert isinstance(decoded, (Skip, Reject)), "a record came before its schema"
            return (decoded,)
        if len(decoded) == 1:
            event = decoded[0]
            return (event,) if isinstance(event, Reject) else self.route(event)
        planned: list[Planned] = []
        for number, event in self._chosen(decoded, message):
            plans = (event,) if isinstance(event, Reject) else self.route(event)
            planned += [_numbered(plan, number) for plan in plans]
        return planned or _EMPTY

    def _chosen(self, decoded: list[Any], message: Message) -> Iterable[tuple[int, Any]]:  # noqa: ARG002 - for others
        """Which of a record's several events are planned, with their numbers: all of them."""
        return enumerate(decoded)


def _numbered(plan: Planned, number: int) -> Planned:
    """The plan with its event's number within the record: its dead letter must say which one failed."""
    if type(plan) is Post:
        return structs.replace(plan, event=number)
    return replace(plan, event=number) if isinstance(plan, Reject) else plan
