"""The demo, as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.integration.harness import identify

if TYPE_CHECKING:
    from pathlib import Path


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "consumer", "demo", *arguments], capture_output=True, text=True, timeout=90, check=False
    )


def test_the_samples_are_accounted_for_in_one_json_object():
    ran = demo("--json")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    account = json.loads(ran.stdout.splitlines()[-1])
    skipped = sum(account["skipped"].values())
    assert account["deliveries"] == account["delivered"] + skipped + account["dead_lettered"]
    assert account["records"] == 587
    assert (account["committed_lag"], account["duplicates"]) == (0, 0)
    assert 0 < sum(account["rejected"].values()) < account["dead_lettered"]
    assert account["customers"] == 20


def test_it_shows_people_what_happened():
    ran = demo("--rate", "2000")
    assert ran.returncode == 0, ran.stderr
    for text in ("Customers (20)", "Northwind Bicycles", "Contacts", "no_matching_mapping", "Where the time went"):
        assert text in ran.stdout
    assert "Every event is accounted for" in ran.stdout


def test_own_events_more_than_the_embedded_broker_keeps(tmp_path: Path):
    """Eight megabytes of them, and lines that are no events or larger than brokers' defaults: each ends by name."""
    file = tmp_path / "events.jsonl"
    lines = [json.dumps(identify(n, f"user{n % 100}", notes="x" * 6000)) for n in range(1400)]
    lines[700:700] = ["{", "[]", '"text"', "", "null", json.dumps(identify(0, "user0", notes="x" * 1_200_000))]
    file.write_text("\n".join(lines))
    ran = demo("--json", "--events", str(file))
    assert ran.returncode == 0, ran.stderr
    account = json.loads(ran.stdout.splitlines()[-1])
    assert (account["records"], account["delivered"], account["dead_lettered"]) == (1405, 1400, 5)
    assert (account["contacts"], account["rejected"], account["committed_lag"]) == (100, {}, 0)


def test_a_file_that_is_not_there_or_empty_is_named(tmp_path: Path):
    missing = demo("--events", str(tmp_path / "none.jsonl"))
    assert missing.returncode == 2
    assert "none.jsonl" in missing.stderr
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    ran = demo("--events", str(empty))
    assert ran.returncode == 1
    assert "one JSON object a line" in ran.stderr
