"""YAML as plain data: lines, duplicates, and mistakes of form."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consumer.config.document import parse_document
from consumer.errors import ConfigurationError

SCALARS = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8", exclude_categories=["C"]))
KEYS = st.text(st.sampled_from("abc_"), min_size=1, max_size=4)
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


@given(TREES)
def test_what_is_dumped_is_read(tree):
    assert parse_document(yaml.safe_dump(tree)).data == tree


def test_every_value_has_its_line():
    document = parse_document("a:\n  b: 1\n  c:\n    - x\n    - y: 2\n")
    assert dict(document.lines) == {"": 1, "a": 2, "a.b": 2, "a.c": 4, "a.c[0]": 4, "a.c[1]": 5, "a.c[1].y": 5}


def test_times_and_dates_stay_text():
    assert parse_document("[2026-01-31, 2026-01-31T00:00:00Z]").data == ["2026-01-31", "2026-01-31T00:00:00Z"]


def test_every_duplicate_key_is_named():
    with pytest.raises(ConfigurationError) as caught:
        parse_document("a: 1\nb: {c: 1, c: 2}\na: 2\n")
    assert sorted(str(problem) for problem in caught.value.problems) == [
        "a (line 3, column 1): stands twice (first in line 1); remove one",
        "b.c (line 2, column 11): stands twice (first in line 2); remove one",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: *CANARY",
        "a: !!python/object:os.system CANARY",
        "a: \x00CANARY",
        "a: 'CANARY",
        "@CANARY",
        "? {a: CANARY}\n: 1",
        "a: 1\n---\nb: CANARY",
        "&a [*a, CANARY: ]: 1",
        "a: !!CANARY x",
        "a: !CANARY!x y",
        "a: &CANARY 1\nb: &CANARY 2",
        "a: !!int CANARY",
        'a: "\\qCANARY"',
    ],
)
def test_what_is_no_yaml_is_refused_without_repeating_it(text):
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!bool default", "!!bool"),
        ('!!int ""', "!!int"),
        ("!!int 0b", "!!int"),
        ('!!float ""', "!!float"),
        (f"!!float {'1' * 200}{':1' * 200}.5", "!!float"),
        ("!!timestamp foo", "!!timestamp"),
        ("!!timestamp 2026-01-31", "!!timestamp"),
        ("!!binary YQ==", "!!binary"),
        ("!!set {x}", "!!set"),
        ("!!str [x]", "!!str"),
        ("!!map 3", "!!map"),
    ],
)
def test_a_tag_that_does_not_fit_is_named_with_its_place(value, tag):
    with pytest.raises(ConfigurationError) as caught:
        parse_document(f"x: 1\ny:\n  a: {value}\n")
    [problem] = caught.value.problems
    assert (problem.path, problem.line, problem.column) == ("y.a", 3, 6)
    assert problem.message.startswith(f"has a tag {tag} that does not fit; remove it")


def test_a_key_has_a_tag_too_and_every_one_is_named():
    with pytest.raises(ConfigurationError) as caught:
        parse_document("!!bool x: 1\ny: [!!int z, !foo 1]\n")
    assert sorted(problem.path for problem in caught.value.problems) == ["x", "y[0]", "y[1]"]


def test_an_equals_sign_is_text_and_maps_can_be_merged():
    assert parse_document("a: &x {b: =}\nc: {<<: *x, d: !!str 1}").data == {"a": {"b": "="}, "c": {"b": "=", "d": "1"}}


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: {b: 1", (1, 9), "(from line 1, column 4): expected ',' or '}', but got '<stream end>'; close the bracket"),
        ("a: [1\n  }", (2, 3), "expected ',' or ']', but got '}'; put a comma before it, or close the bracket"),
        ("a:\n\tb: 1", (2, 1), r"found character '\t' that cannot start any token; indent with spaces, not with tabs"),
        ("a: @b", (1, 4), "found character '@' that cannot start any token; put quotes around"),
        ("a: 'b", (1, 6), "(from line 1, column 4): found unexpected end of stream; close the quotes"),
        ("a: 'it's'", (1, 8), "expected <block end>, but found '<scalar>'; check the indentation, and the quotes"),
        ("a: b: c", (1, 5), "mapping values are not allowed here; check the indentation, or put quotes around"),
        ("a: b\n\x07", (2, 1), "has a character that YAML does not allow (U+0007); remove it"),
        ('a: "\\U00110000"', (1, 7), "an escape (\\U) that stands for no character"),
        (f"a: {'1' * 5000}", (1, 4), "is a number of more than 4300 digits; put quotes around it if it is text"),
        ("[" * 5000, None, "is nested too deeply; close the brackets"),
    ],
)
def test_a_mistake_of_form_is_said_with_its_place_and_remedy(text, place, said):
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text)
    [problem] = caught.value.problems
    assert said in problem.message
    assert place is None or place == (problem.line, problem.column)


def test_aliases_cannot_unfold_without_bound():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigurationError, match="too many values"):
        parse_document("\n".join(lines))


def test_an_alias_to_its_own_parent_ends():
    with pytest.raises(ConfigurationError, match=r"too many values|valid YAML"):
        parse_document("a: &a [*a]")


def test_a_key_that_is_no_name_is_not_repeated():
    text = "https://host/hook/CANARY: 1\nhttps://host/hook/CANARY: 2"
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text)
    assert "CANARY" not in str(caught.value)


def test_nothing_is_nothing():
    assert parse_document("# only a comment\n").data is None
