"""``explain``: what it asks for, and the page that it prints; the topics are in `tests/integration/test_explain.py`."""

from __future__ import annotations

import time

import pytest
from click.testing import CliRunner

from consumer.cli.explain_view import lines
from consumer.cli.main import cli
from consumer.delivery.messages import Partition
from consumer.explain.reading import Place, parse_place

RECORD = {
    "topic": "events",
    "partition": 1,
    "offset": 7,
    "time": "2026-01-31T10:00:00.000+00:00",
    "key": "u",
    "headers": [["source", "web"]],
    "bytes": 20,
    "begins": "7b",
    "committed": True,
    "committed_offset": 9,
}
DELIVERY = {"mapping": "contact", "action": "sendContact", "outcome": "would_send", "reason": None, "errors": []}
EVENT = {
    "event": {"type": "identify", "sentAt": "now"},
    "outcome": "would_send",
    "reason": None,
    "errors": [],
    "filters": {"no spies": "changes"},
    "filtered": {"type": "identify"},
    "triggers": {"contact": "matches"},
    "deliveries": [{**DELIVERY, "payload": {"email": "a@example.com"}}],
}


def page(**changes) -> list[str]:
    document = {
        "record": RECORD,
        "schema_id": "3",
        "document": {"type": "identify"},
        "fallbacks": ["sentAt from record_time"],
        "skipped": None,
        "events": [EVENT],
        "dead_letters": [],
    }
    return list(lines(document | changes))


def test_a_place_is_read():
    assert parse_place("a.b-c/0/12") == Place(Partition("a.b-c", 0), 12)
    assert str(parse_place("a.b-c/0/12")) == "a.b-c/0/12"
    for text in ("events", "events/0", "events/a/1", "events/0/-1", "events/0/1/2", "/0/1", "e v/0/1"):
        assert parse_place(text) is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give TOPIC/PARTITION/OFFSET, or --message-id with --since"),
        (["events/0/1", "--message-id", "m"], "give TOPIC/PARTITION/OFFSET, or"),
        (["--message-id", "m"], "give TOPIC/PARTITION/OFFSET, or"),
        (["events/0/1", "--since", "1h"], "give TOPIC/PARTITION/OFFSET, or"),
        (["events/0"], "such as events/0/1234"),
        (["--message-id", "m", "--since", "yesterday"], "takes 30m, 1h, 2d"),
        (["--message-id", "m", "--since", "2026-01-31T10:00:00"], "with a zone"),
        (["--message-id", "m", "--since", "2126-01-31T10:00:00Z"], "in the future"),
    ],
)
def test_what_is_asked_has_to_be_one_thing(arguments, says):
    result = CliRunner().invoke(cli, ["explain", *arguments])
    assert result.exit_code == 2
    assert says in result.stderr


def test_times_are_counted_back_from_now():
    from consumer.cli.explain import _since

    now = time.time() * 1000
    assert now - _since(None, None, "90m") == pytest.approx(90 * 60_000, abs=5000)
    assert now - _since(None, None, "2d") == pytest.approx(2 * 86_400_000, abs=5000)
    assert _since(None, None, "1970-01-01T00:00:01Z") == 1000


def test_the_page_has_every_stage_in_order():
    shown = page()
    heads = [line[:9].strip() for line in shown if line[:9].strip()]
    wanted = ["record", "bytes", "schema", "decoded", "event", "fallback", "filter", "filtered", "trigger", "mapping"]
    assert heads == [*wanted, "body", "letters"]
    assert '         key "u"; the group has committed up to offset 9: this record is done' in shown
    assert "mapping  contact (sendContact): would send" in shown
    assert "letters  none in the dead-letter topic" in shown


def test_the_page_of_what_is_no_event_and_of_its_letters():
    error = {"field": "value", "message": "is not JSON"}
    event = {**EVENT, "event": None, "outcome": "rejected", "reason": "invalid_json", "errors": [error]}
    letter = {"at_place": "dlq/0/1", "dlq_at": "T", "dlq_stage": "decode", "dlq_reason": "invalid_json"}
    shown = page(events=[event, event], document=None, dead_letters=[{**letter, "dlq_detail": "value is not JSON"}])
    assert shown[-8:] == [
        "--- event 1 of 2",
        "outcome  rejected: invalid_json",
        "         value is not JSON",
        "--- event 2 of 2",
        "outcome  rejected: invalid_json",
        "         value is not JSON",
        "letter   dlq/0/1: T decode invalid_json",
        "         detail value is not JSON",
    ]
    assert page(dead_letters="it cannot be read")[-1] == "letters  it cannot be read"


def test_what_others_wrote_commands_no_terminal():
    letter = {"at_place": "dlq/0/3", "dlq_reason": "rejected", "dlq_response": "no\x1b[2Jbody\n"}
    record = {**RECORD, "headers": [["a\x1b[31m", "b\nc"], ["none", None]]}
    shown = "\n".join(page(record=record, dead_letters=[letter]))
    assert "\x1b" not in shown
    assert r"a\x1b[31m: b\nc" in shown
    assert r"response no\x1b[2Jbody\n" in shown


def test_half_a_character_stays_escaped_for_nothing_can_print_it():
    shown = page(document={"name": "Bo \ud83d"})
    assert any(r'"name": "Bo \ud83d"' in line for line in shown)
    "\n".join(shown).encode()
