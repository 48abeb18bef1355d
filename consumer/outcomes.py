"""How a delivery can end, and why: the words that metrics, dead letters, logs and documents share.

The unit is a *delivery*: one event times one matched mapping; an event that matches none is one skipped delivery.
Each ends as exactly one of delivered, skipped, dead-lettered. The enums' values are metric labels.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Action(StrEnum):
    """The destination's two actions, by Segment's slug."""

    SEND_CONTACT = "sendContact"
    SEND_CUSTOMER = "sendCustomer"


class Stage(StrEnum):
    """Where a delivery was refused; the dead letter's ``dlq_stage``."""

    DECODE = "decode"
    TRIGGER = "trigger"
    MAP = "map"
    VALIDATE = "validate"
    DELIVER = "deliver"


class SkipReason(StrEnum):
    """Why nothing had to be sent. Names in Segment's delivery overview (its stages) where it has one."""

    TOMBSTONE = "tombstone"
    EMPTY_BATCH = "empty_batch"
    UNSUPPORTED_EVENT_TYPE = "unsupported_event_type"
    FILTERED_BY_INTEGRATIONS_OBJECT = "filtered_by_integrations_object"
    FILTERED_BY_END_USER_CONSENT = "filtered_by_end_user_consent"
    FILTERED_BY_RULES = "filtered_by_rules"
    NO_MATCHING_MAPPING = "no_matching_mapping"
    NO_INFORMATION = "no_information"
    MISSING_IDENTITY = "missing_identity"
    INVALID_PAYLOAD = "invalid_payload"
    MAPPING_ERROR = "mapping_error"
    INTERNAL_ERROR = "internal_error"
    TRIGGER_ERROR = "trigger_error"
    DUPLICATE = "duplicate"


class RejectReason(StrEnum):
    """Why mapping or validation refused an event. A reject is dead-lettered unless the settings skip its reason."""

    TRIGGER_ERROR = "trigger_error"
    MAPPING_ERROR = "mapping_error"
    INVALID_PAYLOAD = "invalid_payload"
    MISSING_IDENTITY = "missing_identity"
    NO_INFORMATION = "no_information"
    INTERNAL_ERROR = "internal_error"


class DecodeReason(StrEnum):
    """Why a record's value is not a Segment event."""

    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY_KEYS = "too_many_keys"
    STRING_TOO_LONG = "string_too_long"
    TOO_MANY_EVENTS = "too_many_events"
    UNKNOWN_FORMAT = "unknown_format"
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_TYPE = "missing_type"
    INVALID_ENVELOPE = "invalid_envelope"
    UNKNOWN_SCHEMA = "unknown_schema"
    INVALID_AVRO = "invalid_avro"


class FailureKind(StrEnum):
    """Why an attempt had no complete answer."""

    DNS = "dns"
    CONNECT = "connect"
    CERTIFICATE = "certificate"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    TOO_LARGE = "response_too_large"


class DeliverReason(StrEnum):
    """Why a delivery that was attempted is dead-lettered."""

    HTTP_REJECTED = "http_rejected"
    RETRY_BUDGET_SPENT = "retry_budget_spent"
    LANE_POLICY = "lane_policy"


class Post(Struct, frozen=True, gc=False):
    """A delivery to be sent; a struct, because there is one an event: a tuple costs twice as much to make and to read.

    Attributes:
        mapping: the mapping's name.
        lane: the action and the customer or contact it is about; within a partition a lane keeps its order.
        body: the request's JSON, compact, UTF-8.
        message_id: the event's messageId, or "" where it has none; for correlation only.
        event_type: the event's type, a metric label.
        event: which of its record's events it is of, from 0; None where the record is one event.
    """

    mapping: str
    action: Action
    lane: str
    body: bytes
    message_id: str
    event_type: str
    event: int | None = None


class Skip(Struct, frozen=True):
    """A delivery that ends without being sent; ``mapping`` is "" where none matched."""

    reason: SkipReason
    mapping: str = ""
    event_type: str = ""


class FieldError(Struct, frozen=True):
    """Why one field refused a value: ``message`` names the kind of value and the remedy, never the value."""

    field: str
    message: str


class Reject(Struct, frozen=True):
    """A delivery that mapping or validation refused, or (stage decode) a record that is no event.

    ``errors`` names fields and kinds of values; it never holds an event's contents. ``event`` is as a post's.
    """

    reason: RejectReason | DecodeReason
    stage: Stage
    mapping: str = ""
    event_type: str = ""
    errors: tuple[FieldError, ...] = ()
    event: int | None = None


Planned = Post | Skip | Reject
"""What routing decided for one delivery."""
