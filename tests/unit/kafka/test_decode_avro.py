"""Avro: the schemas we ship hold every event, any schema reads as fastavro reads it, and no bytes can hurt."""

import datetime as dt
import io
import math
import struct
import time
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import fastavro
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.kafka.decode import (
    AvroSchema,
    DecodeLimits,
    Decoder,
    Normalise,
    Schema,
    SchemaError,
    SchemaId,
    SchemaKind,
    SchemaNotLoadedError,
    SchemaUnavailable,
)
from consumer.kafka.decode.normalise import SNAKE_CASE
from consumer.outcomes import DecodeReason, Reject
from consumer.resources import resource
from consumer.sandbox.samples import load_samples

LIMITS = DecodeLimits()
SAMPLES = [orjson.loads(sample.value or b"") for sample in load_samples()]


def load(name: str) -> Any:
    return orjson.loads(resource(f"avro/{name}.avsc").read_bytes())


def write(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def read(schema: Any, data: bytes, limits: DecodeLimits = LIMITS) -> Any:
    return AvroSchema(schema).read(data, limits)


def wrapped(value: Any) -> Any:
    """A JSON value as the record JsonValue has it."""
    if isinstance(value, dict):
        return {"value": {key: wrapped(inner) for key, inner in value.items()}}
    return {"value": [wrapped(inner) for inner in value] if isinstance(value, list) else value}


def as_avro(event: dict) -> dict:
    """The event as a producer hands it to its Avro serializer."""
    return {
        name: {key: wrapped(inner) for key, inner in value.items()} if isinstance(value, dict) else value
        for name, value in event.items()
    }


EVENT = AvroSchema(load("event"))

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
_OBJECTS = st.dictionaries(st.text(max_size=8), _VALUES, max_size=5)
_IDS = st.text(max_size=5) | st.integers(-(2**40), 2**40)
_EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["identify", "group", "track", "Ünknown"])},
    optional={
        "messageId": st.text(max_size=100),
        **dict.fromkeys(("userId", "anonymousId", "groupId", "previousId"), _IDS),
        **dict.fromkeys(("traits", "properties", "context", "integrations"), _OBJECTS),
        **dict.fromkeys(("timestamp", "sentAt", "receivedAt", "originalTimestamp"), st.text(max_size=30)),
        **dict.fromkeys(("event", "name", "category", "channel"), st.text(max_size=9)),
        "version": st.sampled_from([2, "1.1", 1.5]),
    },
)


