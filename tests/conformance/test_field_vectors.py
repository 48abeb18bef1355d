"""The original's recorded answers for single fields: every line must agree, numbers and kinds included."""

from __future__ import annotations

from pathlib import Path

from consumer.segment import js_json
from tests.conformance.run import main, run

VECTORS = Path(__file__).parent / "vectors" / "field.jsonl"


def test_every_recorded_field():
    wrong = []
    with VECTORS.open(encoding="utf-8") as lines:
        for line in lines:
            vector = js_json.decode(line)
            expected = {key: value for key, value in vector["expected"].items() if key != "info"}
            # Compared as JSON text: true is not 1, and 12345678901234567000 is not ...168.
            if js_json.encode(run("field", vector["input"])) != js_json.encode(expected):
                wrong.append(vector["id"])
    assert wrong == []


def test_the_runner_prints_a_result_for_each_line(capsys):
    main([str(VECTORS)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 500
    assert js_json.decode(lines[0]).keys() >= {"id", "kind", "accepted"}
