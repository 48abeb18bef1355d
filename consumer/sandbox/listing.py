"""Contacts and customers as ChartMogul's API lists them (``/v1/contacts``, ``/v1/customers``).

Field names are the API's. Assumptions: which of a message's fields lands in which of them, and that a full
name is used, split at its first space, where neither first nor last name came.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

_NAMESPACE: Final = uuid.UUID("5e9bd3f6-9d5c-4c39-a8a7-0d4f3a8c9b51")  # any fixed one: the same ids in every run
SOURCE: Final = f"ds_{uuid.uuid5(_NAMESPACE, 'data source')}"


def contact_entry(external_id: str, customer: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    """One contact; ``customer`` is the external id of the customer it is linked to."""
    first, last, name = fields.get("first_name"), fields.get("last_name"), fields.get("name")
    if not first and not last and name:
        first, _, last = name.partition(" ")
    return {
        "uuid": _identity("con", external_id),
        "customer_uuid": None if customer is None else _identity("cus", customer),
        "customer_external_id": customer,
        "data_source_uuid": SOURCE,
        "external_id": external_id,
        "user_id": fields.get("user_id"),
        "anonymous_id": fields.get("anonymous_id"),
        "first_name": first or None,
        "last_name": last or None,
        "name": name,
        "position": None,
        "title": fields.get("title"),
        "email": fields.get("email"),
        "phone": fields.get("phone"),
        "linked_in": fields.get("linked_in"),
        "twitter": fields.get("twitter"),
        "notes": None,
        "custom": {},
    }


def customer_entry(external_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    """One customer."""
    address = fields.get("address") or {}
    custom: dict[str, Any] = {name: fields[name] for name in ("description", "created_at") if name in fields}
    if "street" in address:
        custom["street"] = address["street"]
    return {
        "uuid": _identity("cus", external_id),
        "external_id": external_id,
        "external_ids": [external_id],
        "data_source_uuid": SOURCE,
        "data_source_uuids": [SOURCE],
        "name": fields.get("name"),
        "company": fields.get("name"),
        "email": fields.get("email"),
        "website_url": fields.get("website"),
        "status": "New_Lead",
        "lead_created_at": None,
        "free_trial_started_at": None,
        "address": {
            "address_zip": address.get("postal_code"),
            "city": address.get("city"),
            "state": address.get("state"),
            "country": address.get("country"),
        },
        "attributes": {"tags": [], "custom": custom},
    }


def _identity(prefix: str, external_id: str) -> str:
    return f"{prefix}_{uuid.uuid5(_NAMESPACE, f'{prefix} {external_id}')}"
