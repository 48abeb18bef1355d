"""Everything that the machine can be told."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from consumer.delivery.dispatch import BatchSettings
from consumer.delivery.gate import GateSettings
from consumer.delivery.offset_map import MAX_CHARS
from consumer.delivery.retry import RetryPolicy


class LanePolicy(StrEnum):
    """What to do about a customer or contact that fails for so long that its partition cannot take in more.

    BLOCK: nothing but the alert; its partition waits.
    DEAD_LETTER_EVENT: give up its oldest event.
    RELEASE_ORDER: send what is behind it.
    """

    BLOCK = "block"
    DEAD_LETTER_EVENT = "dead_letter_event"
    RELEASE_ORDER = "release_order"


class DeliverySettings(Struct, frozen=True):
    """All settings of the core, each with the default that ships.

    Attributes:
        buffer_bytes: records in memory, the client's own queue not included.
        commit_interval_seconds: between two commits.
        halt_ratio: of the guard over dead letters.
        offset_map: whether completions above the committed offset travel in the commit's metadata.
        map_chars: what the broker takes of that (``offset.metadata.max.bytes``).
        lane_policy: for a partition that a failing lane has filled for ``lane_patience_seconds``.
        dedupe_entries: deliveries that are remembered by messageId; 0 remembers none.
    """

    gate: GateSettings = field(default_factory=GateSettings)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    batch: BatchSettings = field(default_factory=BatchSettings)
    buffer_bytes: int = 25_165_824
    commit_interval_seconds: float = 1.0
    halt_ratio: float = 0.5
    offset_map: bool = True
    map_chars: int = MAX_CHARS
    lane_policy: LanePolicy = LanePolicy.BLOCK
    lane_patience_seconds: float = 60.0
    dedupe_entries: int = 0
