"""JSON records: what JSON.parse takes is an event, everything else ends by name."""

import json
import math
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.kafka.decode import DecodeLimits, Decoder
from consumer.outcomes import DecodeReason, Reject, RejectReason, Skip, SkipReason, Stage

DECODER = Decoder()


def reason(value: bytes, decoder: Decoder = DECODER) -> DecodeReason | RejectReason:
    outcome = decoder.decode(value)
    assert isinstance(outcome, Reject), outcome
    assert outcome.stage is Stage.DECODE
    assert outcome.errors
    return outcome.reason


def trait(text: bytes) -> object:
    """What the JSON ``text`` is as an event's trait."""
    outcome = DECODER.decode(b'{"type":"identify","traits":{"x":' + text + b"}}")
    assert isinstance(outcome, list), outcome
    assert isinstance(outcome[0], dict)
    return outcome[0]["traits"]["x"]


def test_an_event() -> None:
    event = {"type": "identify", "userId": "u1", "traits": {"name": "Zoë 🎺", "n": [1, 2.5, None, True]}}
    assert [event] == DECODER.decode(json.dumps(event).encode())
    assert [event] == DECODER.decode(json.dumps(event, ensure_ascii=False, indent=2).encode())


def test_null_is_a_tombstone() -> None:
    assert Skip(SkipReason.TOMBSTONE) == DECODER.decode(None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"[]", DecodeReason.NOT_AN_OBJECT),
        (b'[{"type":"identify"}]', DecodeReason.NOT_AN_OBJECT),
        (b'"text"', DecodeReason.NOT_AN_OBJECT),
        (b"42", DecodeReason.NOT_AN_OBJECT),
        (b"null", DecodeReason.NOT_AN_OBJECT),
        (b"{}", DecodeReason.MISSING_TYPE),
        (b'{"type":null}', DecodeReason.MISSING_TYPE),
        (b'{"type":5}', DecodeReason.MISSING_TYPE),
        (b"", DecodeReason.INVALID_JSON),
        (b"  ", DecodeReason.INVALID_JSON),
        (b'{"type":"identify"', DecodeReason.INVALID_JSON),
        (b'{"type":"identify"} x', DecodeReason.INVALID_JSON),
        (b'{"type":"identify","x":NaN}', DecodeReason.INVALID_JSON),
        (b'{"type":"identify","x":-Infinity}', DecodeReason.INVALID_JSON),
        (b'{"type":"identify","x":01}', DecodeReason.INVALID_JSON),
        (b'{"type":"identify","x":"a\x01"}', DecodeReason.INVALID_JSON),
        (b"{'type':'identify'}", DecodeReason.INVALID_JSON),
        (b'{"type":"identify","x":"\xff"}', DecodeReason.INVALID_UTF8),
        (b'{"type":"identify","x":"\xed\xa0\x80"}', DecodeReason.INVALID_UTF8),
        (b"\x00\x00\x00\x00\x07\x02a", DecodeReason.UNKNOWN_SCHEMA),
        (b"\x00", DecodeReason.UNKNOWN_FORMAT),
        (b"\x01\x02\x03\x04\x05\x06\x07", DecodeReason.UNKNOWN_FORMAT),
        (b"<xml/>", DecodeReason.UNKNOWN_FORMAT),
        (b"\x1f\x8b\x08\x00", DecodeReason.UNKNOWN_FORMAT),
    ],
)
def test_bad_input_ends_by_name(value: bytes, expected: DecodeReason) -> None:
    assert expected is reason(value)


def test_an_unknown_type_is_an_event() -> None:
    assert DECODER.decode(b'{"type":"delete"}') == [{"type": "delete"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb'"\ud83d"', "\ud83d"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\u0000"', "\0"),
        (b"1e400", math.inf),
        (b"-1e400", -math.inf),
        (b"9" * 400, math.inf),
        (b"1e-400", 0.0),
        (b"9007199254740993", 9007199254740993),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"18446744073709551616", 2.0**64),
        (b'{"a":1,"b":2,"a":3}', {"a": 3, "b": 2}),
    ],
)
def test_read_as_javascript_reads_it(text: bytes, expected: object) -> None:
    found = trait(text)
    assert expected == found
    assert type(expected) is type(found)


@pytest.mark.parametrize("number", [b"123456789012345678", b"18446744073709551615", b"18446744073709551616", b"1" * 60])
def test_the_second_reader_counts_as_the_first(number: bytes) -> None:
    """A lone surrogate beside a number must not change how the number is read."""
    alone, beside = trait(number), trait(b"[" + number + rb',"\ud83d"]')
    assert isinstance(beside, list)
    assert (alone, type(alone)) == (beside[0], type(beside[0]))


