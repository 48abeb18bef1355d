"""Envelopes as their producers write them, renames and fallbacks: records in, events out, faults by name."""

import base64
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.decode import PRESETS, DecodeLimits, Decoder, Fallbacks, Normalise
from consumer.outcomes import DecodeReason, Reject, Skip, SkipReason

EVENT = {"type": "identify", "userId": "u1", "traits": {"email": "a@b.example"}}
TEXT = orjson.dumps(EVENT).decode()
OUTBOX = {"id": 7, "aggregatetype": "event", "aggregateid": "u1", "type": "identified", "payload": TEXT}
CHANGE = {"before": None, "after": EVENT, "source": {"connector": "postgresql"}, "op": "c", "ts_ms": 1}
STRUCTURED = {"specversion": "1.0", "id": "1", "source": "/app", "type": "com.example.identify"}
BINARY = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("content-type", b"application/json")]
Headers = list[tuple[str, bytes | None]]


def decode(envelope: str, document: Any, headers: Headers | None = None, **settings: Any) -> Any:
    return Decoder(envelope=envelope, **settings).decode(orjson.dumps(document), headers)


@pytest.mark.parametrize(
    ("envelope", "document", "headers"),
    [
        ("none", EVENT, None),
        ("rudderstack", EVENT, None),
        (
            "jitsu",
            {"ingestType": "s2s", "writeKey": "k", "connectionId": "c", "type": "identify", "httpPayload": EVENT},
            None,
        ),
        ("connect", {"schema": {"type": "struct"}, "payload": EVENT}, None),
        ("connect", {"schema": {"type": "string"}, "payload": TEXT}, None),
        (
            "cloudevents",
            STRUCTURED | {"data": EVENT},
            [("Content-Type", b"application/cloudevents+json; charset=UTF-8")],
        ),
        ("cloudevents", STRUCTURED | {"data": TEXT}, None),
        ("cloudevents", STRUCTURED | {"data_base64": base64.b64encode(TEXT.encode()).decode()}, None),
        ("cloudevents", EVENT, BINARY),
        ("debezium", CHANGE, None),
        ("debezium", {"schema": {}, "payload": CHANGE}, None),
        ("debezium", CHANGE | {"after": TEXT}, None),
        ("debezium", CHANGE | {"after": OUTBOX}, None),
        ("debezium", OUTBOX, None),
        ("debezium", TEXT, None),
        ("debezium", EVENT, None),
        ("batch", EVENT, None),
        ("batch", [EVENT], None),
        ("batch", {"batch": [EVENT]}, None),
        ("/payload/event", {"payload": {"event": EVENT}}, None),
        ("/a~1b/1/~0", {"a/b": [0, {"~": TEXT}]}, None),
        ("/events", {"events": [EVENT]}, None),
    ],
)
def test_one_event_comes_out(envelope: str, document: Any, headers: Headers | None) -> None:
    assert decode(envelope, document, headers) == [EVENT]


def test_rudderstack_keeps_identify_traits_in_the_context() -> None:
    event = {"type": "identify", "userId": "u1", "channel": "web", "context": {"traits": EVENT["traits"]}}
    assert decode("rudderstack", event) == [event | {"traits": EVENT["traits"]}]
    assert decode("rudderstack", event | {"traits": {"x": 1}}) == [event | {"traits": {"x": 1}}]
    assert decode("rudderstack", event | {"type": "track"}) == [event | {"type": "track"}]


def test_a_batch_gives_each_event_what_it_says_of_all() -> None:
    batch = {
        "batch": [
            {"type": "identify", "context": {"ip": "192.0.2.1"}, "sentAt": "2026-01-01T00:00:00Z"},
            {"type": "group", "integrations": {"All": True}},
        ],
        "context": {"ip": "192.0.2.9", "locale": "en"},
        "integrations": {"All": False, "ChartMogul": True},
        "sentAt": "2026-01-02T00:00:00Z",
    }
    assert decode("batch", batch) == [
        {
            "type": "identify",
            "context": {"ip": "192.0.2.1", "locale": "en"},
            "integrations": {"All": False, "ChartMogul": True},
            "sentAt": "2026-01-01T00:00:00Z",
        },
        {
            "type": "group",
            "context": {"ip": "192.0.2.9", "locale": "en"},
            "integrations": {"All": True, "ChartMogul": True},
            "sentAt": "2026-01-02T00:00:00Z",
        },
    ]


def test_what_a_batch_says_of_all_is_shared_and_bounded() -> None:
    common = {str(n): n for n in range(29)}
    limits = DecodeLimits(max_keys=60)
    few = decode("batch", {"batch": [{"type": "a", "context": {}}, {"type": "a"}], "context": common}, limits=limits)
    assert few == [{"type": "a", "context": common}] * 2
    assert few[0]["context"] is few[1]["context"]
    many = decode("batch", {"batch": [{"type": "a"}] * 29, "context": common}, limits=limits)
    assert isinstance(many, Reject)
    assert many.reason is DecodeReason.TOO_MANY_KEYS
    assert "its 29 events" in many.errors[0].message


