"""An explanation as JSON data: what ``explain --json`` prints, and what its page for people is made of."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from consumer.kafka.decode.decoder import header_pairs
from consumer.kafka.instants import instant

if TYPE_CHECKING:
    from confluent_kafka import Message

    from consumer.explain.reading import Place
    from consumer.explain.stages import EventStages, Stages

_HEAD_BYTES: Final = 64


def document_of(
    place: Place, message: Message, committed: int | None, stages: Stages, letters: list[dict[str, str]] | str
) -> dict[str, Any]:
    """Everything about one record.

    Args:
        place: where it stands.
        message: it.
        committed: the offset up to which the service's group has committed its partition, None for none.
        stages: what becomes of it.
        letters: its dead letters' headers; or why they cannot be read.
    """
    value, key = message.value(), message.key()
    kind, timestamp = message.timestamp()
    return {
        "record": {
            "topic": place.partition.topic,
            "partition": place.partition.number,
            "offset": place.offset,
            "time": instant(timestamp) if kind else None,
            "key": None if key is None else _text(key),
            "headers": [
                [name, None if held is None else _text(held)] for name, held in header_pairs(message.headers())
            ],
            "bytes": None if value is None else len(value),
            "begins": None if value is None else value[:_HEAD_BYTES].hex(" "),
            "committed": committed is not None and place.offset < committed,
            "committed_offset": committed,
        },
        "schema_id": None if stages.schema_id is None else str(stages.schema_id),
        "document": stages.document,
        "fallbacks": list(stages.fallbacks),
        "skipped": stages.skipped or None,
        "events": [_event(each) for each in stages.events],
        "dead_letters": letters,
    }


def _event(stages: EventStages) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(stages.preview.as_json())
    result["event"] = stages.preview.event
    result["errors"] = [{"field": error.field, "message": error.message} for error in stages.preview.errors]
    result["filters"] = {step.name: step.says for step in stages.filters}
    result["filtered"] = stages.filtered if stages.filtered != stages.preview.event else "unchanged"
    result["triggers"] = {step.name: step.says for step in stages.triggers}
    return result


def _text(value: bytes | str) -> str:
    """Text, or base64 of what is none."""
    if isinstance(value, str):  # a key, as the client's types have it
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()
