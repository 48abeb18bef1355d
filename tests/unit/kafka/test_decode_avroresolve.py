"""A reader's schema: what it leaves out, renames and fills is what fastavro's resolution makes of it."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.kafka.decode import AvroSchema, DecodeLimits, SchemaError
from tests.unit.kafka.test_decode_avro import write

LIMITS = DecodeLimits()


def record(name: str, *fields: tuple[Any, ...]) -> dict[str, Any]:
    keys = ("name", "type", "default", "aliases")
    return {
        "type": "record",
        "name": name,
        "fields": [{k: v for k, v in zip(keys, field, strict=False) if v is not ...} for field in fields],
    }


TREE = record("Tree", ("label", "string"), ("old", "long"), ("children", {"type": "array", "items": "Tree"}))
WRITER = record(
    "Row",
    ("user_id", ["null", "string"]),
    ("secret", "bytes"),
    ("tree", TREE),
    ("twin", "Tree"),
    ("tags", {"type": "map", "values": record("Tag", ("a", "string"), ("b", "int"))}),
    ("either", ["null", "string", record("Other", ("x", "long"), ("y", "long"))]),
)
READER = record(
    "Row",
    ("type", "string", "identify"),
    ("userId", ["null", "string"], None, ["user_id"]),
    ("tree", record("Tree", ("name", "string", ..., ["label"]), ("children", {"type": "array", "items": "Tree"}))),
    ("tags", {"type": "map", "values": record("Tag", ("b", "double"), ("c", ["null", "string"], None))}),
    ("either", ["null", record("Other", ("y", "long"), ("z", "string", "Z")), "string"]),
    ("more", {"type": "map", "values": "string"}, {"k": "v"}),
)
_TREES = st.recursive(
    st.fixed_dictionaries({"label": st.text(max_size=3), "old": st.integers(0, 9), "children": st.just([])}),
    lambda inner: st.fixed_dictionaries(
        {"label": st.text(max_size=3), "old": st.integers(0, 9), "children": st.lists(inner, max_size=2)}
    ),
    max_leaves=6,
)
_ROWS = st.fixed_dictionaries(
    {
        "user_id": st.none() | st.text(max_size=3),
        "secret": st.binary(max_size=3),
        "tree": _TREES,
        "twin": _TREES,
        "tags": st.dictionaries(
            st.text("ab", max_size=2), st.fixed_dictionaries({"a": st.text(max_size=2), "b": st.integers(0, 9)})
        ),
        "either": st.none()
        | st.text(max_size=3)
        | st.fixed_dictionaries({"x": st.integers(0, 9), "y": st.integers(0, 9)}),
    }
)


def without_nulls(value: Any, *, record: bool = True) -> Any:
    """As we have it: null fields of records left out; there are no nulls in these maps."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if not (record and inner is None)}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=100)
@given(_ROWS)
def test_it_reads_as_fastavro_resolves(row: dict[str, Any]) -> None:
    written = write(WRITER, row)
    theirs = fastavro.schemaless_reader(
        io.BytesIO(written), fastavro.parse_schema(WRITER), fastavro.parse_schema(READER)
    )
    assert AvroSchema(WRITER, reader=READER).read(written, LIMITS) == without_nulls(theirs)


def test_a_type_that_is_read_in_two_ways() -> None:
    inner = record("In", ("a", "string"), ("b", "string"))
    reader = record("R", ("one", record("A", ("a", "string"))), ("two", record("B", ("b", "string"))))
    writer = record("W", ("one", inner), ("two", "In"))
    value = {"a": "1", "b": "2"}
    read = AvroSchema(writer, reader=reader).read(write(writer, {"one": value, "two": value}), LIMITS)
    assert read == {"one": {"a": "1"}, "two": {"b": "2"}}


def test_what_was_not_written_and_has_no_default_is_named() -> None:
    with pytest.raises(SchemaError, match="lacks b, c, which the reader's schema requires without a default"):
        AvroSchema(record("W", ("a", "string")), reader=record("R", ("b", "string"), ("c", "int")))


def test_what_differs_stays_as_it_was_written() -> None:
    writer = record("W", ("a", "string"), ("b", {"type": "array", "items": "long"}))
    reader = record("R", ("a", record("X", ("y", "string"))), ("b", "long"))
    assert AvroSchema(writer, reader=reader).read(write(writer, {"a": "s", "b": [1]}), LIMITS) == {"a": "s", "b": [1]}


def test_defaults_are_not_shared_between_events() -> None:
    writer = record("W", ("a", "string"))
    schema = AvroSchema(writer, reader=record("R", ("a", "string"), ("b", "string", "x")))
    data = write(writer, {"a": "s"})
    schema.read(data, LIMITS)["b"] = "changed"
    assert schema.read(data, LIMITS) == {"a": "s", "b": "x"}


IDENTIFY = record("Identify", ("type", "string"), ("userId", "string"), ("email", "string"))
GROUP = record("Group", ("type", "string"), ("userId", "string"), ("groupId", "string"))
OF_A_GROUP = {"type": "group", "userId": "u", "groupId": "g"}


def renamed(schema: dict[str, Any], name: str, *aliases: str) -> dict[str, Any]:
    return schema | {"name": name, "aliases": list(aliases)}


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        ([IDENTIFY, GROUP], [IDENTIFY, GROUP]),
        ([IDENTIFY, GROUP], [renamed(IDENTIFY, "other.Identify"), renamed(GROUP, "other.Group")]),
        ([IDENTIFY, GROUP], [IDENTIFY, renamed(GROUP, "Company", "Group")]),
        ([IDENTIFY, GROUP], [IDENTIFY, renamed(GROUP, "x.Company", "y.Group")]),
        ([IDENTIFY, renamed(GROUP, "a.Group")], [renamed(IDENTIFY, "b.Group"), renamed(GROUP, "a.Group")]),
        ([GROUP, "null"], ["null", renamed(GROUP, "Whatever")]),
    ],
)
def test_records_of_a_union_are_told_apart_by_name(writer: list[Any], reader: list[Any], within: bool) -> None:
    name = next(each["name"] for each in writer if each != "null" and "groupId" in str(each))
    data, value = write(writer, (name, OF_A_GROUP)), OF_A_GROUP
    if within:
        data, value = write(record("Row", ("event", writer)), {"event": (name, OF_A_GROUP)}), {"event": OF_A_GROUP}
        writer, reader = record("Row", ("event", writer)), record("Row", ("event", reader))  # type: ignore[assignment]
    assert AvroSchema(writer, reader=reader).read(data, LIMITS) == value


def test_a_record_that_the_readers_union_does_not_name_stays_as_it_was_written() -> None:
    alias = record("Alias", ("previousId", "string"))
    data = write([alias], {"previousId": "p"})
    assert AvroSchema([alias], reader=[IDENTIFY, GROUP]).read(data, LIMITS) == {"previousId": "p"}
