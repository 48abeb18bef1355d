"""Send Contact's checks in their order, the lanes, and the two field tables against the two default mappings."""

from __future__ import annotations

import pytest

from consumer.chartmogul import contact, customer
from consumer.outcomes import RejectReason

FOUR = {"type": "Send Contact", "message_id": "m", "timestamp": "2024", "sent_at": "2024"}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({**FOUR, "email": "a@b.co"}, RejectReason.MISSING_IDENTITY),
        ({**FOUR, "user_id": "", "anonymous_id": "", "email": "a@b.co"}, RejectReason.MISSING_IDENTITY),
        ({**FOUR, "user_id": "u"}, RejectReason.NO_INFORMATION),
        ({**FOUR, "user_id": "u", "company": {"name": "n"}}, RejectReason.NO_INFORMATION),
        ({**FOUR, "user_id": "u", "company": {"id": ""}}, RejectReason.NO_INFORMATION),
        ({**FOUR, "user_id": "u", "anonymous_id": "a"}, None),
        ({**FOUR, "user_id": "0", "name": "n"}, None),
        ({**FOUR, "user_id": "u", "company": {"id": "c"}}, None),
    ],
)
def test_checks(payload, reason):
    found = contact.check(payload)
    assert (found[0] if isinstance(found, tuple) else None) == reason


def test_a_company_without_an_id_is_left_out():
    payload = {**FOUR, "user_id": "u", "name": "n", "company": {"id": "", "name": "Acme"}}
    assert contact.check(payload) == "u"
    assert "company" not in payload


def test_lanes():
    assert contact.check({**FOUR, "user_id": "u", "anonymous_id": "a"}) == "u"
    assert contact.check({**FOUR, "user_id": "", "anonymous_id": "a"}) == "a"
    assert contact.check({**FOUR, "anonymous_id": "a", "name": "n"}) == "a"
    assert customer.check({"user_id": "u", "group_id": "g"}) == "g"


def test_a_company_id_is_required_only_where_asked():
    def required(ask):
        return {each.name: each.required for each in contact.fields(require_company_id=ask)[-1].children}

    assert required(ask=True) == {"id": True, "name": False}
    assert required(ask=False) == {"id": False, "name": False}


@pytest.mark.parametrize(
    ("mapping", "fields"),
    [(contact.DEFAULT_MAPPING, contact.fields(require_company_id=False)), (customer.DEFAULT_MAPPING, customer.FIELDS)],
)
def test_the_default_mappings_fill_every_field_in_order(mapping, fields):
    assert list(mapping) == [field.name for field in fields]
    for field in fields:
        if field.children:
            assert list(mapping[field.name]) == [child.name for child in field.children]
