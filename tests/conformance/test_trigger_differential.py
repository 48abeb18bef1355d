"""Generated triggers and events, run here and by the original: they must agree, every one.

Needs the original: a folder with ``oracle.mjs`` and its installed packages, named by CHARTMOGUL_ORACLE, or the optional
``shared/oracle`` beside the checkout. TRIGGER_CASES sets how many triggers, TRIGGER_SEED which.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conformance.test_trigger_vectors import fql
from tests.unit.segment.trigger_cases import trigger, wild_event

ORACLE = Path(os.environ.get("CHARTMOGUL_ORACLE") or Path(__file__).parents[3] / "shared" / "oracle")
CASES = int(os.environ.get("TRIGGER_CASES", "1500"))
SEED = int(os.environ.get("TRIGGER_SEED", "20240611"))


@pytest.mark.skipif(
    shutil.which("node") is None or not (ORACLE / "node_modules").is_dir(),
    reason="the original is not installed here (node and the packages beside oracle.mjs)",
)
def test_generated_triggers_do_what_the_original_does():
    chance = random.Random(SEED)
    texts = [trigger(chance) for _ in range(CASES)]
    cases = [{"fql": text, "event": wild_event(chance)} for text in texts for _ in range(2)]
    lines = "\n".join(json.dumps({"id": index, "kind": "fql", **case}) for index, case in enumerate(cases))
    run = subprocess.run(["node", "oracle.mjs"], input=lines, capture_output=True, text=True, cwd=ORACLE, check=True)
    expected = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(cases) == len(expected)
    for case, original in zip(cases, expected, strict=True):
        # Through JSON, as the original got it: two lone surrogates that meet in a text are one character.
        given = json.loads(json.dumps(case))
        assert {key: original[key] for key in original if key in ("ok", "match", "error_class")} == fql(given), case
    assert sum(original["match"] is True for original in expected) > len(cases) / 20, "most cases say nothing"
