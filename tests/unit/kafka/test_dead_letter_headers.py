from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import __version__
from consumer.kafka.dead_letter_headers import (
    MAX_TEXT_BYTES,
    DeadLetterContext,
    build_headers,
    split_headers,
    without_value,
)
from consumer.outcomes import DecodeReason, DeliverReason, RejectReason, Stage
from consumer.resources import resource


def context(**more: Any) -> DeadLetterContext:
    given: dict[str, Any] = {
        "reason": DeliverReason.HTTP_REJECTED,
        "stage": Stage.DELIVER,
        "detail": "status 422",
        "topic": "events",
        "partition": 0,
        "offset": 0,
        "group": "group",
        "at_ms": 1_767_225_600_123,
    }
    return DeadLetterContext(**given | more)


def test_everything_that_is_known_is_said():
    headers = build_headers(
        [("own", b"\xff")],
        context(
            mapping="contacts",
            status=422,
            response='{"errors":[]}',
            attempts=3,
            first_at_ms=1_767_225_600_000,
            partition=3,
            offset=77,
            record_at_ms=1_767_139_200_000,
            event=0,
        ),
    )
    assert [
        ("own", b"\xff"),
        ("dlq_schema", b"1"),
        ("dlq_reason", b"http_rejected"),
        ("dlq_stage", b"deliver"),
        ("dlq_detail", b"status 422"),
        ("dlq_status", b"422"),
        ("dlq_response", b'{"errors":[]}'),
        ("dlq_attempts", b"3"),
        ("dlq_first_at", b"2026-01-01T00:00:00.000Z"),
        ("dlq_at", b"2026-01-01T00:00:00.123Z"),
        ("dlq_topic", b"events"),
        ("dlq_partition", b"3"),
        ("dlq_offset", b"77"),
        ("dlq_event", b"0"),
        ("dlq_record_at", b"2025-12-31T00:00:00.000Z"),
        ("dlq_group", b"group"),
        ("dlq_mapping", b"contacts"),
        ("dlq_version", __version__.encode()),
    ] == headers


def test_what_does_not_apply_is_left_out_but_a_zero_that_means_something_is_not():
    _, said = split_headers(build_headers(None, context(reason=DecodeReason.INVALID_JSON, stage=Stage.DECODE)))
    absent = {"dlq_status", "dlq_response", "dlq_attempts", "dlq_first_at", "dlq_record_at", "dlq_mapping", "dlq_event"}
    assert absent.isdisjoint(said)
    assert (said["dlq_partition"], said["dlq_offset"]) == ("0", "0")


@pytest.mark.parametrize("text", ["x" * 5000, "é" * 5000, "🎈" * 5000, "\ud800" * 5000, "a" + "é" * 5000])
def test_texts_are_cut_at_a_kibibyte_between_characters(text):
    _, said = split_headers(build_headers(None, context(detail=text, response=text)))
    for name in ("dlq_detail", "dlq_response"):
        assert MAX_TEXT_BYTES - 4 < len(said[name].encode()) <= MAX_TEXT_BYTES
        assert "\ufffd" not in said[name]


HEADERS = st.lists(
    st.tuples(st.text(max_size=8).filter(lambda name: not name.startswith("dlq_")), st.none() | st.binary(max_size=8))
)


@given(HEADERS, st.sampled_from([*RejectReason, *DecodeReason, *DeliverReason]), st.sampled_from(Stage))
def test_the_records_own_headers_come_out_as_they_went_in(own, reason, stage):
    original, said = split_headers(build_headers(own, context(reason=reason, stage=stage)))
    assert own == original
    assert (reason.value, stage.value) == (said["dlq_reason"], said["dlq_stage"])


def test_a_dead_letter_that_fails_again_says_what_happened_last():
    first = build_headers([("own", b"1")], context(attempts=3))
    again = build_headers(first, context(attempts=4))
    assert sum(name == "dlq_attempts" for name, _ in again) == 1
    original, said = split_headers(again)
    assert original == [("own", b"1")]
    assert said["dlq_attempts"] == "4"


def test_headers_of_somebody_elses_dead_letter_are_the_records_own():
    others = [("dlq_reason", b"theirs"), ("dlq_schema", b"2")]
    assert (others, {}) == split_headers(others)
    assert others == build_headers(others, context())[:2]


def test_a_value_left_behind_is_described():
    headers = without_value([("own", b"1")], b"abc")
    assert headers == [
        ("own", b"1"),
        ("dlq_value_size", b"3"),
        ("dlq_value_sha256", b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ]


FORM = orjson.loads(resource("json/dead-letter-headers.schema.json").read_bytes())


def said(everything: DeadLetterContext, value: bytes | None = None) -> dict[str, str]:
    headers = build_headers((), everything)
    return {name: (held or b"").decode() for name, held in (without_value(headers, value) if value else headers)}


FULL = said(
    context(mapping="m", status=422, response="{}", attempts=3, first_at_ms=1, record_at_ms=2, event=3),
    b"a value too large",
)


def test_the_schema_knows_every_header_and_what_is_always_there():
    assert set(FORM["properties"]) == set(FULL)
    assert set(FORM["required"]) == set(said(context(detail="")))
    assert FORM["properties"]["dlq_stage"]["enum"] == [stage.value for stage in Stage]


@pytest.mark.parametrize("name", FULL)
def test_the_schema_takes_what_is_written(name):
    rule = FORM["properties"][name]
    rule = FORM["$defs"][rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule
    value = FULL[name]
    assert re.search(rule.get("pattern", ""), value)
    assert value in rule.get("enum", [rule.get("const", value)])
    assert "pattern" not in rule or not re.search(rule["pattern"], "no, not this"), "a pattern refuses something"
