"""The example for Segment Engage does what docs/guide/engage.md says, event by event."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.config.mappings import load_mappings
from consumer.reload import build_router
from tests.unit.test_reload import settings

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "engage.md"
EVENTS = [json.loads(line) for line in (EXAMPLES / "engage-events.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def router():
    return build_router(settings(None), load_mappings(EXAMPLES / "engage-mappings.yaml"))


SENT = {
    "personas_aud_1": ("VIP audience", {"title": "VIP customer: true", "email": "amelia@northwind-bicycles.example"}),
    "personas_aud_2": ("VIP audience", {"title": "VIP customer: false"}),
    "personas_tra_1": ("Computed phone", {"phone": "+1 503 555 0100"}),
    "personas_tra_2": ("Account health", {"group_id": "org_1001", "description": "Health: at risk"}),
    "msg_own": ("Contacts", {"first_name": "Amelia", "email": "amelia@northwind-bicycles.example"}),
}
SKIPPED = {"personas_aud_3": "no_matching_mapping", "personas_aud_4": "filtered_by_integrations_object"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["messageId"])
def test_each_event_of_the_example(router, event):
    (planned,) = router.route(event)
    name = event["messageId"]
    if name in SKIPPED:
        assert planned.reason.value == SKIPPED[name]
        return
    mapping, fields = SENT[name]
    body = json.loads(planned.body)
    assert planned.mapping == mapping
    assert {key: value for key, value in body.items() if key not in ENVELOPE} == fields
    assert body["sent_at"] == event.get("sentAt", event["timestamp"])
    assert body["user_id"] == event.get("userId", event.get("groupId"))


ENVELOPE = {"type", "message_id", "timestamp", "sent_at", "user_id"}


def test_the_text_values_of_legacy_journeys_come_out_alike(router):
    event = next(each for each in EVENTS if each["messageId"] == "personas_aud_2")
    (planned,) = router.route(event | {"traits": {"vip_customers": "false"}})
    assert json.loads(planned.body)["title"] == "VIP customer: false"


def test_the_defaults_send_nothing_of_an_audience():
    """What the guide says of the hosted defaults: ids only is no information, and the flag is in no field."""
    router = build_router(settings(None), load_mappings(None))
    flag = next(each for each in EVENTS if each["messageId"] == "personas_aud_2")
    assert [each.reason.value for each in router.route(flag)] == ["no_information"]
    with_email = flag | {"traits": flag["traits"] | {"email": "a@b.example"}}
    body = json.loads(router.route(with_email)[0].body)
    assert "vip_customers" not in json.dumps(body)


def test_the_guide_shows_the_example():
    text = GUIDE.read_text(encoding="utf-8")
    for part in ("engage-mappings.yaml", "engage-events.jsonl", 'context.personas.computation_key = "vip_customers"'):
        assert part in text
    for name, (mapping, _) in SENT.items():
        assert name == "msg_own" or mapping in text
