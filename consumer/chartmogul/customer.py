"""Send Customer: the fields of a ChartMogul customer and the hosted default mapping. It has no checks of its own.

Source: action-destinations ``chartmogul/sendCustomer`` and ``chartmogul/common_fields``.
"""

from __future__ import annotations

from typing import Any, Final

from consumer.chartmogul.fields import Field, FieldType, Format

DEFAULT_TRIGGER: Final = 'type = "group"'

DEFAULT_MAPPING: Final[dict[str, Any]] = {
    "type": "Send Customer",
    "message_id": {"@path": "$.messageId"},
    "timestamp": {"@path": "$.timestamp"},
    "sent_at": {"@path": "$.sentAt"},
    "user_id": {"@path": "$.userId"},
    "group_id": {"@path": "$.groupId"},
    "name": {"@path": "$.traits.name"},
    "description": {"@path": "$.traits.description"},
    "email": {"@path": "$.traits.email"},
    "website": {"@path": "$.traits.website"},
    "created_at": {"@path": "$.traits.createdAt"},
    "address": {
        "street": {"@path": "$.traits.address.street"},
        "city": {"@path": "$.traits.address.city"},
        "state": {"@path": "$.traits.address.state"},
        "postal_code": {"@path": "$.traits.address.postalCode"},
        "country": {"@path": "$.traits.address.country"},
    },
}

FIELDS: Final = (
    Field("type", required=True),
    Field("message_id", required=True),
    Field("timestamp", FieldType.DATETIME, required=True),
    Field("sent_at", FieldType.DATETIME, required=True),
    Field("user_id", required=True),
    Field("group_id", required=True),
    Field("name"),
    Field("description"),
    Field("email", format=Format.EMAIL),
    Field("website", format=Format.URI_REFERENCE),
    Field("created_at", FieldType.DATETIME),
    Field(
        "address",
        FieldType.OBJECT,
        children=(Field("street"), Field("city"), Field("state"), Field("postal_code"), Field("country")),
    ),
)


def check(payload: dict[str, Any]) -> str:
    """Whose customer it is: events with the same text must arrive in order. Nothing is refused."""
    identity: str = payload["group_id"]
    return identity
