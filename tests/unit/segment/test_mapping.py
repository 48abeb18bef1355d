"""Mappings resolved; every expected value was seen in the original."""

from __future__ import annotations

import pytest

from consumer.errors import MappingError
from consumer.segment.directives.site import MAX_TEXT
from consumer.segment.js import UNDEFINED, NativeFunction
from consumer.segment.mapping import compile_mapping, compile_value, explain_mapping

EVENT = {
    "type": "identify",
    "userId": "u1",
    "zero": 0,
    "nil": None,
    "empty": "",
    "no": False,
    "big": 1e21,
    "text": "Hello World",
    "list": [3, None, {"a": 1}],
    "products": [{"sku": "A", "price": 1.0}, {"sku": "B"}, None, 5],
    "traits": {"email": "a@b.co", "Name": "Ada", "deep": {"x": {"y": 1}}, "none": None},
}


def resolve(node, event=EVENT):
    return compile_mapping({"f": node})(event).get("f", UNDEFINED)


def fails(node, event=EVENT) -> str:
    with pytest.raises(MappingError) as caught:
        compile_mapping({"f": node})(event)
    error = caught.value.errors[0]
    assert error.field == "f"
    return error.message


def path(text: str) -> dict:
    return {"@path": text}


def test_entries_stand_in_the_order_of_the_mapping():
    mapping = {
        "b": path("$.userId"),
        "a": 1,
        "c": {"e": path("$.traits.email"), "n": path("$.none")},
        "d": path("$.type"),
    }
    result = compile_mapping(mapping)(EVENT)
    assert result == {"b": "u1", "a": 1, "c": {"e": "a@b.co"}, "d": "identify"}
    assert list(result) == ["b", "a", "c", "d"]


def test_children_of_a_falsy_parent_are_that_parent():
    mapping = {"a": path("$.traits.x"), "b": path("$.traits.y.z")}
    for falsy in ("", 0, None, False):
        assert compile_mapping(mapping)({"traits": falsy}) == {"a": falsy, "b": falsy}
    assert compile_mapping(mapping)({}) == {}
    assert compile_mapping({"a": path("$.traits.length"), "b": path("$.traits.0")})({"traits": "xy"}) == {
        "a": 2,
        "b": "x",
    }


def test_undefined_stays_in_arrays_and_nowhere_else():
    assert resolve([path("$.none"), {"a": path("$.none")}]) == [UNDEFINED, {}]
    assert resolve({"a": {"b": path("$.none")}}) == {"a": {}}
    assert resolve(path("$.none")) is UNDEFINED
    assert isinstance(resolve(path("$.text.link")), NativeFunction)


def test_a_path_may_come_from_a_directive():
    assert resolve({"@path": {"@template": "traits.{{which}}"}}, {"which": "a", "traits": {"a": 1}}) == 1
    assert fails({"@path": path("$.zero")}) == "@path: expected string, got number"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"exists": path("$.empty"), "then": 1, "else": 2}, 1),
        ({"exists": path("$.nil"), "then": 1, "else": 2}, 2),
        ({"exists": path("$.nil"), "then": 1, "else": 0}, UNDEFINED),
        ({"exists": path("$.userId"), "then": None}, None),
        ({"exists": path("$.userId")}, UNDEFINED),
        ({"blank": path("$.zero"), "then": 1, "else": 2}, 2),
        ({"blank": path("$.no"), "then": 1, "else": 2}, 2),
        ({"blank": path("$.text"), "then": 1, "else": 2}, 1),
        ({"exists": None, "blank": path("$.text"), "then": 1, "else": 2}, 2),
    ],
)
def test_if(node, expected):
    assert resolve({"@if": node}) == expected


def test_if_fails_without_a_condition_that_is_true_to_javascript():
    assert "needs an" in fails({"@if": {"exists": "", "then": 1}})
    assert "no text" in fails({"@if": {"blank": path("$.o"), "then": 1}}, {"o": {"toString": 1}})


def test_case():
    assert resolve({"@case": {"operator": "upper", "value": path("$.traits.Name")}}) == "ADA"
    assert resolve({"@case": {"operator": "lower", "value": "ÀΑΣ"}}) == "àας"
    assert resolve({"@case": {"operator": "title", "value": path("$.zero")}}) == 0
    assert resolve({"@case": {"operator": "lower", "value": ""}}) is UNDEFINED
    assert "lower or upper" in fails({"@case": {"operator": "title", "value": "x"}})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pattern": "o"}, "Hell Wrld"),
        ({"pattern": "o", "replacement": "0", "global": False}, "Hell0 World"),
        ({"pattern": "h", "replacement": "J", "ignorecase": True}, "Jello World"),
        ({"pattern": "l", "replacement": "[$&]"}, "He[l][l]o Wor[l]d"),
        ({"pattern": " ", "replacement": "$$$&1"}, "Hello$ 1World"),
        ({"pattern": "o W", "replacement": "<$`|$'>"}, "Hell<Hell|orld>orld"),
        ({"pattern": "L", "replacement": "<$&>", "ignorecase": True}, "He<l><l>o Wor<l>d"),
        ({"pattern": "l", "pattern2": "H", "replacement2": "J"}, "Jeo Word"),
        ({"pattern": ".*", "replacement": "x"}, "Hello World"),
        ({"pattern": "(a+)+$", "replacement": "x"}, "Hello World"),
    ],
)
def test_replace(options, expected):
    assert resolve({"@replace": {"value": path("$.text"), **options}}) == expected


