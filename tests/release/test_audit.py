"""deploy/audit.py claims no more than was looked at."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/audit.py"
SPEC = importlib.util.spec_from_file_location("audit", SCRIPT)
assert SPEC is not None
assert SPEC.loader is not None
audit = sys.modules["audit"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

SOUND = {"name": "click", "version": "8.2.0", "vulns": []}
SKIPPED = {"name": "rich", "skip_reason": "Dependency not found on PyPI and could not be audited: rich (14.0.0)"}
BROKEN = {"name": "aiohttp", "version": "3.9.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.9.2"]}]}


@pytest.mark.parametrize(
    ("packages", "says", "code"),
    [
        ([SOUND], "no known vulnerability in 1 of 1 packages", 0),
        ([SOUND, SKIPPED], "no known vulnerability in 1 of 2 packages; NOT AUDITED: the other 1", 0),
        ([SKIPPED, SKIPPED], "NOT AUDITED: the advisories of none of 2 packages could be asked from here", 0),
        ([SOUND, BROKEN], "known vulnerabilities:\naiohttp 3.9.0: PYSEC-1, mended in 3.9.2", 1),
    ],
)
def test_it_says_what_was_looked_at(packages, says, code):
    found = audit.verdict({"dependencies": packages, "fixes": []})
    assert (str(found), found.exit_code) == (says, code)


def answer(monkeypatch, outcome) -> None:
    def run(command, **_):
        if isinstance(outcome, Exception):
            raise outcome
        return subprocess.CompletedProcess(command, *outcome)

    monkeypatch.setattr(audit.subprocess, "run", run)


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        ((1, "", "WARNING: x\nERROR: could not connect"), "NOT AUDITED: ERROR: could not connect"),
        ((1, "", ""), "NOT AUDITED: pip-audit said nothing"),
        (subprocess.TimeoutExpired("pip-audit", 120), "NOT AUDITED: no answer within 120 seconds"),
    ],
)
def test_what_could_not_be_asked_is_no_success(monkeypatch, capsys, outcome, says):
    answer(monkeypatch, outcome)
    assert audit.main([]) == 0
    assert capsys.readouterr().out == says + "\n"


def test_a_vulnerability_ends_the_build(monkeypatch, capsys):
    answer(monkeypatch, (1, json.dumps({"dependencies": [BROKEN]}), "Found 1 known vulnerability"))
    assert audit.main([]) == 1
    assert "PYSEC-1" in capsys.readouterr().out
