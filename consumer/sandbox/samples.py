"""The sample stream as records for a topic: for the demo, tests and trying things out.

The events are fiction, several hundred of them: ten days at twenty companies. Most are delivered; the others are
skipped or rejected, each for a reason that a real topic would show sooner or later. A few records are no events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from consumer.resources import resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLE_EVENTS = "examples/events.jsonl"


class Sample(NamedTuple):
    """One record to produce.

    Attributes:
        key: as producers of Segment events choose it: the group for a group call, else the user, else the visitor.
        value: the record's bytes; None is a tombstone.
        headers: none, as these producers write none.
    """

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


UNDECODABLE: tuple[Sample, ...] = (
    Sample(b"usr_40000", None),
    Sample(b"usr_40100", b'{"type":"identify","userId":"usr_40100","traits":{"first_name":"Ing'),
    Sample(None, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
    Sample(b"usr_40200", '{"type":"identify","traits":{"first_name":"Zoë"}}'.encode("latin-1")),
    Sample(None, b"[]"),
    Sample(b"org_1001", b'{"groupId":"org_1001","traits":{"name":"Northwind Bicycles"}}'),
)
"""A tombstone, and what topics hold by accident: a record cut short, a picture, Latin-1, an array, a row of no type."""


def load_samples(path: Path | None = None) -> Iterator[Sample]:
    """The records of a JSON Lines file, in its order; empty lines are left out.

    Args:
        path: the file; None for the sample events that come with the package.

    Raises:
        OSError: the file cannot be read.
    """
    with (path or resource(SAMPLE_EVENTS)).open("rb") as lines:
        for line in lines:
            value = line.strip()
            if value:
                yield Sample(record_key(value), value)


def record_key(value: bytes) -> bytes | None:
    """The key that RudderStack, or Segment's Kinesis destination, gives an event; None where there is none to give.

    A line that is no event gets none: it is produced as it is, for the decoder to name.
    """
    try:
        event: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict):
        return None
    by_group = event.get("groupId") if event.get("type") == "group" else None
    key = by_group or event.get("userId") or event.get("anonymousId")
    return str(key).encode("utf-8", "replace") if isinstance(key, str | int) else None