def test_bom_and_white_space_before() -> None:
    assert DECODER.decode(b'\xef\xbb\xbf{"type":"x"}') == [{"type": "x"}]
    assert DECODER.decode(b' \r\n\t{"type":"x"}') == [{"type": "x"}]


def test_limits_have_their_own_reasons() -> None:
    decoder = Decoder(limits=DecodeLimits(max_record_bytes=300, max_depth=3, max_keys=5, max_string_chars=50))

    def event(traits: object) -> bytes:
        return json.dumps({"type": "x", "t": traits}).encode()

    assert isinstance(decoder.decode(event({"a": [1]})), list)
    assert DecodeReason.TOO_DEEP is reason(event({"a": [[]]}), decoder)
    assert DecodeReason.TOO_DEEP is reason(event({"a": [{"b": "\ud800"}]}), decoder)
    assert isinstance(decoder.decode(event({"a": "[[[[{{{{"})), list)
    assert isinstance(decoder.decode(event({"a": '"[[[[\\', "b": "\ud800"})), list)
    assert isinstance(decoder.decode(event({"a": 1, "b": 2, "c": 3})), list)
    assert DecodeReason.TOO_MANY_KEYS is reason(event({"a": 1, "b": 2, "c": 3, "d": 4}), decoder)
    assert isinstance(decoder.decode(event("y" * 50)), list)
    assert DecodeReason.STRING_TOO_LONG is reason(event("y" * 51), decoder)
    assert DecodeReason.STRING_TOO_LONG is reason(event({"y" * 51: 1}), decoder)
    assert isinstance(decoder.decode(event([1] * 60)), list)
    assert DecodeReason.TOO_LARGE is reason(event([1] * 200), decoder)


@pytest.mark.parametrize("wrong", [{"max_depth": 0}, {"max_depth": 10_000}, {"max_record_bytes": 0}])
def test_limits_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="max_"):
        DecodeLimits(**wrong)


@pytest.mark.parametrize(
    "bomb",
    [
        b"[" * 10_000_000,
        b'{"a":' * 2_000_000,
        b'{"type":"x","a":' + b"[" * 4_000_000 + b"]" * 4_000_000 + b"}",
        b'{"type":"x","a":"\\ud83d","b":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
    ids=["arrays", "objects", "closed", "surrogate"],
)
def test_nested_bombs_cost_little(bomb: bytes) -> None:
    """With the shipped limits, and with a record size that lets them in."""
    assert reason(bomb) in {DecodeReason.TOO_LARGE, DecodeReason.TOO_DEEP}
    before = time.process_time()
    assert DecodeReason.TOO_DEEP is reason(bomb, Decoder(limits=DecodeLimits(max_record_bytes=20_000_000)))
    assert time.process_time() - before < 0.5


def test_messages_hold_no_contents() -> None:
    secret = "jane@example.com"
    for value in (
        f'{{"type":"identify","email":"{secret}"',
        f'"{secret}"',
        f'{{"userId":"{secret}","type":["{secret}"]}}',
        f'{{"type":"identify","{secret}":"{secret}" NaN}}',
        f"{secret},identify",
    ):
        outcome = DECODER.decode(value.encode())
        assert isinstance(outcome, Reject)
        assert "jane" not in repr(outcome)


def test_a_fault_of_ours_is_a_reject_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.kafka.decode.formats.parse_json", lambda *_: 1 / 0)
    assert RejectReason.INTERNAL_ERROR is reason(b"[")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


_STRING_OR_INFINITY = re.compile(r'"(?:[^"\\]|\\.)*"|Infinity')


@example(traits={"Infinity": float("-inf")}, ascii_only=True, limits=None)
@given(traits=_JSON, ascii_only=st.booleans(), limits=st.sampled_from([None, DecodeLimits(max_keys=1)]))
def test_any_json_event_comes_back_the_same(traits: object, ascii_only: bool, limits: DecodeLimits | None) -> None:
    """On the fast path and on the one that counts; lone surrogates can only be written as escapes."""
    event = {"type": "identify", "traits": traits}
    text = _STRING_OR_INFINITY.sub(
        lambda found: "1e999" if found[0] == "Infinity" else found[0], json.dumps(event, ensure_ascii=ascii_only)
    )
    value = text.encode("utf-8", "strict")
    outcome = Decoder(limits=limits).decode(value)
    if limits is None:
        assert [event] == outcome
    else:
        assert isinstance(outcome, Reject)
        assert outcome.reason is DecodeReason.TOO_MANY_KEYS


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda s: s.encode("utf-8", "surrogatepass")))
def test_any_bytes_end_by_name(value: bytes) -> None:
    outcome = DECODER.decode(value)
    assert isinstance(outcome, list) or outcome.reason in DecodeReason
