"""A mapping's mistakes, told all at once, each at its place."""

from __future__ import annotations

import datetime as dt

import pytest

from consumer.errors import ConfigurationError
from consumer.segment.mapping import compile_mapping
from consumer.segment.mapping_check import MAX_DEPTH, check_mapping


def places(mapping) -> list[str]:
    return [problem.path for problem in check_mapping(mapping)]


@pytest.mark.parametrize(
    ("mapping", "path"),
    [
        ({"a": {"@nope": 1}}, "a"),
        ({"a": {"@path": "x", "b": 1}}, "a"),
        ({"a": {"@path": "x", "@template": "y"}}, "a"),
        ({"@path": "x", "b": 1}, ""),
        ({"a": {"@path": 1}}, "a.@path"),
        ({"a": {"@path": {"@path": None}}}, "a.@path.@path"),
        ({"a": {"@template": {}}}, "a.@template"),
        ({"a": {"@liquid": {"@path": "x"}}}, "a.@liquid"),
        ({"a": {"@if": "x"}}, "a.@if"),
        ({"a": {"@if": {"exists": {"@nope": 1}}}}, "a.@if.exists"),
        ({"a": {"@case": {"operator": 1}}}, "a.@case.operator"),
        ({"a": {"@case": {"value": 1}}}, "a.@case.value"),
        ({"a": {"@replace": {"value": "x"}}}, "a.@replace"),
        ({"a": {"@replace": {"pattern": "", "value": "x"}}}, "a.@replace.pattern"),
        ({"a": {"@replace": {"pattern": "😀" * 6, "value": "x"}}}, "a.@replace.pattern"),
        ({"a": {"@replace": {"pattern": "a", "value": "x", "replacement": "x" * 11}}}, "a.@replace.replacement"),
        ({"a": {"@replace": {"pattern": "a", "value": "x", "global": "yes"}}}, "a.@replace.global"),
        ({"a": {"@arrayPath": "x"}}, "a.@arrayPath"),
        ({"a": {"@arrayPath": []}}, "a.@arrayPath[0]"),
        ({"a": {"@arrayPath": ["x", {"b": {"@nope": 1}}]}}, "a.@arrayPath[1].b"),
        ({"a": {"@json": {"value": 1, "mode": "other"}}}, "a.@json.mode"),
        ({"a": {"@flatten": {"separator": {"@path": "x"}, "value": 1}}}, "a.@flatten.separator"),
        ({"a": {"@merge": {"direction": "up", "objects": []}}}, "a.@merge.direction"),
        ({"a": {"@merge": {"direction": "left", "objects": {}}}}, "a.@merge.objects"),
        ({"a": {"@merge": {"direction": "left", "objects": [{}, 1]}}}, "a.@merge.objects[1]"),
        ({"a": {"@transform": {"apply": {}, "mapping": "x"}}}, "a.@transform.mapping"),
        ({"a": {"b": {"@literal": {"@nope": 1}}}}, "a.b.@literal"),
    ],
)
def test_a_mistake_is_told_at_its_place(mapping, path):
    assert places(mapping) == [path]
    with pytest.raises(ConfigurationError):
        compile_mapping(mapping)


def test_every_mistake_is_told_at_once():
    mapping = {
        "a": {"@path": 1},
        "b": {"@replace": {"pattern": {"@path": 2}, "ignorecase": 1}},
        "c": {"d": [{"@nope": 1}], "e": {"@nope": 1}},
    }
    assert places(mapping) == [
        "a.@path",
        "b.@replace",
        "b.@replace.pattern",
        "b.@replace.ignorecase",
        "b.@replace.pattern.@path",
        "c.e",
    ]


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"a": [{"@nope": 1}], "b": {"@literal": {"c": {"@nope": 1}}}},
        {"a": {"@excludeWhenNull": {"b": {"@path": 1}}}},
        {"a": {"@path": "x", "_metadata": {"label": "anything"}}},
        {"a": {"@if": {"exists": 1, "blank": 2}}},
        {"a": {"@json": {"value": None, "mode": "ENCODE"}}},
        {"@merge": {"objects": [{"@path": "$.a"}, {}]}},
        {"@template": "{{a}}"},
    ],
)
def test_what_the_original_takes_is_taken(mapping):
    assert check_mapping(mapping) == ()


def test_a_mapping_is_json():
    assert places({"a": dt.date(2024, 1, 1), 5: "x", "b": [{"c": {1}}]}) == ["a", "", "b[0].c"]


def test_a_mapping_has_a_depth():
    node: dict = {}
    for _ in range(MAX_DEPTH + 1):
        node = {"a": node}
    assert [problem.message for problem in check_mapping(node)] == [
        f"is nested more than {MAX_DEPTH} levels deep; flatten the mapping"
    ]
    assert check_mapping(node["a"]) == ()


def test_checking_deep_directives_takes_no_exponential_time():
    node: dict = {"@path": "$.a"}
    for _ in range(MAX_DEPTH // 2 - 1):
        node = {"@if": {"exists": node}}
    assert check_mapping({"a": node}) == ()
