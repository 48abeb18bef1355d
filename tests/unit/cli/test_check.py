"""``check --offline``: a line a section, every mistake below its own."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from consumer.checks import online
from consumer.cli.check import _SAYS
from consumer.cli.exitcode import ExitCode
from consumer.cli.main import cli
from consumer.config.model import Settings

GOOD = """\
kafka: {bootstrap_servers: "broker:9092", topics: [segment-events], start_from: earliest}
destination: {webhook_url: https://host/hook/CANARY-token}
dead_letter: {topic: dlq}
"""


@pytest.fixture
def check(tmp_path, monkeypatch):
    from consumer.ops import log
    from consumer.ops.redact import Redactor

    monkeypatch.setattr(log, "register_secret", Redactor().register_secret)

    def run(text: str, **environ: str):
        (tmp_path / "settings.yaml").write_text(text)
        arguments = ["check", "--offline", "--config", str(tmp_path / "settings.yaml")]
        result = CliRunner().invoke(cli, arguments, env={f"CHARTMOGUL_CONSUMER_{k}": v for k, v in environ.items()})
        assert "CANARY" not in result.output
        return result

    return run


def verdicts(output: str) -> dict[str, str]:
    return {line.split()[1]: line[:4] for line in output.splitlines() if not line.startswith(" ")}


def test_every_section_has_something_to_say():
    assert list(_SAYS) == list(Settings.model_fields)


def test_right_settings_pass(check):
    result = check(GOOD)
    assert result.exit_code == ExitCode.OK
    assert verdicts(result.output) == dict.fromkeys(Settings.model_fields, "pass")
    assert "group chartmogul-consumer, topics segment-events" in result.output


def test_as_json(tmp_path):
    (tmp_path / "settings.yaml").write_text(GOOD + "log: {level: loud}\n")
    arguments = ["check", "--offline", "--json", "--config", str(tmp_path / "settings.yaml")]
    account = json.loads(CliRunner().invoke(cli, arguments).output)
    assert account["ok"] is False
    wrong = {each["name"]: each["remedies"] for each in account["checks"] if each["verdict"] == "fail"}
    assert list(wrong) == ["log"]
    assert wrong["log"][0].startswith("log.level (line 4): must be one of")


def test_wrong_settings_are_not_asked_about(tmp_path, monkeypatch):
    monkeypatch.setattr(online, "look", lambda *_, **__: pytest.fail("it must not connect"))
    (tmp_path / "settings.yaml").write_text(GOOD + "log: {level: loud}\n")
    result = CliRunner().invoke(cli, ["check", "--config", str(tmp_path / "settings.yaml")])
    assert result.exit_code == ExitCode.CONFIGURATION


def test_mistakes_stand_below_their_section(check):
    result = check(GOOD + "log: {level: loud}\nextra: 1\n", HTTP__PORTT="1", KAFAK__X="1")
    assert result.exit_code == ExitCode.CONFIGURATION
    wrong = {section for section, verdict in verdicts(result.output).items() if verdict == "fail"}
    assert wrong == {"log", "extra", "http", "environment"}
    lines = result.output.splitlines()
    assert "log.level (line 4): must be one of" in lines[next(i for i, x in enumerate(lines) if "  log" in x) + 1]


def test_a_file_that_cannot_be_read_says_so_alone(check):
    result = check("a: [")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert verdicts(result.output) == {"file": "fail"}


def test_mistakes_in_the_mappings_file_are_shown_in_its_section(tmp_path):
    (tmp_path / "mappings.yaml").write_text(
        "mappings:\n  - {name: a, action: sendNothing, trigger: 'x', mapping: {}}\n"
    )
    config = tmp_path / "settings.yaml"
    config.write_text(
        "kafka: {bootstrap_servers: b, topics: [t], start_from: latest}\n"
        "destination: {webhook_url: 'https://example.com/hook'}\n"
        "dead_letter: {topic: d}\n"
        f"mappings_file: {tmp_path / 'mappings.yaml'}\n"
    )
    result = CliRunner().invoke(cli, ["check", "--offline", "--config", str(config)])
    assert result.exit_code == 2
    assert "fail  mappings_file" in result.output
    assert "mappings_file.mappings[0].action (line 2)" in result.output


@pytest.mark.parametrize(
    ("section", "more", "says"),
    [
        ("kafka", "KAFKA__PROPERTIES__NO_SUCH_THING", "kafka.properties: librdkafka refuses them: No such"),
        ("kafka", "KAFKA__PROPERTIES__SECURITY_PROTOCOL", "kafka.properties: librdkafka refuses them: Invalid value"),
        ("kafka", "KAFKA__PROPERTIES__COMPRESSION_LEVEL", "kafka.properties: librdkafka refuses them: Invalid value"),
        ("kafka", "KAFKA__TOPICS", "kafka.topics: a pattern is no POSIX"),
        ("destination", "DESTINATION__CA_FILE", "destination.ca_file: "),
        ("source", "SOURCE__REGISTRY__CA_FILE", "source.registry"),
        ("source", "SOURCE__AVRO_READER_SCHEMA_FILE", "source.avro_reader_schema_file"),
    ],
)
def test_what_run_would_refuse_is_refused_offline(check, tmp_path, section, more, says):
    """By the parts themselves: no rule of ours knows all that librdkafka, OpenSSL or fastavro refuse."""
    (tmp_path / "junk").write_text("-----BEGIN CANARY-----")
    values = {"KAFKA__TOPICS": "^a(", "KAFKA__PROPERTIES__COMPRESSION_LEVEL": "CANARY"}
    value = values.get(more, "CANARY" if section == "kafka" else str(tmp_path / "junk"))
    environ = {more: value, "SOURCE__REGISTRY__URLS": "https://registry", "SOURCE__FORMAT": "avro"}
    result = check(GOOD, **environ)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert [name for name, verdict in verdicts(result.output).items() if verdict == "fail"] == [section]
    assert says in result.output


def test_a_mappings_file_is_not_called_right_unread(check, tmp_path):
    (tmp_path / "mappings.yaml").write_text("mappings: [")
    result = check(GOOD + f"mappings_file: {tmp_path / 'mappings.yaml'}\nlog: {{level: loud}}\n")
    assert verdicts(result.output)["mappings_file"] == "skip"


def test_offline_and_webhook_contradict_each_other(tmp_path):
    result = CliRunner().invoke(cli, ["check", "--offline", "--webhook"])
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "leave one out" in result.output
