from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.sandbox.bodies import CONTACT, CUSTOMER, errors_of, parse

EVENT = {"message_id": "m", "timestamp": "2024-01-01T00:00:00Z", "sent_at": 1704067200}
CONTACT_BODY = {"type": "Send Contact", **EVENT, "user_id": "u"}
CUSTOMER_BODY = {"type": "Send Customer", **EVENT, "user_id": "u", "group_id": "g"}
VECTORS = Path(__file__).parents[2] / "conformance/vectors/deliver_default.jsonl"


def fields_of(body):
    return sorted(str(error["field"]) for error in errors_of(body))


def test_everything_that_the_hosted_destination_sends_by_default_is_valid():
    bodies = [
        request["body"]
        for line in VECTORS.read_text(encoding="utf-8").splitlines()
        for request in json.loads(line)["expected"].get("requests", [])
    ]
    assert len(bodies) > 250
    assert [errors for body in bodies if (errors := errors_of(body))] == []


def test_the_connection_test_is_valid():
    assert errors_of({}) == []


@pytest.mark.parametrize("body", [CONTACT_BODY, CUSTOMER_BODY])
def test_each_required_field_is_required(body):
    table = CONTACT if body["type"] == "Send Contact" else CUSTOMER
    for name in table.required:
        short = {key: value for key, value in body.items() if key != name}
        assert fields_of(short) == [name]


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"plan": "free"}, "plan"),
        ({"email": 1}, "email"),
        ({"email": "nobody"}, "email"),
        ({"name": None}, "name"),
        ({"name": ["a"]}, "name"),
        ({"linked_in": "linkedin.com/in/x"}, "linked_in"),
        ({"timestamp": True}, "timestamp"),
        ({"message_id": 5}, "message_id"),
        ({"company": "Acme"}, "company"),
        ({"company": {}}, "company.id"),
        ({"company": {"id": ""}}, "company.id"),
        ({"company": {"id": "c", "size": "9"}}, "company.size"),
        ({"company": {"id": "c", "name": 9}}, "company.name"),
        ({"address": {}}, "address"),
        ({"group_id": "g"}, "group_id"),
    ],
)
def test_a_contact_with_an_unknown_field_or_a_wrong_type_is_refused_by_its_name(extra, field):
    assert [field] == fields_of({**CONTACT_BODY, **extra})


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"anonymous_id": "a"}, "anonymous_id"),
        ({"group_id": None}, "group_id"),
        ({"address": {"zip": "1"}}, "address.zip"),
        ({"address": {"postal_code": 1}}, "address.postal_code"),
        ({"address": []}, "address"),
        ({"created_at": {}}, "created_at"),
    ],
)
def test_a_customer_likewise(extra, field):
    assert [field] == fields_of({**CUSTOMER_BODY, **extra})


def test_a_contact_needs_one_id_that_is_not_empty():
    assert fields_of({**CONTACT_BODY, "user_id": ""}) == ["user_id"]
    assert fields_of({**CONTACT_BODY, "user_id": "", "anonymous_id": "a"}) == []


@pytest.mark.parametrize("body", [[], "text", 1, None, {"type": "Track"}, {"type": 5}, {"x": 1}])
def test_what_is_no_message_is_refused(body):
    assert errors_of(body) != []


def test_a_request_holds_one_delivery_or_several():
    assert parse(b'{"a":1}', "application/json") == [{"a": 1}]
    assert parse(b'[{"a":1},{"b":2}]', "application/json") == [{"a": 1}, {"b": 2}]
    assert parse(b'{"a":1}\n\n{"b":2}\n', "application/x-ndjson; charset=utf-8") == [{"a": 1}, {"b": 2}]
    assert parse(b'{"a":1}\n{"b":2}\n', "application/json") is None
    assert parse(b"", "application/json") is None
    assert parse(b'{"a":', "application/x-ndjson") is None
