"""``explain``: what becomes of a record, what its dead letters say, and that nothing is changed.

On the real broker alone: the embedded one finds no offset by its time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

from consumer.cli.main import cli
from consumer.kafka.dead_letter_headers import DeadLetterContext, build_headers
from consumer.outcomes import RejectReason, Stage
from tests.integration.harness import identify, settings
from tests.integration.test_schemas import SCHEMA, prefixed
from tests.kafka.client import Record
from tests.kafka.local_registry import LocalRegistry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kafka.client import Broker

MAPPINGS = {
    "mappings": [
        {"name": "contact", "action": "sendContact", "trigger": 'type = "identify"', "preset": "default"},
        {"name": "customer", "action": "sendCustomer", "trigger": 'type = "group"', "preset": "default"},
    ],
    "filters": [{"if": 'userId = "spy"', "actions": [{"type": "DROP"}], "title": "no spies"}],
}


pytestmark = pytest.mark.real_kafka


@pytest.fixture
def broker(real_kafka: Broker) -> Broker:
    return real_kafka


@pytest.fixture
def config(broker, tmp_path: Path) -> dict[str, Any]:
    topic, dead_letters = broker.unique("events"), broker.unique("dead-letters")
    broker.create_topic(topic, 2)
    broker.create_topic(dead_letters, 1)
    return settings(broker, topic, dead_letters, tmp_path / "not-there")


@pytest.fixture
def explain(config, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    def run(*arguments: str) -> list[dict[str, Any]]:
        (tmp_path / "settings.yaml").write_text(yaml.safe_dump(config))
        command = ["explain", "--config", str(tmp_path / "settings.yaml"), "--json", *arguments]
        result = CliRunner().invoke(cli, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    return run


def test_a_record_and_its_dead_letters(broker, config, explain, tmp_path):
    (tmp_path / "mappings.yaml").write_text(yaml.safe_dump(MAPPINGS))
    config["mappings_file"] = str(tmp_path / "mappings.yaml")
    (topic,), group = config["kafka"]["topics"], config["kafka"]["group_id"]
    events = [identify(0, "zero"), identify(1, "one", email="no address"), identify(2, "spy")]
    broker.produce(topic, [Record(json.dumps(event).encode(), b"key", partition=1) for event in events])
    context = DeadLetterContext(
        RejectReason.INVALID_PAYLOAD, Stage.VALIDATE, "email: is no address", topic, 1, 1, group, 1, mapping="contact"
    )
    other = DeadLetterContext(RejectReason.INTERNAL_ERROR, Stage.MAP, "", topic, 1, 0, group, 1)
    for each in (other, context):
        broker.produce(config["dead_letter"]["topic"], [Record(b"{}", headers=tuple(build_headers((), each)))])

    (good,) = explain(f"{topic}/1/0")
    assert (good["record"]["key"], good["record"]["committed_offset"], good["document"]) == ("key", None, events[0])
    (event,) = good["events"]
    assert (event["event"], event["filters"], event["filtered"]) == (events[0], {"no spies": "passes"}, "unchanged")
    assert event["triggers"] == {"contact": "matches", "customer": "does not match"}
    assert event["deliveries"][0]["payload"]["email"] == "zero@example.com"
    assert [letter["dlq_stage"] for letter in good["dead_letters"]] == ["map"]

    (bad,) = explain(f"{topic}/1/1")
    assert bad["events"][0]["deliveries"][0]["reason"] == "invalid_payload"
    (letter,) = bad["dead_letters"]
    assert (letter["dlq_reason"], letter["dlq_mapping"]) == ("invalid_payload", "contact")
    assert letter["at_place"] == f"{config['dead_letter']['topic']}/0/1"

    (dropped,) = explain(f"{topic}/1/2")
    assert (dropped["events"][0]["reason"], dropped["events"][0]["filters"]) == (
        "filtered_by_rules",
        {"no spies": "drops"},
    )
    assert broker.committed(group, topic) == {}
    assert broker.end_offsets(topic) == {0: 0, 1: 3}


def test_an_avro_record_is_found_by_its_message_id(broker, config, explain):
    (topic,) = config["kafka"]["topics"]
    with LocalRegistry() as registry:
        schema_id = registry.register(SCHEMA)
        config["source"] = {"registry": {"urls": [registry.url]}, "normalise": {"constants": {"context.via": "avro"}}}
        values = [prefixed(schema_id, identify(n, f"user{n}")) for n in range(20)]
        values[3] = json.dumps({**identify(3, "json"), "messageId": "message-17"}).encode()
        broker.produce(topic, [Record(value, partition=n % 2) for n, value in enumerate([*values, b"no event"])])
        found = explain("--message-id", "message-17", "--since", "1h")
    assert [each["record"]["offset"] for each in found] == [1, 8]
    assert [each["schema_id"] for each in found] == [None, str(schema_id)]
    avro = found[1]
    assert avro["record"]["begins"].startswith("00 00 00 00 01 ")
    assert avro["document"] == identify(17, "user17")
    assert avro["events"][0]["event"] == {**identify(17, "user17"), "context": {"via": "avro"}}
    assert avro["events"][0]["outcome"] == "would_send"


def test_a_place_without_a_record_is_said_to_be_one(broker, config, tmp_path):
    (topic,) = config["kafka"]["topics"]
    broker.produce(topic, [Record(b"{}", partition=0), Record(None, b"k", partition=0)])
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(config))

    def run(place: str) -> Any:
        return CliRunner().invoke(cli, ["explain", "-c", str(tmp_path / "settings.yaml"), place])

    assert f"{topic}/0/7 holds no record" in run(f"{topic}/0/7").stderr
    assert "is not among what is read" in run(f"{topic}/99/0").stderr
    assert "outcome  rejected: missing_type" in run(f"{topic}/0/0").stdout
    assert "outcome  skipped: tombstone" in run(f"{topic}/0/1").stdout
