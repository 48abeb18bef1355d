"""JavaScript's value semantics; the expected texts are what Node 20 prints."""

from __future__ import annotations

import copy
import json
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.segment import js, js_date, js_json, js_member
from consumer.segment.js import UNDEFINED

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (-1.5, "-1.5"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (12345678901234567890, "12345678901234567000"),
        (9007199254740993, "9007199254740992"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (-2.5e-9, "-2.5e-9"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (10**400, "Infinity"),
        (-(10**400), "-Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_print_as_doubles(number, text):
    assert js.number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_from_its_text(number):
    assert js.to_number(js.number_text(number)) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (True, "true"),
        (None, "null"),
        (UNDEFINED, "undefined"),
        ([], ""),
        ([1.0, None, [2, UNDEFINED], "x", False], "1,,2,,x,false"),
        ({"a": 1}, "[object Object]"),
        (js.NativeFunction("link"), "function link() { [native code] }"),
    ],
)
def test_text(value, text):
    assert js.to_text(value) == text


@pytest.mark.parametrize("value", [{"toString": 1}, [{"toString": None}]])
def test_an_object_with_a_tostring_of_its_own_has_no_text(value):
    with pytest.raises(js.JsTypeError):
        js.to_text(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [("", 0), (" 12\ufeff", 12), ("0x1F", 31), ("0b11", 3), ("1e3", 1000), (".5", 0.5), ("-Infinity", -math.inf)],
)
def test_numbers_are_read_from_text(value, number):
    assert js.to_number(value) == number


@pytest.mark.parametrize("value", ["1_000", "0x", "-0x1", "1 2", "nan", "inf", "\x1c1", "١", {}, [1, 2], UNDEFINED])
def test_what_is_no_number_is_nan(value):
    assert math.isnan(js.to_number(value))


def test_numbers_of_other_values():
    assert [js.to_number(value) for value in (None, True, [], [5], ["7"])] == [0, 1, 0, 5, 7]


def test_truth():
    assert all(map(js.truthy, [[], {}, "0", " ", -1, True, js.NativeFunction("x")]))
    assert not any(map(js.truthy, [0, -0.0, math.nan, "", None, False, UNDEFINED]))


def test_loose_equality_with_the_empty_text():
    assert all(map(js.loosely_empty, ["", 0, -0.0, False, [], [[]], [None], [""]]))
    assert not any(map(js.loosely_empty, [" ", "0", 1, True, None, UNDEFINED, {}, [0], ["", ""], math.nan]))


def test_undefined_is_one_falsy_value():
    assert not UNDEFINED
    assert repr(UNDEFINED) == "undefined"
    assert copy.deepcopy({"a": UNDEFINED})["a"] is UNDEFINED
    assert copy.copy(UNDEFINED) is UNDEFINED
    assert pickle.loads(pickle.dumps(UNDEFINED)) is UNDEFINED


def test_lengths_are_in_code_units():
    assert [js.utf16_length(text) for text in ("abc", "é", "😀", "\ud83d", "")] == [3, 1, 2, 1, 0]


@given(TEXTS)
def test_code_units_join_to_the_text_they_came_from(text):
    joined = js.from_units(text)  # a high and a low half that stand together are one character
    units = js.to_units(joined)
    assert len(units) == js.utf16_length(joined)
    assert js.from_units(units) == joined


def test_keys_come_as_javascript_orders_them():
    keys = ["b", "10", "2", "01", "-1", "4294967295", "4294967294", "a"]
    assert js.own_keys(dict.fromkeys(keys)) == ["2", "10", "4294967294", "b", "01", "-1", "4294967295", "a"]


def test_kinds_have_names():
    values = ({}, [], "", 1, 1.5, True, None, UNDEFINED, js.NativeFunction("at"))
    names = ["object", "array", "string", "number", "number", "boolean", "null", "undefined", "function"]
    assert [js.type_name(value) for value in values] == names


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1.0, "2": UNDEFINED, "1": [UNDEFINED, math.inf]}, '{"1":[null,null],"b":1}'),
        ("\ud83d é\u2028\x1f\x7f\n", '"\\ud83d é\u2028\\u001f\x7f\\n"'),
        ([{}, [], "", -0.0, 10**30], '[{},[],"",0,1e+30]'),
        ({"f": js.NativeFunction("x")}, "{}"),
    ],
)
def test_json_is_written_as_javascript_writes_it(value, text):
    assert js_json.encode(value) == text


def test_json_of_undefined_is_undefined():
    assert js_json.encode(UNDEFINED) is UNDEFINED
    assert js_json.encode(js.NativeFunction("x")) is UNDEFINED
    assert js_json.json_value(js.NativeFunction("x")) is UNDEFINED


def test_json_with_an_indent():
    assert js_json.encode({"a": [1, {}], "b": []}, "  ") == '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": []\n}'
    assert js_json.encode([1], "") == "[\n1\n]"


@settings(max_examples=50)
@given(JSON)
def test_json_round_trips(value):
    text = js_json.encode(value)
    assert js_json.encode(js_json.decode(text)) == text
    assert json.loads(text) is not UNDEFINED


@pytest.mark.parametrize("text", ["", "NaN", "-Infinity", "01", "1.", "'a'", "\ufeff1", '"\n"', "[1,]", "undefined"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        js_json.decode(text)


def test_json_numbers_of_any_length_are_read_in_no_time():
    assert js_json.decode("9" * 30_000) == math.inf
    assert js_json.decode("[1e400, -1e400]") == [math.inf, -math.inf]
    assert js_json.decode("12345678901234567890") == 12345678901234567890.0


def test_the_json_view_leaves_out_what_json_has_not():
    value = {"a": UNDEFINED, "b": [UNDEFINED, math.nan], "c": js.NativeFunction("at"), "d": {"e": UNDEFINED}}
    assert js_json.json_value(value) == {"b": [None, None], "d": {}}


def test_members():
    assert js_member.member({"a": 1}, "a") == 1
    assert js_member.member({}, "a") is UNDEFINED
    assert js_member.member([7, 8], "1") == 8
    assert js_member.member([7], "01") is UNDEFINED
    assert js_member.member([7], "-1") is UNDEFINED
    assert js_member.member("a😀", "length") == 3
    assert js_member.member("a😀", "1") == "\ud83d"
    assert js_member.member("a", "9") is UNDEFINED
    assert js_member.member(5, "length") is UNDEFINED


def test_members_of_the_engine_are_functions():
    assert repr(js_member.member("a", "link")) == "function link() { [native code] }"
    assert repr(js_member.member([], "constructor")) == "function Array() { [native code] }"
    assert js_member.member({"toString": 1}, "toString") == 1
    assert js_member.member({}, "link") is UNDEFINED
    assert js_member.member({}, "__proto__") == {}


def test_dates_are_instants():
    assert js_date.instant("1970-01-02") == 86_400_000
    assert js_date.instant("Jan 5 2023 10:00 GMT+0100") == 1_672_909_200_000
    assert js_date.instant("2024-02-30") == 1_709_251_200_000
    assert js_date.instant("yesterday") is None
