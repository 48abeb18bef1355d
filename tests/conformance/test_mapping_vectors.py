"""The original's recorded answers for mappings, one test a file: every line must agree."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from consumer.errors import ConfigurationError, MappingError
from consumer.segment.directives.objects import flatten
from consumer.segment.directives.template import render
from consumer.segment.js import UNDEFINED, double
from consumer.segment.js_json import json_value
from consumer.segment.mapping import compile_mapping
from consumer.segment.mapping_check import check_mapping

HERE = Path(__file__).parent
VECTORS = HERE / "vectors" / "mapping.jsonl"
UPSTREAM = HERE.parents[2] / "shared" / "vectors" / "upstream" / "mapping.jsonl"


def answer(kind: str, given: dict) -> dict:
    try:
        output = RUNNERS[kind](given)
    except ConfigurationError:
        return {"ok": False, "error_class": "invalid_mapping"}
    except MappingError:
        return {"ok": False, "error_class": "mapping_error"}
    return {"ok": True, "output_undefined": True} if output is UNDEFINED else {"ok": True, "output": output}


def run_map(given: dict):
    payload = given.get("payload", UNDEFINED)
    if (given.get("options") or {}).get("batch"):
        return json_value([compile_mapping(given["mapping"])(each) for each in payload])
    if payload is not UNDEFINED and not isinstance(payload, dict):
        return compile_mapping({})(payload)  # the original looks at the event before the mapping
    return json_value(compile_mapping(given["mapping"])(payload))


def run_validate(given: dict):
    problems = check_mapping(given["mapping"])
    if problems:
        raise ConfigurationError(problems)
    return UNDEFINED


def run_flatten(given: dict):
    leaves = flatten(
        given["input"],
        given.get("separator", "."),
        given.get("prefix", ""),
        omit_arrays=given.get("omitArrays", False),
    )
    return json_value(leaves)


def run_render(given: dict):
    if not isinstance(given["template"], str):
        raise MappingError("a template should be a text")
    return render(given["template"], given.get("data", UNDEFINED))


RUNNERS = {"map": run_map, "validate": run_validate, "flatten": run_flatten, "render": run_render}


def same(a, b) -> bool:
    """Equal as JSON values, numbers as doubles."""
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return double(a) == double(b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def differences(path: Path) -> list[tuple]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        vector = json.loads(line)
        if vector.get("lossy"):
            continue
        expected = {key: value for key, value in vector["expected"].items() if key != "info"}
        if vector["kind"] == "validate":
            expected = {"ok": True, "output_undefined": True} if expected["ok"] else expected
        if expected.get("error_class") == "type":
            expected["error_class"] = "mapping_error"
        got = answer(vector["kind"], vector["input"])
        if not same(expected, got):
            found.append((vector["id"], vector["input"], expected, got))
    return found


def test_every_recorded_mapping_agrees():
    assert len(VECTORS.read_text(encoding="utf-8").splitlines()) == 800
    assert differences(VECTORS) == []


@pytest.mark.skipif(
    not UPSTREAM.exists(), reason="the calls recorded from the original's own tests are not beside this checkout"
)
def test_every_call_of_the_originals_own_tests_agrees():
    assert differences(UPSTREAM) == []


def test_the_comparison_can_fail():
    assert same({"a": [1, 2.0]}, {"a": [1.0, 2]})
    assert not same({"a": True}, {"a": 1})
    assert not same([math.inf], [0])
    assert not same({"a": None}, {})
