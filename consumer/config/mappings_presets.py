"""Mappings that can be named instead of written.

``default`` is what the hosted destination offers. ``segment-spec`` is ours, and no hosted behaviour: hosted paths are
exact and case-sensitive, so the defaults miss ``firstName``, ``created_at`` and ``postal_code``, which Segment's own
spec allows beside the spellings that they read. It is built from hosted directives alone: what it sends can be had in
Segment too, by writing it there.

Source of the spellings: Segment's spec of identify and group ("camelCase or snake_case"), and of ``context.groupId``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumer.chartmogul.compiled import DEFAULT_MAPPINGS, MappingSpec
from consumer.outcomes import Action

if TYPE_CHECKING:
    from collections.abc import Mapping


def first_of(*paths: str) -> dict[str, Any]:
    """The first of several paths that is not blank: missing, null, "", and to the hosted @if also 0 and false.

    ``blank`` is the hosted engine's name for the test, and ``then`` is what it gives where the value is *not* blank.
    """
    path, *others = paths
    if not others:
        return {"@path": path}
    return {"@if": {"blank": {"@path": path}, "then": {"@path": path}, "else": first_of(*others)}}


_SPEC_SPELLINGS: Final[dict[Action, dict[str, Any]]] = {
    Action.SEND_CONTACT: {
        "first_name": first_of("$.traits.first_name", "$.traits.firstName"),
        "last_name": first_of("$.traits.last_name", "$.traits.lastName"),
        "linked_in": first_of("$.traits.linkedIn", "$.traits.linked_in", "$.traits.linkedin"),
        "company": {
            "id": first_of("$.traits.company.id", "$.traits.companyId", "$.traits.company_id", "$.context.groupId"),
            "name": first_of("$.traits.company.name", "$.traits.companyName", "$.traits.company_name"),
        },
    },
    Action.SEND_CUSTOMER: {
        "created_at": first_of("$.traits.createdAt", "$.traits.created_at"),
        "address": {
            "street": {"@path": "$.traits.address.street"},
            "city": {"@path": "$.traits.address.city"},
            "state": {"@path": "$.traits.address.state"},
            "postal_code": first_of("$.traits.address.postalCode", "$.traits.address.postal_code"),
            "country": {"@path": "$.traits.address.country"},
        },
    },
}
"""What ``segment-spec`` maps in another way than the defaults."""

DEFAULT: Final = "default"
PRESETS: Final[Mapping[str, tuple[MappingSpec, ...]]] = {
    DEFAULT: DEFAULT_MAPPINGS,
    "segment-spec": tuple(
        MappingSpec(spec.name, spec.action, spec.trigger, {**spec.mapping, **_SPEC_SPELLINGS[spec.action]})
        for spec in DEFAULT_MAPPINGS
    ),
}
"""By name, a mapping for each action."""


def preset_for(name: str, action: Action) -> MappingSpec:
    """The preset's mapping for an action."""
    return next(spec for spec in PRESETS[name] if spec.action is action)