def test_a_bad_event_does_not_spoil_its_batch() -> None:
    first, second, third, fourth = decode("batch", [EVENT, 5, {"userId": "u"}, EVENT])
    assert (first, fourth) == (EVENT, EVENT)
    assert second.reason is DecodeReason.NOT_AN_OBJECT
    assert third.reason is DecodeReason.MISSING_TYPE
    assert third.errors[0].field == "value[2]"


@pytest.mark.parametrize("document", [[], {"batch": []}])
def test_an_empty_batch_is_skipped(document: Any) -> None:
    assert decode("batch", document) == Skip(SkipReason.EMPTY_BATCH)


def test_a_batch_has_a_limit_of_events() -> None:
    limits = DecodeLimits(max_events=3)
    assert len(decode("batch", [EVENT] * 3, limits=limits)) == 3
    for envelope, document in (("batch", [EVENT] * 4), ("batch", {"batch": [0] * 4}), ("/x", {"x": [EVENT] * 4})):
        assert decode(envelope, document, limits=limits).reason is DecodeReason.TOO_MANY_EVENTS


@pytest.mark.parametrize(
    ("envelope", "document"),
    [
        ("connect", {"schema": None, "payload": None}),
        ("debezium", CHANGE | {"op": "d", "before": EVENT, "after": None}),
        ("debezium", {"op": "t", "source": {}, "ts_ms": 1}),
        ("debezium", EVENT | {"__deleted": "true"}),
    ],
)
def test_a_deleted_row_is_a_tombstone(envelope: str, document: Any) -> None:
    assert decode(envelope, document) == Skip(SkipReason.TOMBSTONE)


@pytest.mark.parametrize(
    ("envelope", "document", "reason"),
    [
        ("debezium", {"op": "m", "source": {}, "message": {"prefix": "a"}}, DecodeReason.INVALID_ENVELOPE),
        ("debezium", {"op": "u", "after": None, "patch": "{}", "source": {}}, DecodeReason.INVALID_ENVELOPE),
        ("debezium", {"op": "u", "updateDescription": {}, "source": {}}, DecodeReason.INVALID_ENVELOPE),
        ("jitsu", EVENT, DecodeReason.INVALID_ENVELOPE),
        ("jitsu", {"httpPayload": TEXT}, DecodeReason.INVALID_ENVELOPE),
        ("connect", EVENT, DecodeReason.INVALID_ENVELOPE),
        ("connect", {"schema": {}, "payload": "{"}, DecodeReason.INVALID_JSON),
        ("cloudevents", EVENT, DecodeReason.INVALID_ENVELOPE),
        ("cloudevents", STRUCTURED, DecodeReason.INVALID_ENVELOPE),
        ("cloudevents", STRUCTURED | {"data_base64": "é"}, DecodeReason.INVALID_ENVELOPE),
        ("cloudevents", STRUCTURED | {"data_base64": 5}, DecodeReason.INVALID_ENVELOPE),
        ("batch", "x", DecodeReason.INVALID_ENVELOPE),
        ("batch", {"batch": {}}, DecodeReason.INVALID_ENVELOPE),
        ("debezium", CHANGE | {"after": {"user_id": "u1"}}, DecodeReason.MISSING_TYPE),
        ("/payload", EVENT, DecodeReason.INVALID_ENVELOPE),
        ("/payload/0", {"payload": []}, DecodeReason.INVALID_ENVELOPE),
        ("/payload", {"payload": 5}, DecodeReason.NOT_AN_OBJECT),
    ],
)
def test_another_shape_ends_by_name(envelope: str, document: Any, reason: DecodeReason) -> None:
    outcome = decode(envelope, document)
    assert isinstance(outcome, Reject)
    assert outcome.reason is reason
    assert "b.example" not in repr(outcome)


def test_an_unknown_envelope_says_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"rudderstack.*JSON pointer"):
        Decoder(envelope="rudder")
    with pytest.raises(ValueError, match="auto"):
        Decoder(format="protobuf")


def test_text_in_json_with_half_an_emoji() -> None:
    value = b'{"schema":{},"payload":"{\\"type\\":\\"identify\\",\\"name\\":\\"\\ud83d\\"}"}'
    assert Decoder(envelope="connect").decode(value) == [{"type": "identify", "name": "\ud83d"}]


