"""``mappings check`` and ``mappings explain``."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from consumer.cli.exitcode import ExitCode
from consumer.cli.main import cli
from consumer.cli.mappings import describe
from consumer.config.mappings_presets import first_of

QUIRKY = """\
mappings:
  - name: People
    action: sendContact
    preset: segment-spec
    trigger: '!(type = "identify")'
    allow_hosted_quirks: true
  - {name: Accounts, action: sendCustomer, preset: default, enabled: false}
filters:
  - {if: 'type = "track"', actions: [{type: DROP}]}
  - {if: all, enabled: false, actions: [{type: SAMPLE, percent: 0.25}, {type: ALLOW_PROPERTIES, fields: {traits: [email]}}]}
consent_categories: [crm]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str, text: str = ""):
        (tmp_path / "m.yaml").write_text(text)
        return CliRunner().invoke(cli, ["mappings", *arguments])

    return invoke


def test_a_good_file_passes(run):
    result = run("check", "m.yaml", text="preset: default\n")
    assert (result.exit_code, result.stdout) == (0, "pass  m.yaml: 2 mappings, 2 enabled, 0 filters\n")


def test_allowed_quirks_are_shown(run):
    result = run("check", "m.yaml", text=QUIRKY)
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first == "pass  m.yaml: 2 mappings, 1 enabled, 2 filters"
    assert second.strip().startswith(
        "allowed: mappings[0].trigger (line 5): does not do what it reads (negation_ignored)"
    )


def test_every_mistake_has_its_line(run):
    result = run("check", "m.yaml", text="preset: defalt\nfilter: 1\n")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert result.stdout == ""
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["preset (line 1)", "filter (line 2)"]


def test_a_file_that_is_not_there(run):
    result = run("check", "nowhere.yaml")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "cannot be read" in result.stderr


def test_explain_draws_trigger_action_and_fields(run):
    result = run("explain", "m.yaml", text=QUIRKY)
    assert result.exit_code == 0
    cells = [
        [cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")] for line in result.stdout.splitlines()
    ]
    assert ["Trigger", "Action", "Fields"] in cells
    assert ['!(type = "identify")', "sendContact", 'type ← "Send Contact"'] in cells
    assert ['runs as: type = "identify"', "People", "message_id ← messageId"] in cells
    text = result.stdout
    assert "first_name ← traits.first_name, else traits.firstName" in text
    assert "off" in text
    assert "drop the event" in text
    assert "let 0.25 of them through, by messageId" in text
    assert "keep only email of traits" in text
    assert "Consent needed for: crm" in text


def test_explain_draws_texts_as_they_are_and_sends_nothing_to_the_terminal(run):
    text = (
        r'mappings: [{name: A, action: sendContact, preset: default, trigger: "event = \"[/b]\e\ud83d\"",'
        r' mapping: {title: "[red]\e[31m"}}]'
        "\n"
        r'consent_categories: ["[bold]\ud83d"]'
    )
    result = run("explain", "m.yaml", text=text)
    assert result.exit_code == 0
    assert all(shown in result.stdout for shown in (r"[/b]\x1b", r"[red]\u001b", r"[bold]\ud83d"))
    assert "\x1b" not in result.stdout


def test_explain_without_a_file_shows_the_defaults_and_no_difference(run):
    result = run("explain")
    assert 'type = "group"' in result.stdout
    assert "company.id ← traits.company.id" in result.stdout
    assert "runs as" not in result.stdout


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"@path": "$.traits.email"}, "traits.email"),
        ({"@path": "$."}, "the whole event"),
        ({"@template": "{{userId}}!"}, "template {{userId}}!"),
        (first_of("$.a", "$.b", "$.c"), "a, else b, else c"),
        ({"@if": {"exists": {"@path": "$.a"}, "then": {"@path": "$.a"}, "else": 1}}, "a, else 1"),
        ({"@if": {"exists": {"@path": "$.a"}, "then": 1}}, '{"@if":{"exists":{"@path":"$.a"},"then":1}}'),
        ("Send Contact", '"Send Contact"'),
    ],
)
def test_a_node_in_words(node, words):
    assert describe(node) == words