class TestShippedSchemas:
    @settings(max_examples=60)
    @given(_EVENTS)
    def test_whatever_an_event_holds_comes_back(self, event: dict) -> None:
        value = write(load("event"), as_avro(event))
        assert Decoder("avro", avro_schema=EVENT).decode(value) == [event]

    def test_the_samples_come_back(self) -> None:
        """Save for fields that are null, which Avro's union cannot tell from absent ones."""
        decoder = Decoder("avro", avro_schema=EVENT)
        for event in SAMPLES:
            expected = {name: value for name, value in event.items() if value is not None}
            assert decoder.decode(write(load("event"), as_avro(event))) == [expected]

    @pytest.mark.parametrize("kind", ["identify", "group"])
    def test_one_type_by_itself_in_both_spellings(self, kind: str) -> None:
        snake = {camel: name for name, camel in SNAKE_CASE.items()}
        camel_case = Decoder("avro", avro_schema=AvroSchema(load(kind)))
        snake_case = Decoder(
            "avro", avro_schema=AvroSchema(load(f"{kind}_snake_case")), normalise=Normalise(snake_case=True)
        )
        for event in (event for event in SAMPLES if event["type"] == kind):
            expected = [{name: value for name, value in event.items() if value is not None}]
            assert camel_case.decode(write(load(kind), as_avro(event))) == expected
            row = {snake.get(name, name): value for name, value in as_avro(event).items()}
            assert snake_case.decode(write(load(f"{kind}_snake_case"), row)) == expected

    def test_spellings_and_types_say_the_same(self) -> None:
        def fields(name: str) -> dict[str, Any]:
            return {SNAKE_CASE.get(f["name"], f["name"]): f["type"] for f in load(name)["fields"]}

        for kind in ("event", "identify", "group"):
            assert fields(kind) == fields(f"{kind}_snake_case")
            assert {f["name"] for f in load(kind)["fields"]}.isdisjoint(SNAKE_CASE)
            assert fields(kind).keys() <= fields("event").keys()


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "long", "logicalType": "timestamp-millis"}, 1_772_438_400_005, "2026-03-02T08:00:00.005Z"),
        ({"type": "long", "logicalType": "timestamp-micros"}, 1_772_438_400_000_005, "2026-03-02T08:00:00.000005Z"),
        ({"type": "long", "logicalType": "timestamp-nanos"}, -1, "1969-12-31T23:59:59.999999999Z"),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, 5, "1970-01-01T00:00:00.005"),
        ({"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}, 5, "1970-01-01T00:00:00.000005Z"),
        ({"type": "int", "logicalType": "date"}, dt.date(2024, 2, 29), "2024-02-29"),
        ({"type": "int", "connect.name": "io.debezium.time.Date"}, -1, "1969-12-31"),
        ({"type": "int", "logicalType": "time-millis"}, dt.time(23, 59, 1, 2000), "23:59:01.002"),
        ({"type": "long", "logicalType": "time-micros"}, dt.time(0, 0, 1, 2), "00:00:01.000002"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal("-12.50"), -12.5),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9}, Decimal(70), 70),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 3},
            Decimal("12345678901234567890.125"),
            "12345678901234567890.125",
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 38},
            Decimal(12345678901234567890123456789012345678),
            "12345678901234567890123456789012345678",
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2},
            Decimal("-123456789012345678901234567890123456.78"),
            "-123456789012345678901234567890123456.78",
        ),
        (
            {"type": "fixed", "name": "f", "size": 8, "logicalType": "decimal", "precision": 9, "scale": 1},
            Decimal("0.1"),
            0.1,
        ),
        (
            {"type": "string", "logicalType": "uuid"},
            UUID(int=7),
            "00000000-0000-0000-0000-000000000007",
        ),
        (
            {"type": "fixed", "name": "f", "size": 16, "logicalType": "uuid"},
            UUID(int=7).bytes,
            "00000000-0000-0000-0000-000000000007",
        ),
        (
            {"type": "fixed", "name": "f", "size": 12, "logicalType": "duration"},
            struct.pack("<III", 1, 2, 3004),
            "P1M2DT3.004S",
        ),
        ("bytes", "Zoë".encode(), "Zoë"),
        ("bytes", b"\xff\x00", "/wA="),
        ({"type": "fixed", "name": "f", "size": 2}, b"ok", "ok"),
        ({"type": "enum", "name": "e", "symbols": ["FREE", "PRO"]}, "PRO", "PRO"),
        ("double", math.nan, None),
        ("double", math.inf, math.inf),
        ("float", 0.5, 0.5),
        ("long", -(2**63), -(2**63)),
        (["null", "string"], None, None),
        (["string", "null"], "x", "x"),
        (["null", "long", "string"], "x" * 200, "x" * 200),
        ({"type": "string", "logicalType": "no-such"}, "x", "x"),
        ({"type": "map", "values": "null"}, {"a": None}, {"a": None}),
    ],
)
def test_what_json_has_no_type_for(schema: Any, value: Any, expected: Any) -> None:
    # fastavro would take what it writes of these as something else: it writes their plain type here.
    logical = isinstance(schema, dict) and schema.get("logicalType") in {"timestamp-nanos", "duration"}
    plain = {k: v for k, v in schema.items() if k != "logicalType"} if logical else schema
    if isinstance(value, UUID) or (isinstance(schema, dict) and schema.get("size") == 16):
        plain = {k: v for k, v in schema.items() if k != "logicalType"}
        value = str(value) if isinstance(value, UUID) else value
    found = read(schema, write(plain, value))
    assert found == expected
    assert type(found) is type(expected)


def test_null_fields_are_left_out_and_null_values_of_maps_stay() -> None:
    schema = {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "a", "type": ["null", "string"]},
            {"name": "m", "type": {"type": "map", "values": ["null", "int"]}},
            {"name": "l", "type": {"type": "array", "items": ["null", "int"]}},
        ],
    }
    assert read(schema, write(schema, {"a": None, "m": {"x": None}, "l": [None, 1]})) == {
        "m": {"x": None},
        "l": [None, 1],
    }


