"""``preview``: a line an event, what would be sent and why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from consumer.chartmogul.router import Router
from consumer.cli.exitcode import ExitCode
from consumer.cli.main import cli
from consumer.outcomes import Post
from consumer.resources import resource

BASE = {"messageId": "m1", "timestamp": "2026-01-01T00:00:00Z", "sentAt": "2026-01-01T00:00:00Z", "userId": "u1"}
PERSON = BASE | {"type": "identify", "traits": {"email": "ada@x.example", "first_name": "Ada", "age": 36}}
SETTINGS = """\
kafka: {bootstrap_servers: "broker:9092", topics: [t], start_from: earliest}
source: {envelope: batch}
destination: {webhook_url_file: /nowhere/webhook-url, require_company_id: true}
dead_letter: {topic: dlq, skip_reasons: [missing_identity]}
"""


@pytest.fixture
def preview(monkeypatch, tmp_path):
    """Run it on events, lines or bytes; options as they are."""
    monkeypatch.chdir(tmp_path)

    def run(events, *options: str, **files: str):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        lines = (
            events
            if isinstance(events, bytes)
            else "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in events).encode()
        )
        return CliRunner().invoke(cli, ["preview", *options], input=lines)

    return run


def lines(result) -> list[dict]:
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    for each in found:
        assert list(each) == ["message_id", "type", "outcome", "reason", "deliveries"]
        for delivery in each["deliveries"]:
            assert list(delivery) == ["mapping", "action", "outcome", "reason", "payload", "errors"]
    return found


def test_what_would_be_sent(preview):
    (line,) = lines(preview([PERSON]))
    assert (line["message_id"], line["type"], line["outcome"], line["reason"]) == ("m1", "identify", "would_send", None)
    (delivery,) = line["deliveries"]
    assert delivery == {
        "mapping": "Send Contact",
        "action": "sendContact",
        "outcome": "would_send",
        "reason": None,
        "payload": {
            "type": "Send Contact",
            "message_id": "m1",
            "timestamp": "2026-01-01T00:00:00Z",
            "sent_at": "2026-01-01T00:00:00Z",
            "user_id": "u1",
            "email": "ada@x.example",
            "first_name": "Ada",
        },
        "errors": [],
    }


@pytest.mark.parametrize(
    ("event", "outcome", "reason", "field"),
    [
        (PERSON | {"traits": {"email": "nope"}}, "rejected", "invalid_payload", "email"),
        (PERSON | {"userId": None}, "rejected", "missing_identity", "user_id"),
        (PERSON | {"traits": {}}, "skipped", "no_information", ""),
    ],
)
def test_why_a_delivery_is_not_sent(preview, event, outcome, reason, field):
    (line,) = lines(preview([event]))
    (delivery,) = line["deliveries"]
    assert (line["outcome"], line["reason"]) == (delivery["outcome"], delivery["reason"]) == (outcome, reason)
    assert delivery["payload"] is None
    assert [error["field"] for error in delivery["errors"]] == [field]
    assert delivery["errors"][0]["message"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (PERSON | {"type": "track"}, "no_matching_mapping"),
        (PERSON | {"type": "screen"}, "unsupported_event_type"),
        (PERSON | {"integrations": {"All": False}}, "filtered_by_integrations_object"),
    ],
)
def test_an_event_that_no_mapping_sees(preview, event, reason):
    (line,) = lines(preview([event]))
    assert (line["outcome"], line["reason"], line["deliveries"]) == ("skipped", reason, [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"type":"identify"', "invalid_json"),
        ("hello", "unknown_format"),
        ("[]", "not_an_object"),
        ('{"messageId":"m"}', "missing_type"),
        ("[" * 10_000 + "]" * 10_000, "too_deep"),
        ('{"type":"identify","a":"' + "x" * 2_000_000 + '"}', "too_large"),
    ],
)
def test_a_broken_line_has_its_own_outcome_and_its_detail_beside(preview, text, reason):
    result = preview([PERSON, text, "", PERSON])
    assert [(line["outcome"], line["reason"]) for line in lines(result)] == [
        ("would_send", None),
        ("rejected", reason),
        ("would_send", None),
    ]
    assert result.stderr.startswith(f"line 2: {reason}: ")
    assert result.stderr.count("\n") == 1


def test_several_mappings_several_deliveries_and_the_best_outcome_is_the_events(preview):
    entries = "mappings:\n" + "".join(
        f"  - {{name: {name}, action: {action}, preset: default, trigger: 'type = \"identify\"'}}\n"
        for name, action in (("Accounts", "sendCustomer"), ("People", "sendContact"))
    )
    (line,) = lines(preview([PERSON], "--mappings", "m.yaml", m=entries))
    assert [(each["mapping"], each["outcome"]) for each in line["deliveries"]] == [
        ("Accounts", "rejected"),
        ("People", "would_send"),
    ]
    assert (line["outcome"], line["reason"]) == ("would_send", None)


def test_the_settings_count_and_the_webhooks_file_need_not_be_there(preview):
    nameless = PERSON | {"traits": {"name": "A", "company": {"name": "N"}}}
    anonymous = PERSON | {"userId": None}
    batch = json.dumps({"batch": [nameless, anonymous]})
    found = lines(preview([batch, '{"batch":[]}'], "--config", "s.yaml", s=SETTINGS))
    assert [(line["outcome"], line["reason"]) for line in found] == [
        ("rejected", "invalid_payload"),
        ("rejected", "invalid_payload"),
        ("skipped", "empty_batch"),
    ]
    assert [error["field"] for error in found[0]["deliveries"][0]["errors"]] == ["company.id"]


def test_a_reason_that_the_settings_skip_is_skipped_and_still_explained(preview):
    settings = SETTINGS.replace("batch", "none").replace("require_company_id: true", "require_company_id: false")
    (line,) = lines(preview([PERSON | {"userId": None}], "--config", "s.yaml", s=settings))
    assert (line["outcome"], line["reason"]) == ("skipped", "missing_identity")
    assert line["deliveries"][0]["errors"][0]["field"] == "user_id"


def test_the_environment_says_which_mappings(preview, monkeypatch):
    monkeypatch.setenv("CHARTMOGUL_CONSUMER_MAPPINGS_FILE", "m.yaml")
    event = PERSON | {"traits": {"firstName": "Ada"}}
    (line,) = lines(preview([event], m="preset: segment-spec\n"))
    assert line["deliveries"][0]["payload"]["first_name"] == "Ada"


def test_odd_values_come_out_as_they_would_be_sent(preview):
    event = PERSON | {"messageId": 7, "timestamp": 12345678901234567890, "traits": {"name": "\ud83d \U0001f3fa"}}
    result = preview([json.dumps(event)])
    (line,) = lines(result)
    assert line["message_id"] is None
    assert '"timestamp":12345678901234567000' in result.stdout
    assert line["deliveries"][0]["payload"]["name"] == "\ud83d \U0001f3fa"
    assert "\\ud83d " in result.stdout


def test_it_says_what_the_service_would_do_of_the_samples(preview):
    path = resource("examples/events.jsonl")
    found = lines(preview(b"", str(path)))
    router = Router(skip_reasons=frozenset())
    events = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    assert len(found) == len(events)
    for line, event in zip(found, events, strict=True):
        posts = [json.loads(each.body) for each in router.route(event) if isinstance(each, Post)]
        assert [each["payload"] for each in line["deliveries"] if each["outcome"] == "would_send"] == posts


@pytest.mark.parametrize("dash", [(), ("-",)])
def test_nothing_in_nothing_out(preview, dash):
    result = preview(b"", *dash)
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize(
    "options",
    [("nowhere.jsonl",), ("--mappings", "nowhere.yaml"), ("--config", "nowhere.yaml"), ("--nope",), ("a", "b")],
)
def test_wrong_use_is_2(preview, options):
    result = preview([PERSON], *options)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert result.stdout == ""


def test_wrong_mappings_are_2_with_every_mistake(preview):
    result = preview([PERSON], "--mappings", "m.yaml", m="preset: defalt\nfilter: 1\n")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert len(result.stderr.splitlines()) == 2


def test_pretty_shows_each_field_beside_what_it_became(preview):
    odd = PERSON | {"type": "identify", "traits": {"email": "nope", "name": "[red]A"}}
    result = preview([PERSON, PERSON | {"type": "page"}, odd, "hello"], "--pretty")
    assert result.exit_code == 0
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    text = " ".join(rows)
    assert 'traits.first_name "Ada" → first_name: "Ada"' in text
    assert "not used: type, traits.age" in text
    assert "skipped: no_matching_mapping" in text
    assert "✗ email: takes a plain e-mail address" in text
    assert '"[red]A"' in text, "an event's text is no markup"
    assert "rejected: unknown_format" in text


@pytest.mark.parametrize("options", ["", "--pretty"])
def test_a_reader_that_has_seen_enough_ends_it_as_it_ends_others(options):
    path = resource("examples/events.jsonl")
    command = f"{sys.executable} -m consumer preview {options} {path} | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_a_closed_standard_input_is_named():
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m consumer preview <&-"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ExitCode.CONFIGURATION
    assert "standard input is closed" in done.stderr


def test_a_console_of_few_characters_shows_the_others_escaped(tmp_path):
    (tmp_path / "events.jsonl").write_text('{"type": "identify", "traits": {"name": "Ada Lövelace 🚲"}}\n')
    done = subprocess.run(
        [sys.executable, "-m", "consumer", "preview", "--pretty", str(tmp_path / "events.jsonl")],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"L\xf6velace \U0001f6b2" in done.stdout
