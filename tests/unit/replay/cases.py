"""Records of a dead-letter topic, as the reading thread gets them."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Message

from consumer.kafka.dead_letter_headers import DeadLetterContext, build_headers
from consumer.outcomes import DeliverReason, Stage

TOPIC = "dead-letters"
AT_MS = 1_790_000_000_000


def context(offset: int = 7, **changes: Any) -> DeadLetterContext:
    values: dict[str, Any] = {
        "reason": DeliverReason.HTTP_REJECTED,
        "stage": Stage.DELIVER,
        "detail": "",
        "topic": "events",
        "partition": 3,
        "offset": offset,
        "group": "group",
        "at_ms": AT_MS,
        "mapping": "leads",
    }
    return DeadLetterContext(**{**values, **changes})


def record(
    at: int,
    headers: list[tuple[str, bytes | None]] | None = None,
    *,
    value: bytes | None = b"{}",
    key: bytes | None = b"key",
    partition: int = 0,
    timestamp_ms: int = AT_MS,
) -> Message:
    """Any record of the topic that is read."""
    return Message(
        topic=TOPIC,
        partition=partition,
        offset=at,
        key=key,
        value=value,
        headers=headers,
        timestamp=(1, timestamp_ms),
    )


def letter(
    at: int, offset: int = 7, *, value: bytes | None = b"{}", key: bytes | None = b"key", **changes: Any
) -> Message:
    """A dead letter at ``at`` of the record at ``offset`` of events/3."""
    return record(at, build_headers([("own", b"1")], context(offset, **changes)), value=value, key=key)
