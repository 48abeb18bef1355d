"""Snapshots for the tests of ops."""

from __future__ import annotations

from typing import Any

from consumer.delivery.messages import Partition
from consumer.delivery.snapshot import PartitionView, Snapshot, Stats
from consumer.ops.snapshot import ServiceSnapshot


def view(number: int = 0, topic: str = "events", **changes: Any) -> PartitionView:
    values: dict[str, Any] = {
        "committed": 90,
        "position": 110,
        "incomplete": 20,
        "buffered_bytes": 4_000,
        "oldest_age_seconds": 1.5,
        "oldest_timestamp_ms": 0,
        "paused": False,
        "map_chars": 12,
    }
    return PartitionView(partition=Partition(topic, number), **values | changes)


def delivery(**changes: Any) -> Snapshot:
    values: dict[str, Any] = {
        "state": "running",
        "halt_reason": "",
        "held_by": "",
        "stats": Stats(),
        "in_progress": {},
        "waiting": 0,
        "parked": 0,
        "in_flight": 0,
        "share": 1.0,
        "concurrency_limit": 20,
        "rate_per_second": 40.0,
        "dead_letters_pending": 0,
        "partitions": [],
    }
    return Snapshot(**values | changes)


def service(*, joined: bool = True, **changes: Any) -> ServiceSnapshot:
    """A snapshot; what `ServiceSnapshot` does not have goes to its delivery part."""
    own = {name: changes.pop(name) for name in list(changes) if name in ServiceSnapshot.__struct_fields__}
    return ServiceSnapshot(delivery=own.pop("delivery", None) or delivery(**changes), joined=joined, **own)
