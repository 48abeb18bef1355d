"""Whether an event is meant for ChartMogul at all: end-user consent, then the integrations object.

Source: Segment's documentation of the integrations object ("All" is the default for destinations that are not named;
names are case-sensitive; options in an object mean that it is enabled; this destination is called "Chart Mogul" or
"ChartMogul" there) and of consent in Connections (its table of consent object against integrations object).
"""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]

_NAME, _OTHER_NAME = NAMES = ("ChartMogul", "Chart Mogul")
"""What the integrations object may call this destination."""


def enabled(integrations: Any) -> bool:
    """Whether an event's ``integrations`` let it through to ChartMogul.

    false under either name blocks, whatever the other says; true or an object of options lets through; else ``All``
    decides, and blocks only if it is false. Values of other kinds say nothing, nor does an ``integrations`` that is no
    object: Segment's documentation knows only these.
    """
    if integrations.__class__ is not dict:
        return True
    if _NAME not in integrations and _OTHER_NAME not in integrations:
        return integrations.get("All") is not False
    first, second = integrations.get(_NAME), integrations.get(_OTHER_NAME)
    if first is False or second is False:
        return False
    if first is True or second is True or isinstance(first, dict) or isinstance(second, dict):
        return True
    return integrations.get("All") is not False


def consent_given(event: Event, categories: frozenset[str]) -> bool:
    """Whether the end user has consented to all of the categories that this destination is mapped to.

    Args:
        event: the event; its preferences stand in ``context.consent.categoryPreferences``.
        categories: the mapped categories' ids. With none, consent is not asked for.

    Returns:
        True without a consent object, and for an empty one unless an integrations object accompanies it; else whether
        each category is literally true. A consent of another kind than an object cannot be read and gives none.
    """
    if not categories:
        return True
    context = event.get("context")
    consent = context.get("consent") if isinstance(context, dict) else None
    if consent is None:
        return True
    if not isinstance(consent, dict):
        return False
    if "categoryPreferences" not in consent:
        # The documented table: an empty consent object is taken for "no to all" once integrations are given with it.
        return not event.get("integrations")
    preferences = consent["categoryPreferences"]
    return isinstance(preferences, dict) and all(preferences.get(category) is True for category in categories)
