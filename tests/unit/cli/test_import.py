"""``import``: files in, a mappings file and a report out."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from consumer.cli.exitcode import ExitCode
from consumer.cli.main import cli
from consumer.config.mappings import load_mappings
from consumer.config.mappings_presets import PRESETS

CONTACT, CUSTOMER = PRESETS["default"]
URL = "https://hooks.example/CANARY-secret"
DATA = {
    "data": {
        "subscriptions": [
            {
                "id": str(index),
                "name": spec.name,
                "actionSlug": spec.action.value,
                "settings": spec.mapping,
                "trigger": spec.trigger,
            }
            for index, spec in enumerate((CONTACT, CUSTOMER))
        ]
    }
}
DESTINATION = {
    "data": {
        "destination": {"id": "d", "name": f"to {URL}", "settings": {"chartmogul_webhook_url": URL}, "metadata": {}}
    }
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "subscriptions.json").write_text(json.dumps(DATA))
    (tmp_path / "destination.json").write_text(json.dumps(DESTINATION))

    def invoke(*arguments: str, stdin: str = ""):
        result = CliRunner().invoke(cli, ["import", *arguments], input=stdin)
        assert "CANARY" not in result.output
        return result

    return invoke


def test_the_file_is_on_standard_output_and_the_report_beside(run, tmp_path):
    result = run("subscriptions.json", "destination.json")
    assert result.exit_code == 0
    (tmp_path / "out.yaml").write_text(result.stdout)
    assert load_mappings(tmp_path / "out.yaml").specs == PRESETS["default"]
    assert result.stderr.startswith('taken     Send Contact: type = "identify" → sendContact with message_id')
    assert "destination.webhook_url_file" in result.stderr


def test_standard_input(run):
    assert run("-", stdin=json.dumps(DATA)).stdout == run("subscriptions.json").stdout


def test_output_is_written_whole_and_again_the_same(run, tmp_path):
    out = tmp_path / "mappings.yaml"
    assert run("subscriptions.json", "--output", "mappings.yaml").exit_code == 0
    first = out.read_bytes()
    out.chmod(0o640)
    assert run("mappings.yaml", "-o", "mappings.yaml").exit_code == 0
    assert out.read_bytes() == first
    assert out.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "destination.json",
        "mappings.yaml",
        "subscriptions.json",
    ]


@pytest.mark.parametrize("output", ["subscriptions.json", "./link.json"])
def test_what_came_from_segment_is_never_written_over(run, tmp_path, output):
    (tmp_path / "link.json").symlink_to("subscriptions.json")
    result = run("destination.json", "subscriptions.json", "-o", output)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert result.stderr.startswith("--output: is the file that is read")
    assert json.loads((tmp_path / "subscriptions.json").read_text()) == DATA


def test_what_cannot_be_imported_leaves_the_old_file(run, tmp_path):
    out = tmp_path / "mappings.yaml"
    out.write_text("preset: default\n")
    result = run("destination.json", "-o", "mappings.yaml")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert out.read_text() == "preset: default\n"
    assert "nothing that could send" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("nowhere.json",), ("--nope", "subscriptions.json")])
def test_wrong_use_is_2(run, arguments):
    assert run(*arguments).exit_code == ExitCode.CONFIGURATION


def test_an_output_that_cannot_be_written_is_said(run):
    result = run("subscriptions.json", "-o", "nowhere/mappings.yaml")
    assert result.exit_code == ExitCode.FAILED
    assert "No such file or directory" in result.stderr