def test_replace_takes_simple_values_by_their_text_and_gives_nothing_for_others():
    def replaced(value):
        return resolve({"@replace": {"pattern": "1", "replacement": "x", "value": path("$.v")}}, {"v": value})

    assert [replaced(value) for value in (1.0, 1e21, True, None, [1], {}, "1")] == [
        "x",
        "xe+2x",
        "true",
        "",
        "",
        "",
        "x",
    ]


def test_replace_works_on_code_units():
    assert resolve({"@replace": {"pattern": "\ud83d", "replacement": "", "value": "a😀b"}}) == "a\ude00b"
    assert resolve({"@replace": {"pattern": "ss", "replacement": "x", "ignorecase": True, "value": "ßſs"}}) == "ßſs"
    assert resolve({"@replace": {"pattern": "É", "replacement": "e", "ignorecase": True, "value": "éÉ"}}) == "ee"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{userId}} {{ traits.Name }}!", "u1 Ada!"),
        ("{{none}}{{nil}}|{{zero}}|{{no}}|{{big}}", "|0|false|1e+21"),
        ("{{list}} {{traits}}", "3,,[object Object] [object Object]"),
        ("{{$.userId}}", ""),
        ("{{ }}", "[object Object]"),
        ("{{}} {{{}}} {{a}", "{{}} } {{a}"),
        ("{{{userId}}}", "u1"),
        ("{{{{userId}}}}", "}"),
        ("{ {{userId}} }", "{ u1 }"),
    ],
)
def test_template(template, expected):
    assert resolve({"@template": template}) == expected


def test_what_three_braces_insert_is_expanded_again_and_what_two_insert_is_not():
    event = {"a": "{{b}}", "b": "{{{a}}}"}
    assert resolve({"@template": "{{{a}}}"}, event) == "{{{a}}}"
    assert resolve({"@template": "{{a}} {{b}}"}, event) == "{{b}} {{{a}}}"
    assert resolve({"@template": path("$.a")}, event) == "{{{a}}}"


def test_halves_of_a_pair_that_meet_are_one_character():
    assert resolve({"@template": "{{a}}{{b}}"}, {"a": "\ud83d", "b": "\ude00"}) == "😀"


def test_array_path():
    shape = {"s": path("$.sku"), "p": path("$.price"), "k": 1}
    expected = [{"s": "A", "p": 1.0, "k": 1}, {"s": "B", "k": 1}, {"s": None, "p": None, "k": 1}, {"k": 1}]
    assert resolve({"@arrayPath": ["$.products", shape]}) == expected
    assert resolve({"@arrayPath": ["$.traits", {"e": path("email")}]}) == [{"e": "a@b.co"}]
    assert resolve({"@arrayPath": ["$.text", shape]}) == "Hello World"
    assert resolve({"@arrayPath": [path("$.list"), {}]}) == [3, None, {"a": 1}]
    assert resolve({"@arrayPath": ["$.products", path("$.sku")]}) == ["A", "B", None, UNDEFINED]


def test_flatten():
    assert resolve({"@flatten": {"separator": "/", "value": path("$.traits.deep")}}) == {"x/y": 1}
    assert resolve({"@flatten": {"separator": ".", "value": path("$.list")}}) == {"0": 3, "1": None, "2.a": 1}
    assert resolve({"@flatten": {"separator": ".", "value": {"l": path("$.list")}, "omitArrays": True}}) == {
        "l": [3, None, {"a": 1}]
    }
    assert resolve({"@flatten": {"separator": ".", "value": path("$.userId")}}) == {"": "u1"}
    assert resolve({"@flatten": {"separator": ".", "value": {"a": {}, "b": []}}}) == {}
    assert "separator" in fails({"@flatten": {"value": 1}})


def test_merge():
    nodes = [{"a": 1, "b": path("$.none")}, {"a": 2, "b": 3}]
    assert resolve({"@merge": {"direction": "right", "objects": nodes}}) == {"a": 2, "b": 3}
    assert resolve({"@merge": {"direction": "left", "objects": nodes}}) == {"a": 1}
    assert resolve({"@merge": {"direction": "right", "objects": [path("$.userId"), path("$.zero")]}}) == {
        "0": "u",
        "1": "1",
    }
    assert "direction" in fails({"@merge": {"objects": nodes}})


def test_transform():
    node = {"@transform": {"apply": {"x": path("$.traits.Name")}, "mapping": {"y": path("$.x"), "z": path("$.userId")}}}
    assert resolve(node) == {"y": "Ada"}
    assert fails({"@arrayPath": ["$.list", node]}) == "data must be an object, got number"