def test_names_are_found_across_namespaces_and_references() -> None:
    company = {"type": "record", "name": "a.Company", "fields": [{"name": "id", "type": "string"}]}
    person = {
        "type": "record",
        "name": "b.Person",
        "fields": [
            {"name": "company", "type": "a.Company"},
            {"name": "friends", "type": {"type": "array", "items": "Person"}},
        ],
    }
    value = {"company": {"id": "1"}, "friends": [{"company": {"id": "2"}, "friends": []}]}
    out = io.BytesIO()
    named: dict = {}
    fastavro.parse_schema(company, named)
    fastavro.schemaless_writer(out, fastavro.parse_schema(person, named), value)
    assert AvroSchema(person, [company]).read(out.getvalue(), LIMITS) == value
    with pytest.raises(SchemaError):
        AvroSchema(person)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing"},
        5,
        None,
        {},
        {"type": "array", "items": "null"},
        {"type": "array", "items": {"type": "record", "name": "e", "fields": [{"name": "x", "type": "null"}]}},
        {"type": "array", "items": {"type": "fixed", "name": "f", "size": 0}},
    ],
)
def test_a_schema_that_cannot_be_used(schema: Any) -> None:
    with pytest.raises(SchemaError):
        AvroSchema(schema).read(b"\x00", LIMITS)


@pytest.mark.parametrize(
    "attributes",
    [
        {"precision": 2, "scale": 4},
        {"precision": -1},
        {"precision": "9"},
        {"precision": 9, "scale": -1},
        {"precision": 9, "scale": 1.5},
    ],
)
def test_a_logical_type_with_wrong_attributes_is_ignored(attributes: dict[str, Any]) -> None:
    assert read({"type": "bytes", "logicalType": "decimal"} | attributes, b"\x04ab") == "ab"


def test_a_decimal_that_does_not_fit_its_fixed_type_is_ignored() -> None:
    fixed = {"type": "fixed", "name": "f", "size": 2, "logicalType": "decimal"}
    assert read(fixed | {"precision": 5}, b"ab") == "ab"
    assert read(fixed | {"precision": 4}, b"\0\x07") == 7


def test_a_writer_s_defaults_do_not_matter() -> None:
    fields = [
        {"name": "a", "type": "long", "default": "none"},
        {"name": "b", "type": {"type": "enum", "name": "E", "symbols": ["X"], "default": "Y"}},
        {"name": "c", "type": {"type": "array", "items": ["null", "string"]}, "default": None},
        {"name": "d", "type": "string", "skip": True, "as": "e", "fill": {}},
    ]
    schema = {"type": "record", "name": "r", "fields": fields, "fill": {"x": 1}}
    assert read(schema, b"\x02\0\x02\x02\x02z\0\x02d") == {"a": 1, "b": "X", "c": ["z"], "d": "d"}
    with pytest.raises(SchemaError):
        AvroSchema({"type": "record", "name": "r", "fields": []}, reader=schema)


def test_a_field_s_name_is_only_a_name() -> None:
    """Readers are generated: no name may become code, or part of a template."""
    names = [
        '"] = 1/0 #',
        "'); 1/0; ('",
        "\\",
        "a\nraise SystemExit",
        "\ud83d",
        "NAME",
        "READ",
        "SOME",
        "{0}",
        "READER",
    ]
    fields = [{"name": name, "type": ["null", "string"]} for name in names]
    data = b"".join(b"\x02\x02%d" % n for n in range(len(names)))
    schema = {"type": "record", "name": "r", "fields": fields}
    assert read(schema, data) == {name: str(n) for n, name in enumerate(names)}
    with pytest.raises(SchemaError):
        AvroSchema({"type": "record", "name": "r", "fields": [{"name": 5, "type": "string"}]})


class Registry:
    """A `SchemaSource` over a dict."""

    def __init__(self, held: dict[SchemaId, Schema | None]) -> None:
        self.held = held

    def schema(self, schema_id: SchemaId) -> Schema | None:
        if schema_id not in self.held:
            raise SchemaNotLoadedError(schema_id)
        return self.held[schema_id]


