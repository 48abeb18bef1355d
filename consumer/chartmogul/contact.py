"""Send Contact: the fields of a ChartMogul contact, the hosted default mapping, and the checks before it is sent.

Source: action-destinations ``chartmogul/sendContact`` and ``chartmogul/common_fields``.
"""

from __future__ import annotations

from typing import Any, Final

from consumer.chartmogul.fields import Field, FieldType, Format
from consumer.outcomes import FieldError, RejectReason

DEFAULT_TRIGGER: Final = 'type = "identify"'

DEFAULT_MAPPING: Final[dict[str, Any]] = {
    "type": "Send Contact",
    "message_id": {"@path": "$.messageId"},
    "timestamp": {"@path": "$.timestamp"},
    "sent_at": {"@path": "$.sentAt"},
    "user_id": {"@path": "$.userId"},
    "anonymous_id": {"@path": "$.anonymousId"},
    "email": {"@path": "$.traits.email"},
    "first_name": {"@path": "$.traits.first_name"},
    "last_name": {"@path": "$.traits.last_name"},
    "name": {"@path": "$.traits.name"},
    "title": {"@path": "$.traits.title"},
    "phone": {"@path": "$.traits.phone"},
    "linked_in": {"@path": "$.traits.linkedIn"},
    "twitter": {"@path": "$.traits.twitter"},
    "company": {
        "id": {"@path": "$.traits.company.id"},
        "name": {"@path": "$.traits.company.name"},
    },
}

# An identity and what every event has: type, message_id, timestamp, sent_at and one id.
_KEYS_WITHOUT_INFORMATION: Final = 5


def fields(*, require_company_id: bool) -> tuple[Field, ...]:
    """The contact's fields.

    Args:
        require_company_id: True refuses, as the hosted destination does, an event whose mapping gives a company
        without an
            id, which the default mapping does for every identify without ``traits.company.id``. False is what
            ChartMogul's own code and Segment's page mean: the company is optional, and `check` leaves it out.
    """
    return (
        Field("type", required=True),
        Field("message_id", required=True),
        Field("timestamp", FieldType.DATETIME, required=True),
        Field("sent_at", FieldType.DATETIME, required=True),
        Field("user_id"),
        Field("anonymous_id"),
        Field("email", format=Format.EMAIL),
        Field("first_name"),
        Field("last_name"),
        Field("name"),
        Field("title"),
        Field("phone"),
        Field("linked_in", format=Format.URI),
        Field("twitter"),
        Field(
            "company",
            FieldType.OBJECT,
            children=(Field("id", required=require_company_id), Field("name")),
        ),
    )


def check(payload: dict[str, Any]) -> str | tuple[RejectReason, FieldError]:
    """The action's own checks, in its order; takes an id-less company out of ``payload`` on the way.

    Returns:
        Whose contact it is, for events with the same text must arrive in order; or why the payload is refused.
    """
    identity: str | None = payload.get("user_id") or payload.get("anonymous_id")
    if not identity:
        return _MISSING_IDENTITY
    company = payload.get("company")
    if company is not None and not company.get("id"):
        del payload["company"]
    return _NO_INFORMATION if len(payload) <= _KEYS_WITHOUT_INFORMATION else identity


_MISSING_IDENTITY: Final = (
    RejectReason.MISSING_IDENTITY,
    FieldError("user_id", "neither user_id nor anonymous_id has a value; map at least one of them"),
)
_NO_INFORMATION: Final = (
    RejectReason.NO_INFORMATION,
    FieldError("", "the event has ids and nothing else that ChartMogul takes; map a trait that it does have"),
)