def test_json():
    assert (
        resolve({"@json": {"mode": "encode", "value": path("$.products")}})
        == '[{"sku":"A","price":1},{"sku":"B"},null,5]'
    )
    assert resolve({"@json": {"mode": "encode", "value": path("$.none")}}) is UNDEFINED
    assert resolve({"@json": {"mode": "decode", "value": '{"a":[1]}'}}) == {"a": [1]}
    assert resolve({"@json": {"mode": "decode", "value": "{a}"}}) == "{a}"
    assert resolve({"@json": {"mode": "decode", "value": path("$.zero")}}) == 0
    assert resolve({"@json": {"mode": "ENCODE", "value": "x"}}) is UNDEFINED


def test_exclude_when_null():
    assert resolve({"@excludeWhenNull": path("$.nil")}) is UNDEFINED
    node = {"a": None, "b": {"c": None, "d": 1}, "e": [None]}
    assert resolve({"@excludeWhenNull": node}) == {"b": {"d": 1}, "e": [None]}


def test_literal_resolves_nevertheless():
    assert resolve({"@literal": {"a": path("$.userId")}}) == {"a": "u1"}


def test_an_object_with_other_keys_is_no_directive_where_nobody_checks():
    assert resolve([{"@path": "$.userId", "other": 1}]) == [{"@path": "$.userId", "other": 1}]
    assert fails([{"@nope": 1}]) == "@nope is not a valid directive"


def test_the_root_directive_gets_the_rest_of_the_mapping():
    root = {"@transform": {"apply": {"n": path("$.traits.Name")}}}
    mapping = {"__segment_internal_directive": root, "out": path("$.n"), "k": 1}
    assert compile_mapping(mapping)(EVENT) == {"out": "Ada", "k": 1}
    assert mapping["__segment_internal_directive"] == {"@transform": {"apply": {"n": path("$.traits.Name")}}}
    for broken in ({}, {"@a": {}, "@b": {}}, {"@a": 1}, "ab", None, 5):
        with pytest.raises(MappingError, match="root"):
            compile_mapping({"__segment_internal_directive": broken})(EVENT)


def test_a_directive_at_the_root_may_give_anything():
    assert compile_mapping(path("$.userId"))(EVENT) == "u1"
    assert compile_mapping(path("$.none"))(EVENT) is UNDEFINED


def test_only_objects_are_events():
    for data in (None, [], "x", 5):
        with pytest.raises(MappingError, match="data must be an object"):
            compile_mapping({"a": 1})(data)


def test_errors_name_the_field():
    with pytest.raises(MappingError) as caught:
        compile_mapping({"company": {"id": {"@if": {}}}})(EVENT)
    assert caught.value.errors[0].field == "company.id"


def test_a_node_alone():
    assert compile_value({"@template": "{{userId}}"})(EVENT) == "u1"
    assert compile_value(path("$.traits.email"))(EVENT) == "a@b.co"
    assert compile_value({"a": path("$.none")})(EVENT) == {}
    with pytest.raises(MappingError):
        compile_value({"@template": "{{v}}"})({"v": {"toString": 1}})


@pytest.mark.parametrize(
    ("node", "place"),
    [
        ({"@if": {"then": 1}}, "f.@if"),
        ({"@case": {"operator": "title", "value": "x"}}, "f.@case"),
        ({"@json": {"mode": "Encode", "value": "x"}}, "f.@json"),
        ({"@merge": {"direction": "LEFT", "objects": []}}, "f.@merge"),
        ({"@liquid": "{% for a in b %}{% endfor %}"}, "f.@liquid"),
        ({"@liquid": "x" * 1001}, "f.@liquid"),
        ({"@liquid": "{{ 'now' | date: '%Y' }}"}, "f.@liquid"),
        ([{"@nope": 1}], "f[0].@nope"),
    ],
)
def test_what_never_works_is_noted(node, place):
    assert [note.path for note in explain_mapping({"f": node})] == [place]
    assert explain_mapping({"f": path("$.a")}) == ()


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"@template": "{{{v}}}"}, "{{v}}" * 6000),
        ({"@template": "{{v}}" * 10}, "x" * 30_000),
        ({"@replace": {"pattern": "a", "replacement": "$'$'$'", "value": path("$.v")}}, "a" * 30_000),
        ({"@replace": {"pattern": "a", "replacement": "x" * 10, "value": path("$.v")}}, "a" * 30_000),
        ({"@json": {"mode": "encode", "value": [path("$.v")] * 10}}, "x" * 30_000),
    ],
)
def test_no_event_is_made_into_gigabytes(node, value):
    assert str(MAX_TEXT) in fails(node, {"v": value})


def test_deep_events_end_by_name():
    deep: dict = {}
    for _ in range(5000):
        deep = {"a": deep}
    assert "deeply" in fails({"@json": {"mode": "encode", "value": path("$.v")}}, {"v": deep})
    assert "characters of keys" in fails(
        {"@flatten": {"separator": ".", "value": path("$.v")}}, {"v": {"k": 1, "a": deep}}
    )