class TestNormalise:
    def test_a_row_becomes_an_event(self) -> None:
        row = {
            "user_id": "u1",
            "message_id": "m",
            "email": "a@b.example",
            "traits": '{"plan":"pro"}',
            "context": None,
            "sent_at": "2026-01-01",
        }
        settings = Normalise(
            json_fields=("traits", "context"),
            snake_case=True,
            rename={"email": "traits.email", "plan": "traits.plan"},
            constants={"type": "identify", "context.source": "crm"},
        )
        assert decode("none", row, normalise=settings) == [
            {
                "type": "identify",
                "userId": "u1",
                "messageId": "m",
                "sentAt": "2026-01-01",
                "traits": {"plan": "pro", "email": "a@b.example"},
                "context": {"source": "crm"},
            }
        ]

    def test_a_rename_destroys_nothing(self) -> None:
        event = EVENT | {"user_id": "other", "name": "n", "nothing": None, "list": [1]}
        settings = Normalise(snake_case=True, rename={"name": "list.name", "nothing": "gone", "absent": "userId"})
        assert decode("none", event, normalise=settings) == [event]

    def test_constants_win(self) -> None:
        assert decode("none", EVENT, normalise=Normalise(constants={"type": "group"})) == [EVENT | {"type": "group"}]

    def test_events_of_a_batch_stay_apart(self) -> None:
        batch = {"batch": [{"type": "a", "x": 1}, {"type": "b"}], "context": {"app": {"name": "n"}}}
        one, two = decode("batch", batch, normalise=Normalise(rename={"x": "context.app.x"}))
        assert one["context"] == {"app": {"name": "n", "x": 1}}
        assert two["context"] == {"app": {"name": "n"}}

    def test_a_field_that_holds_no_json_is_named(self) -> None:
        outcome = decode("none", EVENT | {"traits": "jane{"}, normalise=Normalise(json_fields=("traits",)))
        assert outcome.reason is DecodeReason.INVALID_JSON
        assert "traits" in outcome.errors[0].message
        assert "jane" not in outcome.errors[0].message

    @pytest.mark.parametrize("path", ["", "a..b", ".a"])
    def test_a_path_must_be_one(self, path: str) -> None:
        with pytest.raises(ValueError, match="dots"):
            Normalise(rename={path: "x"})


class TestFallbacks:
    def filled(self, event: dict, timestamp_ms: int | None, **settings: Any) -> tuple[dict, Counter]:
        used: Counter = Counter()
        decoder = Decoder(fallbacks=Fallbacks(**settings), count_fallback=lambda *use: used.update([use]))
        (found,) = decoder.decode(orjson.dumps(event), timestamp_ms=timestamp_ms)
        return found, used

    def test_off_by_default(self) -> None:
        assert Decoder().decode(orjson.dumps(EVENT), timestamp_ms=5) == [EVENT]

    @pytest.mark.parametrize(
        ("event", "sent_at", "source"),
        [
            ({"receivedAt": "r", "timestamp": "t"}, "r", "receivedAt"),
            ({"sentAt": None, "timestamp": "t"}, "t", "timestamp"),
            ({"sentAt": "", "receivedAt": ""}, "2026-03-02T08:00:00.005Z", "record_time"),
        ],
    )
    def test_sent_at_in_turn(self, event: dict, sent_at: str, source: str) -> None:
        order = ("receivedAt", "timestamp", "record_time")
        found, used = self.filled(EVENT | event, 1_772_438_400_005, sent_at=order)
        assert found["sentAt"] == sent_at
        assert used == {("sentAt", source): 1}

    @pytest.mark.parametrize("timestamp_ms", [None, -1, 0, 10**18])
    def test_no_time_is_made_up(self, timestamp_ms: int | None) -> None:
        assert self.filled(EVENT, timestamp_ms, sent_at=("record_time",)) == (EVENT, {})

    def test_what_is_there_stays(self) -> None:
        event = {"type": "group", "sentAt": 5, "userId": 0, "groupId": "g", "receivedAt": "r"}
        assert self.filled(event, 1, sent_at=("receivedAt",), group_user_id=("groupId",)) == (event, {})

    def test_user_of_a_group(self) -> None:
        order = ("anonymousId", "groupId")
        group = {"type": "group", "groupId": "g"}
        assert self.filled(group, None, group_user_id=order) == (group | {"userId": "g"}, {("userId", "groupId"): 1})
        group["anonymousId"] = "a"
        assert self.filled(group, None, group_user_id=order)[0]["userId"] == "a"
        assert self.filled({"type": "identify", "anonymousId": "a"}, None, group_user_id=order)[1] == {}

    def test_sources_are_checked(self) -> None:
        with pytest.raises(ValueError, match="record_time"):
            Fallbacks(sent_at=("now",))  # type: ignore[arg-type] - what a settings file may hold


_KEYS = st.sampled_from(
    [
        "type",
        "payload",
        "schema",
        "data",
        "data_base64",
        "specversion",
        "op",
        "after",
        "source",
        "batch",
        "context",
        "httpPayload",
        "aggregatetype",
        "traits",
        "user_id",
        "integrations",
        "__deleted",
        "sentAt",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["identify", "", "{}", TEXT, "d"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=12,
)


@given(envelope=st.sampled_from([*PRESETS, "/data/0", "/payload"]), document=_JSON, binary=st.booleans())
def test_any_document_ends_by_name(envelope: str, document: Any, binary: bool) -> None:
    decoder = Decoder(
        envelope=envelope,
        normalise=Normalise(json_fields=("traits", "context.x"), snake_case=True, rename={"data": "traits.data"}),
        fallbacks=Fallbacks(sent_at=("record_time",), group_user_id=("groupId",)),
    )
    outcome = decoder.decode(orjson.dumps(document), BINARY if binary else [("content-type", None)], 1)
    for one in outcome if isinstance(outcome, list) else [outcome]:
        if isinstance(one, Reject):
            assert one.reason in DecodeReason
        else:
            assert isinstance(one, dict | Skip)
