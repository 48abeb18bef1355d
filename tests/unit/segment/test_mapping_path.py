"""What a path means. Each pair was seen in the original."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.segment.js import UNDEFINED
from consumer.segment.mapping_path import child, compile_path, directive_keys, path_keys, path_mistake, split_path


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("", ()),
        (".", ()),
        ("..", ()),
        ("a.b", ("a", "b")),
        ("a..b.", ("a", "b")),
        ("a[0].b", ("a", "0", "b")),
        ("a['x y']", ("a", "x y")),
        ('a["b.c"]', ("a", "b", "c")),
        ("a[name]", ("a[name]",)),
        ("a[-1]", ("a[-1",)),
        ("a[0][1]", ("a", "0", "1")),
        ("it's", ("its",)),
        ("''", ("",)),
        ("a]b", ("a]b",)),
    ],
)
def test_paths_are_cut_at_dots_and_some_brackets(path, keys):
    assert split_path(path) == keys


def test_the_root_mark_is_removed_once_wherever_it_stands():
    assert directive_keys("$.traits.email") == ("traits", "email")
    assert directive_keys("x$.a") == ("xa",)
    assert directive_keys("$.$.a") == ("$", "a")
    assert directive_keys("$") == ("$",)


@pytest.mark.parametrize(
    ("path", "mistake"),
    [
        ("$.a[0", "bracket"),
        ("$.a]", "bracket"),
        ("$.a[name]", "bracket"),
        ("$.a[-1]", "bracket"),
        ("$.a[*]", "bracket"),
        ("$.a[]", "bracket"),
        ("$.l[0]]", "bracket"),
        ("$.a['b.c']", "quote"),
        ("$.it's", "quote"),
        ("$..a", "empty part"),
        ("$.a..b", "empty part"),
        ("$.a.", "empty part"),
        (" $.a", "space"),
        ("$.traits .a", "space"),
        ("$", r"taken for a part"),
        ("$traits.a", r"taken for a part"),
        ('$["a"]', r"taken for a part"),
    ],
)
def test_a_path_that_reads_otherwise_than_it_runs_has_a_mistake(path, mistake):
    assert mistake in path_mistake(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "$.",
        "$.a",
        "a.b",
        "traits.email",
        "$.a[0].b",
        "$.a[0][1]",
        '$.a["b c"].d',
        "$.a.b c",
        "$.l.[0]",
        "$.a-b_c",
    ],
)
def test_other_paths_have_none(path):
    assert path_mistake(path) == ""


@pytest.mark.parametrize("falsy", [0, -0.0, "", None, False, UNDEFINED])
def test_a_falsy_value_is_what_all_its_children_are(falsy):
    assert compile_path("traits.a.b")({"traits": falsy}) is falsy
    assert compile_path("traits")(falsy) is falsy


def test_texts_arrays_and_other_values_are_looked_into():
    event = {"a": [{"b": "xyz"}], "n": 5, "t": True}
    assert compile_path("a[0].b[1]")(event) == "y"
    assert compile_path("a.length")(event) == 1
    assert compile_path("n.x")(event) is UNDEFINED
    assert compile_path("t.x")(event) is UNDEFINED
    assert compile_path("")(event) is event


def test_names_that_every_object_answers_to():
    assert repr(compile_path("a.toString")({"a": {}})) == "function toString() { [native code] }"
    assert compile_path("a.toString")({"a": {"toString": 1}}) == 1


@pytest.mark.parametrize(
    ("node", "keys"),
    [
        ({"@path": "$.traits.email"}, ("traits", "email")),
        ({"@path": "$.a", "_metadata": {"label": "x"}}, ("a",)),
        ({"@path": ""}, ()),
        ({"@path": "$.a.constructor"}, None),
        ({"@path": {"@path": "$.a"}}, None),
        ({"@path": "$.a", "x": 1}, None),
        ({"@template": "a"}, None),
        ({}, None),
        ("$.a", None),
    ],
)
def test_plain_path_nodes_tell_their_keys(node, keys):
    assert path_keys(node) == keys


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "a", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "length"]), inner),
    max_leaves=10,
)
KEYS = st.lists(st.sampled_from(["a", "b", "0", "1", "length", "toString", "map"]), max_size=4)


@given(VALUES, KEYS)
def test_a_look_up_is_one_step_after_the_other(value, keys):
    expected = value
    for key in keys:
        expected = child(expected, key)
    found = compile_path(tuple(keys))(value)
    assert found == expected or repr(found) == repr(expected)
