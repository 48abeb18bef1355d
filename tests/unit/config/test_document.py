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
        "a (line 3): stands twice (first in line 1); remove one",
        "b.c (line 2): stands twice (first in line 2); remove one",
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
    ],
)
def test_what_is_no_yaml_is_refused_without_repeating_it(text):
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text)
    assert "CANARY" not in str(caught.value)


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
