"""What each named reason means and what to do about it: for the reference page, and for commands that explain.

A reason is a word in a metric, a log line, a dead letter's header or the status page; this is where a person looks it
up.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from consumer.delivery.halt import HaltReason
from consumer.ops.readiness import REMEDIES
from consumer.outcomes import DecodeReason, DeliverReason, FailureKind, RejectReason, SkipReason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

_REJECTS: Final[dict[StrEnum, str]] = {
    RejectReason.TRIGGER_ERROR: "A mapping's trigger failed on this event. Put the trigger right.",
    RejectReason.MAPPING_ERROR: "A mapping directive failed on it; the detail names the field. Put the mapping right.",
    RejectReason.INVALID_PAYLOAD: (
        "What the mapping made is not what the action takes (a wrong type, no e-mail address, a field missing); the"
        " detail names each field. Put the producer or the mapping right, then replay."
    ),
    RejectReason.MISSING_IDENTITY: (
        "A contact with neither userId nor anonymousId: ChartMogul could not tell whose it is. Put the producer right."
    ),
    RejectReason.NO_INFORMATION: (
        "A contact of whom nothing but an id is known; ChartMogul would learn nothing. Skipped by default"
        " (`dead_letter.skip_reasons`)."
    ),
    RejectReason.INTERNAL_ERROR: "A fault of this software, in one event; the others go on. Please report it.",
}

_SKIPS: Final[dict[StrEnum, str]] = {
    SkipReason.TOMBSTONE: "The record has no value, or says that a row was deleted: there is nothing to send.",
    SkipReason.EMPTY_BATCH: "A batch without events.",
    SkipReason.UNSUPPORTED_EVENT_TYPE: (
        "The event's type is none that the destination takes (identify, group, track, page, alias)."
    ),
    SkipReason.FILTERED_BY_INTEGRATIONS_OBJECT: "The event's `integrations` object says not to send it to ChartMogul.",
    SkipReason.FILTERED_BY_END_USER_CONSENT: "The person has not consented to the categories that are configured.",
    SkipReason.FILTERED_BY_RULES: "A destination filter dropped the event.",
    SkipReason.NO_MATCHING_MAPPING: "No enabled mapping's trigger matches. Usual for track and page.",
    SkipReason.DUPLICATE: "The same message was delivered a short while ago.",
}
_SKIPS.update(
    (SkipReason(reason.value), f"{text} Here as skipped, because `dead_letter.skip_reasons` names it.")
    for reason, text in _REJECTS.items()
)
_SKIPS[SkipReason.NO_INFORMATION] = _REJECTS[RejectReason.NO_INFORMATION]

_DECODES: Final[dict[StrEnum, str]] = {
    DecodeReason.TOO_LARGE: "The record's value is larger than allowed.",
    DecodeReason.TOO_DEEP: "Objects and arrays nest deeper than allowed.",
    DecodeReason.TOO_MANY_KEYS: "The event has more keys than allowed.",
    DecodeReason.STRING_TOO_LONG: "A key or a text is longer than allowed.",
    DecodeReason.TOO_MANY_EVENTS: "The batch has more events than allowed.",
    DecodeReason.UNKNOWN_FORMAT: "The bytes are of no format that `source.format` takes. Set it right.",
    DecodeReason.INVALID_UTF8: "The text is not UTF-8.",
    DecodeReason.INVALID_JSON: "The text is not JSON.",
    DecodeReason.NOT_AN_OBJECT: "It is JSON, but no object. For an array of events set `source.envelope: batch`.",
    DecodeReason.MISSING_TYPE: "It has no `type`. If events lie within an envelope, set `source.envelope`.",
    DecodeReason.INVALID_ENVELOPE: "It is not wrapped as `source.envelope` says.",
    DecodeReason.UNKNOWN_SCHEMA: "The schema registry has no schema of the record's id.",
    DecodeReason.INVALID_AVRO: "The bytes do not follow their Avro schema.",
}

_DELIVERS: Final[dict[StrEnum, str]] = {
    DeliverReason.HTTP_REJECTED: (
        "ChartMogul refused it for good (400, 413, 422, other 4xx, 501). The dead letter holds the status and the start"
        " of the answer."
    ),
    DeliverReason.RETRY_BUDGET_SPENT: (
        "It failed for longer than `delivery.retry.budget_seconds` while others were delivered: it is this one, not an"
        " outage. Replay it when the cause is gone."
    ),
    DeliverReason.LANE_POLICY: "Its customer or contact was stuck, and the lane policy gave it up.",
}

_FAILURES: Final[dict[StrEnum, str]] = {
    FailureKind.DNS: "The webhook's host name cannot be resolved. Check DNS and the network policy.",
    FailureKind.CONNECT: "No connection: refused, no route, or too slow. Check egress, proxy and firewall.",
    FailureKind.CERTIFICATE: "The server's certificate cannot be trusted. Check `destination.ca_file` and proxies.",
    FailureKind.TIMEOUT: "No complete answer within `destination.timeout_seconds`. It may have arrived all the same.",
    FailureKind.RESET: "The connection broke before the answer was complete. It may have arrived all the same.",
    FailureKind.PROTOCOL: "The answer is no valid HTTP. Something between here and ChartMogul answers instead.",
    FailureKind.TOO_LARGE: "The answer's head is larger than any that is read.",
}

REASONS: Final[Mapping[type[StrEnum], Mapping[StrEnum, str]]] = MappingProxyType(
    {
        SkipReason: _SKIPS,
        RejectReason: _REJECTS,
        DecodeReason: _DECODES,
        DeliverReason: _DELIVERS,
        FailureKind: _FAILURES,
        HaltReason: {reason: REMEDIES[reason] for reason in HaltReason},
    }
)
"""By enum, then by member: every member of every enum."""
