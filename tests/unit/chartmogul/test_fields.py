"""Removal, coercion, validation: the rules of ``consumer.chartmogul.fields``, one by one."""

from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.chartmogul.fields import Field, FieldType, Format, json_number, kind, shape
from consumer.segment.js import UNDEFINED, NativeFunction

TEXT = Field("v")
DATE = Field("v", FieldType.DATETIME)
OBJECT = Field("v", FieldType.OBJECT, children=(Field("id", required=True), Field("name")))
REFUSED = object()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["v", "id", "name", "x"]), inner),
    max_leaves=8,
)


def one(value, field):
    payload, errors = shape({"v": value}, (field,))
    return REFUSED if errors else payload.get("v", UNDEFINED)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("text", "text"),
        (" ", " "),
        ("", UNDEFINED),
        (None, UNDEFINED),
        (UNDEFINED, UNDEFINED),
        (0, "0"),
        (1.0, "1"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (12345678901234567890, "12345678901234567000"),
        (math.inf, "Infinity"),
        (True, "true"),
        (False, "false"),
        (["one"], "one"),
        ([7], "7"),
        ([None], ""),
        ([""], ""),
        ([UNDEFINED], REFUSED),
        ([], REFUSED),
        (["a", "b"], REFUSED),
        ([["x"]], REFUSED),
        ([{}], REFUSED),
        ({}, REFUSED),
        (NativeFunction("link"), REFUSED),
    ],
)
def test_text(value, sent):
    assert one(value, TEXT) == sent


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("2024-01-15", "2024-01-15"),
        ("2024-13-45", "2024-13-45"),
        ("yesterday", REFUSED),
        ("", UNDEFINED),
        (None, UNDEFINED),
        (0, 0),
        (1700000000.25, 1700000000.25),
        (1.0, 1),
        (10**20, 10**20),
        (12345678901234567890, 12345678901234567000),
        (1e21, 1e21),
        (math.inf, REFUSED),
        (10**400, REFUSED),
        (True, REFUSED),
        (["2024-01-15"], REFUSED),  # text in a list has to be a number,
        (["1700000000"], 1700000000),
        ([" 0x10 "], 16),
        (["Infinity"], None),  # which JSON writes as null
        ([""], REFUSED),
        ([1700000000], "1700000000"),  # and a number becomes text
        ([1e300], REFUSED),
        ([True], REFUSED),
        ([None], REFUSED),
        ([[1]], REFUSED),
        ({}, REFUSED),
    ],
)
def test_datetime(value, sent):
    assert one(value, DATE) == sent
    assert type(one(value, DATE)) is type(sent)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"id": "c", "name": "n", "plan": "dropped"}, {"id": "c", "name": "n"}),
        ({"id": 42, "name": None}, {"id": "42"}),
        ({"id": ""}, {"id": ""}),
        ({"id": [None]}, {"id": ""}),
        ({"id": None}, REFUSED),
        ({}, REFUSED),
        ({"id": {}}, REFUSED),
        ([{"id": "c"}], REFUSED),
        ("Acme", REFUSED),
        ("", UNDEFINED),
        (None, UNDEFINED),
    ],
)
def test_object(value, sent):
    assert one(value, OBJECT) == sent


def test_formats_look_at_the_coerced_text():
    assert one(42, Field("v", format=Format.URI_REFERENCE)) == "42"
    assert one(42, Field("v", format=Format.EMAIL)) is REFUSED
    assert one(["https://a.b"], Field("v", format=Format.URI)) == "https://a.b"


def test_unknown_keys_are_dropped_and_the_exempt_one_is_kept_last():
    payload, errors = shape({"dynamicAuthSettings": {"a": 1}, "x": {}, "v": "1"}, (TEXT,))
    assert list(payload.items()) == [("v", "1"), ("dynamicAuthSettings", {"a": 1})]
    assert not errors
    assert shape({"dynamicAuthSettings": ""}, (TEXT,)) == ({}, [])
    assert shape({"dynamicAuthSettings": None}, (TEXT,)) == ({"dynamicAuthSettings": None}, [])


def test_every_mistake_is_reported_with_its_place_and_without_its_value():
    fields = (Field("mail", format=Format.EMAIL), OBJECT, Field("need", required=True), DATE)
    _, errors = shape({"mail": "not.secret", "v": {"id": ["not.secret", 2]}}, fields[:3])
    assert [error.field for error in errors] == ["mail", "v.id", "need"]
    assert "not.secret" not in str(errors)
    assert "e-mail" in errors[0].message
    assert "a list of 2 values" in errors[1].message


@pytest.mark.parametrize("resolved", [None, UNDEFINED, "x", 5, [], [{}]])
def test_what_is_no_object_is_refused(resolved):
    payload, errors = shape(resolved, (TEXT,))
    assert payload == {}
    assert [error.field for error in errors] == [""]


@given(JSON)
def test_nothing_is_changed_and_nothing_raises(value):
    resolved = {"v": value, "w": value, "x": value}
    before = copy.deepcopy(resolved)
    shape(resolved, (OBJECT, Field("w", FieldType.DATETIME), Field("x", format=Format.EMAIL)))
    assert repr(resolved) == repr(before)


@given(JSON.filter(lambda value: value != ""))
def test_what_was_sent_once_is_sent_again_as_it_is(value):
    for field in (TEXT, OBJECT):
        first = one(value, field)
        if first not in (REFUSED, UNDEFINED, ""):
            assert one(first, field) == first


@pytest.mark.parametrize(
    ("number", "written"),
    [(2**53, 2**53), (2**53 + 1, 2**53), (9.5, 9.5), (1e20, 10**20), (-0.0, 0), (math.nan, None), (-(10**400), None)],
)
def test_numbers_as_javascript_has_them(number, written):
    assert json_number(number) == written
    assert type(json_number(number)) is type(written)


def test_kinds_are_words():
    values = [None, True, "x", 1, 1.5, [], [1], {}, UNDEFINED]
    assert [kind(value) for value in values] == [
        "null",
        "true/false",
        "text",
        "a number",
        "a number",
        "a list of 0 values",
        "a list of one value",
        "an object",
        "no JSON value",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": FieldType.DATETIME, "format": Format.URI},
        {"type": FieldType.OBJECT},
        {"children": (TEXT,)},
        {"type": FieldType.OBJECT, "children": (DATE,)},
    ],
)
def test_a_field_checks_itself(wrong):
    with pytest.raises(ValueError, match=r"\Av: "):
        Field("v", **wrong)