class TestRegistryIds:
    GUID = UUID(int=99)
    event: ClassVar = {"type": "identify", "userId": "u1"}
    avro = write(load("event"), event)
    json = orjson.dumps(event)
    registry = Registry(
        {
            7: Schema(SchemaKind.AVRO, EVENT),
            8: Schema(SchemaKind.JSON),
            9: Schema(SchemaKind.PROTOBUF),
            10: Schema(SchemaKind.AVRO, fault="is no valid Avro schema"),
            11: None,
            GUID: Schema(SchemaKind.AVRO, EVENT),
        }
    )

    @staticmethod
    def prefixed(schema_id: int, data: bytes) -> bytes:
        return b"\0" + schema_id.to_bytes(4, "big") + data

    @pytest.mark.parametrize("format_", ["auto", "avro"])
    @pytest.mark.parametrize("schema_id", [2**31, 2**32 - 1])
    def test_an_id_that_no_registry_can_have_is_not_asked_for(self, format_: str, schema_id: int) -> None:
        """One of Confluent's answers with a page that does not say so: to its routes it is no number."""
        decoder, value = Decoder(format_, schemas=self.registry), self.prefixed(schema_id, self.avro)
        assert decoder.schema_id(value) is None
        assert decoder.decode(value).reason is DecodeReason.UNKNOWN_SCHEMA

    @pytest.mark.parametrize("format_", ["auto", "avro"])
    def test_prefix_or_header_name_the_schema(self, format_: str) -> None:
        decoder = Decoder(format_, schemas=self.registry)
        assert decoder.wants_headers
        assert decoder.decode(self.prefixed(7, self.avro)) == [self.event]
        assert decoder.decode(self.avro, [("__value_schema_id", b"\0\0\0\0\7")]) == [self.event]
        assert decoder.decode(self.avro, {"__value_schema_id": b"\1" + self.GUID.bytes}) == [self.event]
        assert decoder.decode(self.prefixed(8, self.json)) == [self.event]

    @pytest.mark.parametrize("schema_id", [9, 10, 11])
    def test_a_schema_that_does_not_help_ends_the_record(self, schema_id: int) -> None:
        outcome = Decoder(schemas=self.registry).decode(self.prefixed(schema_id, self.avro))
        assert isinstance(outcome, Reject)
        assert outcome.reason is DecodeReason.UNKNOWN_SCHEMA
        assert f"schema {schema_id}" in outcome.errors[0].message

    def test_a_schema_that_is_not_there_yet_ends_nothing(self) -> None:
        assert Decoder(schemas=self.registry).decode(self.prefixed(12, self.avro)) == SchemaUnavailable(12)

    def test_json_schema_needs_no_registry(self) -> None:
        for format_ in ("auto", "json-schema"):
            for before in (b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"):
                assert Decoder(format_).decode(self.prefixed(8, before + self.json)) == [self.event]
            assert Decoder(format_).decode(self.json) == [self.event]

    @pytest.mark.parametrize(
        ("decoder", "value", "headers", "reason"),
        [
            (Decoder("auto"), prefixed(7, avro), None, DecodeReason.UNKNOWN_SCHEMA),
            (Decoder("auto"), prefixed(7, b" {not JSON"), None, DecodeReason.UNKNOWN_SCHEMA),
            (Decoder("json"), prefixed(7, avro), None, DecodeReason.UNKNOWN_FORMAT),
            (Decoder("avro", schemas=registry), json, None, DecodeReason.UNKNOWN_FORMAT),
            (Decoder("auto", schemas=registry), avro, [("__value_schema_id", None)], DecodeReason.UNKNOWN_SCHEMA),
            (Decoder("auto", schemas=registry), prefixed(7, avro[:-1]), None, DecodeReason.INVALID_AVRO),
            (Decoder("avro", avro_schema=EVENT), avro + b"\0", None, DecodeReason.INVALID_AVRO),
            (Decoder("avro", avro_schema=EVENT), b"\x02\xff" + avro[2:], None, DecodeReason.INVALID_UTF8),
        ],
    )
    def test_faults_by_name(self, decoder: Decoder, value: bytes, headers: Any, reason: DecodeReason) -> None:
        outcome = decoder.decode(value, headers)
        assert isinstance(outcome, Reject)
        assert outcome.reason is reason

    def test_a_file_s_schema_is_for_avro(self) -> None:
        with pytest.raises(ValueError, match="avro"):
            Decoder("auto", avro_schema=EVENT)


class TestHostileBytes:
    def test_recursion_ends_by_name(self) -> None:
        """fastavro's own reader ends the process on this one."""
        before = time.process_time()
        nested = b"\x02a\x0c\x02" * 200_000
        data = b"\x10identify" + b"\x00" * 5 + b"\x00" * 4 + b"\x02\x02" + nested
        outcome = Decoder("avro", avro_schema=EVENT).decode(data)
        assert isinstance(outcome, Reject)
        assert outcome.reason is DecodeReason.TOO_DEEP
        assert time.process_time() - before < 0.5

    @pytest.mark.parametrize(
        ("schema", "data"),
        [
            ({"type": "array", "items": "int"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            ({"type": "map", "values": "null"}, b"\xfe\xff\xff\xff\x0f\x00"),
            ("string", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            ("string", b"\x01"),
            ("bytes", b"\x80\x80"),
            ("long", b"\xff" * 11),
            ("long", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
            ("boolean", b"\x02"),
            ("double", b"\0" * 7),
            ("float", b"\0" * 3),
            (["null", "int"], b"\x04"),
            (["null", "int", "string"], b"\x06"),
            (["null", "int", "string"], b"\x01"),
            ({"type": "enum", "name": "e", "symbols": ["A"]}, b"\x02"),
            ({"type": "fixed", "name": "f", "size": 4}, b"abc"),
            ({"type": "fixed", "name": "f", "size": 12, "logicalType": "duration"}, b"\0\1"),
            ({"type": "fixed", "name": "f", "size": 16, "logicalType": "uuid"}, b"\0" * 15),
            ({"type": "fixed", "name": "f", "size": 8, "logicalType": "decimal", "precision": 9}, b"\0" * 7),
            ({"type": "long", "logicalType": "timestamp-millis"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            ({"type": "int", "logicalType": "time-millis"}, b"\x01"),
            ({"type": "bytes", "logicalType": "decimal", "precision": 9}, b"\x80\x04" + b"\x7f" * 256),
        ],
    )
    def test_lies_end_by_name(self, schema: Any, data: bytes) -> None:
        with pytest.raises(Exception) as caught:
            read(schema, data)
        assert getattr(caught.value, "reason", None) is DecodeReason.INVALID_AVRO

    def test_limits_hold_for_avro_too(self) -> None:
        schema = {"type": "map", "values": "string"}
        many = write(schema, {str(n): "" for n in range(30)})
        for limits, reason in (
            (DecodeLimits(max_keys=29), DecodeReason.TOO_MANY_KEYS),
            (DecodeLimits(max_string_chars=1), DecodeReason.STRING_TOO_LONG),
        ):
            with pytest.raises(Exception, match="max_") as caught:
                read(schema, many, limits)
            assert getattr(caught.value, "reason", None) is reason

    @given(st.binary(max_size=200))
    def test_any_bytes_end_by_name(self, data: bytes) -> None:
        outcome = Decoder("avro", avro_schema=EVENT).decode(data)
        assert isinstance(outcome, list) or outcome.reason in DecodeReason


_LEAVES: list[tuple[Any, st.SearchStrategy]] = [
    ("boolean", st.booleans()),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1)),
    ("double", st.floats(allow_nan=False)),
    ("string", st.text(st.characters(exclude_categories=["Cs"]), max_size=90)),
]


@st.composite
def _typed(draw: st.DrawFn, depth: int = 3, counter: list[int] | None = None) -> tuple[Any, st.SearchStrategy]:
    """A schema, and a strategy of values that it can write."""
    counter = [0] if counter is None else counter
    kind = draw(st.sampled_from(["leaf", "record", "map", "array", "optional"] if depth else ["leaf"]))
    if kind == "leaf":
        return draw(st.sampled_from(_LEAVES))
    if kind == "record":
        counter[0] += 1
        name = f"r{counter[0]}"
        parts = [draw(_typed(depth - 1, counter)) for _ in range(draw(st.integers(0, 4)))]
        fields = [{"name": f"f{n}", "type": schema} for n, (schema, _) in enumerate(parts)]
        values = st.fixed_dictionaries({f"f{n}": strategy for n, (_, strategy) in enumerate(parts)})
        return {"type": "record", "name": name, "fields": fields}, values
    schema, values = draw(_typed(depth - 1, counter))
    if kind == "map":
        return {"type": "map", "values": schema}, st.dictionaries(st.text("aé😀", max_size=3), values, max_size=3)
    if kind == "array" and not (isinstance(schema, dict) and schema["type"] == "record"):
        return {"type": "array", "items": schema}, st.lists(values, max_size=70)
    if isinstance(schema, list):
        return schema, values
    order = draw(st.permutations(["null", schema]))
    return list(order), st.none() | values


def _without_null_fields(schema: Any, value: Any) -> Any:
    """``value`` as fastavro read it, with records' null fields left out."""
    if isinstance(schema, list):
        branch = next(branch for branch in schema if branch != "null")
        return None if value is None else _without_null_fields(branch, value)
    if isinstance(schema, dict):
        if schema["type"] == "record":
            fields = {f["name"]: _without_null_fields(f["type"], value[f["name"]]) for f in schema["fields"]}
            return {name: inner for name, inner in fields.items() if inner is not None}
        inner = schema["values" if schema["type"] == "map" else "items"]
        if schema["type"] == "map":
            return {key: _without_null_fields(inner, item) for key, item in value.items()}
        return [_without_null_fields(inner, item) for item in value]
    return value


@settings(max_examples=80)
@given(st.data())
def test_reads_as_fastavro_reads(data: st.DataObject) -> None:
    schema, values = data.draw(_typed())
    written = write(schema, data.draw(values))
    theirs = fastavro.schemaless_reader(io.BytesIO(written), fastavro.parse_schema(schema), None)
    assert read(schema, written) == _without_null_fields(schema, theirs)
