"""The original's recorded answers for triggers: what they match, how they parse, how they are written back.

Kinds: fql (trigger and event), match_ast (a parsed trigger and event), parse (its tree), generate (its text).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consumer.segment.trigger import TriggerError, TriggerSyntaxError, compile_trigger
from consumer.segment.trigger_ast import Condition, Field, Group, Node, parse_trigger
from consumer.segment.trigger_match import compile_node
from consumer.segment.trigger_text import write_trigger

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "vectors"
FILES = [HERE / "vectors" / "fql.jsonl", SHARED / "upstream" / "fql.jsonl"]
_PATHS = (Field.PROPERTY, Field.TRAIT, Field.CONTEXT)


def to_node(tree: dict[str, Any]) -> Node:
    if tree["type"] == "group":
        return Group(tree["operator"], tuple(map(to_node, tree["children"])))
    field = Field(tree["type"])
    return Condition(field, tree["operator"], tree.get("value"), tree.get("name", ""))


def to_tree(node: Node) -> dict[str, Any]:
    if isinstance(node, Group):
        return {"type": "group", "operator": node.operator, "children": [to_tree(child) for child in node.children]}
    assert isinstance(node, Condition)
    tree: dict[str, Any] = {"type": node.field.value, "operator": node.operator}
    if node.field in _PATHS:
        tree["name"] = node.path
    if node.value is not None:
        tree["value"] = node.value
    return tree


def fql(given: dict[str, Any]) -> dict[str, Any]:
    try:
        trigger = compile_trigger(given["fql"])
    except TriggerSyntaxError:
        return {"ok": False, "match": False, "error_class": "parse"}
    try:
        return {"ok": True, "match": trigger.matches(given["event"])}
    except TriggerError:
        return {"ok": False, "match": None, "error_class": "eval"}


def match_ast(given: dict[str, Any]) -> dict[str, Any]:
    if "error" in given["ast"]:
        return {"ok": True, "match": False}  # what could not be parsed never matches: here it never is a Trigger
    return {"ok": True, "match": compile_node(to_node(given["ast"]))(given["event"])}


def parse(given: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"ok": True, "ast": to_tree(parse_trigger(given["fql"]))}
    except TriggerSyntaxError:
        return {"ok": False, "error_class": "parse"}


def generate(given: dict[str, Any]) -> dict[str, Any]:
    if "error" in given["ast"]:
        return {"ok": False}
    node = to_node(given["ast"])
    assert isinstance(node, Group)
    return {"ok": True, "fql": write_trigger(node)}


RUNNERS = {"fql": fql, "match_ast": match_ast, "parse": parse, "generate": generate}


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name)
def test_every_recorded_trigger_does_what_the_original_did(file: Path):
    if not file.exists():
        pytest.skip(f"no recorded cases at {file}")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    kept = [
        line for line in lines if not line.get("lossy")
    ]  # lossy: JavaScript's undefined, which JSON has no word for
    different = [
        (line["id"], line["input"], expected, got)
        for line in kept
        for expected in [{key: value for key, value in line["expected"].items() if key != "info"}]
        if (got := RUNNERS[line["kind"]](line["input"])) != expected
    ]
    assert different == []
    assert len(kept) > 200
