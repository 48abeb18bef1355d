"""A dead letter's headers: the record's own, byte for byte, and after them what became of it.

The form is version 1 (``dlq_schema``). All values are UTF-8 text; what does not apply is left out:

    dlq_schema      1
    dlq_reason      a reason of `consumer.outcomes`
    dlq_stage       decode | trigger | map | validate | deliver
    dlq_detail      names of fields and kinds of values, never contents; at most 1 KiB
    dlq_status      the last answer's HTTP status
    dlq_response    its beginning; at most 1 KiB
    dlq_attempts    how often it was sent
    dlq_first_at, dlq_at    ISO 8601, UTC: when it was first taken up, when it was written here
    dlq_topic, dlq_partition, dlq_offset    where the record stands
    dlq_event       which of the record's events, from 0, where it holds several
    dlq_record_at   its timestamp
    dlq_group, dlq_mapping, dlq_version     whose, by which mapping, by which version of this software
    dlq_value_size, dlq_value_sha256        of the value, where it was too large to be kept: read it at its place

Pure.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from consumer import __version__
from consumer.kafka.instants import instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.outcomes import DecodeReason, DeliverReason, RejectReason, Stage

SCHEMA: Final = "1"
MAX_TEXT_BYTES: Final = 1024
_PREFIX: Final = "dlq_"

Header = tuple[str, bytes | None]


class DeadLetterContext(Struct, frozen=True):
    """What became of a record.

    Attributes:
        status: the last answer's HTTP status, 0 where there was none.
        response: its beginning, without secrets.
        attempts: how often it was sent.
        first_at_ms, at_ms: Unix milliseconds; the first may be 0, unknown.
        record_at_ms: the record's timestamp; 0 where it has none.
        mapping: "" where it got no further than the decoder.
        event: which of the record's events, from 0; None where the record is one, or all of it is meant.
    """

    reason: RejectReason | DecodeReason | DeliverReason
    stage: Stage
    detail: str
    topic: str
    partition: int
    offset: int
    group: str
    at_ms: int
    mapping: str = ""
    status: int = 0
    response: str = ""
    attempts: int = 0
    first_at_ms: int = 0
    record_at_ms: int = 0
    event: int | None = None


def build_headers(original: Sequence[Header] | None, context: DeadLetterContext) -> list[Header]:
    """The record's headers and the context.

    A record that is a dead letter of ours already (replayed, and failed again) gets the new context for the old.
    """
    said = {
        "dlq_schema": SCHEMA,
        "dlq_reason": context.reason.value,
        "dlq_stage": context.stage.value,
        "dlq_detail": _capped(context.detail),
        "dlq_status": str(context.status or ""),
        "dlq_response": _capped(context.response),
        "dlq_attempts": str(context.attempts or ""),
        "dlq_first_at": instant(context.first_at_ms) or "",
        "dlq_at": instant(context.at_ms) or "",
        "dlq_topic": context.topic,
        "dlq_partition": str(context.partition),
        "dlq_offset": str(context.offset),
        "dlq_event": "" if context.event is None else str(context.event),
        "dlq_record_at": instant(context.record_at_ms) or "",
        "dlq_group": context.group,
        "dlq_mapping": context.mapping,
        "dlq_version": __version__,
    }
    own, _ = split_headers(original)
    return [*own, *((name, value.encode()) for name, value in said.items() if value)]


def without_value(headers: Sequence[Header], value: bytes) -> list[Header]:
    """The headers of a dead letter that leaves its value behind."""
    return [
        *headers,
        ("dlq_value_size", str(len(value)).encode()),
        ("dlq_value_sha256", sha256(value).hexdigest().encode()),
    ]


def split_headers(headers: Sequence[Header] | None) -> tuple[list[Header], Mapping[str, str]]:
    """Take a dead letter's headers apart.

    Returns:
        The original record's headers, and the context by name: empty where this is no dead letter of ours.
    """
    everything = list(headers or ())
    if ("dlq_schema", SCHEMA.encode()) not in everything:
        return everything, {}
    original = [header for header in everything if not header[0].startswith(_PREFIX)]
    context = {name: (value or b"").decode(errors="replace") for name, value in everything if name.startswith(_PREFIX)}
    return original, context


def _capped(text: str) -> str:
    """At most 1 KiB of UTF-8, whole characters; lone surrogates are replaced."""
    return text.encode(errors="replace")[:MAX_TEXT_BYTES].decode(errors="ignore")
