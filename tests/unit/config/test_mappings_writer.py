"""What is written is read again as the same, whatever is in it."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consumer.chartmogul.compiled import MappingSpec
from consumer.config.document import parse_document
from consumer.config.mappings import MappingsFile, parse_mappings
from consumer.config.mappings_presets import PRESETS
from consumer.config.mappings_writer import flow, write_mappings
from consumer.errors import ConfigurationError
from consumer.outcomes import Action
from consumer.segment.filters import AllowProperties, Drop, DropProperties, Filter, Sample

TEXT = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "yes",
        "null",
        "1e5",
        "0x1",
        "2026-01-01",
        "- a",
        "#",
        "a: b",
        "'",
        '"',
        "\\",
        "\x85",
        "\u2028",
        "<<",
        "=",
        "\ufeff",
        "\x7f",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_any_json_value_within_a_line(value):
    written = flow(value)
    assert "\n" not in written
    read = parse_document(f"a: {written}\n").data["a"]
    assert read == value
    assert repr(read) == repr(value)  # 1 and 1.0 and true are equal


def test_a_key_of_any_length():
    for length in (900, 1_000, 1_100, 5_000):
        value = {"k" * length: {"\U0001f3fa" * length: 1}}
        assert yaml.safe_load(f"a: {flow(value)}") == {"a": value}


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, math.inf, math.nan])
def test_what_no_file_can_hold_is_refused_by_name(value):
    spec = MappingSpec("A", Action.SEND_CONTACT, 'type = "identify"', {"title": {"@literal": value}})
    with pytest.raises(ConfigurationError) as error:
        write_mappings(MappingsFile((spec,)))
    assert [problem.path for problem in error.value.problems] == ["mappings[0]"]


def test_a_whole_file():
    filters = (
        Filter('type = "track"', (Drop(),), enabled=False, title="a: b"),
        Filter("all", (Sample(0.25, "userId"), Sample(1.0)), title=""),
        Filter("all", (DropProperties({"": ("x",), "traits": ("a", "b")}), AllowProperties({"": ("type",)}))),
    )
    quirky = MappingSpec(
        "Trap",
        Action.SEND_CUSTOMER,
        '!(type = "identify")\nand traits.a != true',
        {"type": "Send Customer", "plan": {"@path": "$.x"}, "address": {}},
        enabled=False,
        allow_hosted_quirks=True,
    )
    file = MappingsFile((*PRESETS["segment-spec"], quirky), filters, frozenset({"b", "a"}))
    text = write_mappings(file)
    read = parse_mappings(text)
    assert (read.specs, read.filters, read.consent_categories) == (file.specs, filters, file.consent_categories)
    assert write_mappings(read) == text
    assert "It runs as:" in text
    assert text.count("#") == text.count("\n  #") + 1, "comments stand alone"


@given(TEXT.filter(bool), TEXT)
def test_a_comment_can_never_break_out_of_its_line(key, trigger_text):
    """What a person's mapping holds stands in comments too."""
    mapping = {"type": "Send Contact", key: {"@path": "$.x"}}
    spec = MappingSpec(
        "A", Action.SEND_CONTACT, f'type = "identify" and bogus = "{trigger_text}"', mapping, allow_hosted_quirks=True
    )
    try:
        text = write_mappings(MappingsFile((spec,)))
    except ConfigurationError:
        return
    entries = parse_document(text).data["mappings"]
    assert [entry["name"] for entry in entries] == ["A"]
    assert entries[0]["mapping"] == mapping


@pytest.mark.parametrize(
    ("file", "path"),
    [
        (MappingsFile(filters=(Filter("all", (), title="a"), Filter('event = "\ud83d"', (Drop(),)))), "filters[1]"),
        (MappingsFile(filters=(Filter("all", (Sample(math.inf),)),)), "filters[0]"),
        (MappingsFile(consent_categories=frozenset({"\ud83d"})), "consent_categories"),
    ],
)
def test_filters_and_consent_that_no_file_can_hold_are_refused_too(file, path):
    with pytest.raises(ConfigurationError) as error:
        write_mappings(file)
    assert [problem.path for problem in error.value.problems] == [path]
