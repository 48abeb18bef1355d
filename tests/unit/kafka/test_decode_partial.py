"""Reading events in part changes nothing but the cost: the same deliveries, or the same reject, of the same bytes."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.chartmogul.router import DEFAULT_MAPPINGS, MappingSpec, Router
from consumer.config.mappings_presets import PRESETS
from consumer.errors import ConfigurationError
from consumer.kafka.decode import Decoder
from consumer.outcomes import Action, Post
from consumer.segment import js_json
from consumer.segment.filters import Drop, Filter
from tests.conformance import cases

CONSENT = frozenset({"c1"})
EVENT = {
    "type": "identify",
    "messageId": "m-1",
    "timestamp": "2024-01-15T10:00:00.000Z",
    "sentAt": "2024-01-15T10:00:00.000Z",
    "userId": "u-1",
    "integrations": {"All": True, "Other": {"a": [1]}},
    "context": {"ip": "203.0.113.7", "page": {"title": "Söhne"}},
    "traits": {"email": "ada@example.com", "name": "Ada", "unread": {"a": 1}, "company": {"id": "c", "x": 1}},
    "properties": {"unread": 1},
}
PIECES = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"\\",
        b"\\u",
        b"\\ud83d",
        b"\xff",
        b"\xc3",
        b"\xc3\xa9",
        b"\x00",
        b"\n",
    ),
    *(
        b"-",
        b"0",
        b"1e400",
        b"12345678901234567890123",
        b"9" * 5000,
        b"null",
        b"true",
        b"NaN",
        b" ",
        b'"type":"group",',
    ),
    *(b'"traits":null,', b'"context":[],', b'"integrations":{"ChartMogul":false},', b'{"a":' * 70, b"[" * 2000),
)


def nested(depth):
    return {"a": nested(depth - 1)} if depth > 1 else {}


def outcome(decoder, router, value):
    """What becomes of a record."""
    decoded = decoder.decode(value)
    return router.route(decoded[0]) if isinstance(decoded, list) else decoded


def both(router):
    partial = Decoder()
    partial.keep_only(router.reads)
    return Decoder(), partial


@st.composite
def routers(draw):
    mappings = []
    for name in ("m", "n")[: draw(st.integers(1, 2))]:
        action = draw(st.sampled_from(Action))
        trigger = draw(st.sampled_from(["type = identify", 'type = "identify" or type = "group"']) | cases.TRIGGERS)
        mapping = js_json.decode(cases.line(draw(cases.mappings(action.value))))
        mappings.append(MappingSpec(name, action, trigger, mapping))
    try:
        return Router(mappings, consent_categories=draw(st.sampled_from([frozenset(), CONSENT])))
    except ConfigurationError:
        return Router(draw(st.sampled_from([*PRESETS.values()])))


def record(event):
    return cases.line(event).encode()


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
@given(routers(), st.lists(cases.EVENTS, min_size=1, max_size=4))
def test_generated_events_end_alike(router, events):
    whole, partial = both(router)
    for event in events:
        assert outcome(partial, router, record(event)) == outcome(whole, router, record(event))


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=400)
@given(
    st.sampled_from(["identify", "group", "track", "screen"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 3), st.sampled_from(PIECES)), max_size=3),
)
def test_broken_text_ends_alike(kind, changes):
    router = Router()
    whole, partial = both(router)
    value = orjson.dumps(EVENT | {"type": kind})
    for where, length, piece in changes:
        at = int(where * len(value))
        value = value[:at] + piece + value[at + length :]
        assert outcome(partial, router, value) == outcome(whole, router, value)


@pytest.mark.parametrize(
    "change",
    [
        {"context": None},
        {"context": {"personas": None}},
        {"context": "text"},
        {"traits": None},
        {"traits": "text"},
        {"traits": [1]},
        {"traits": {"company": "Acme"}},
        {"traits": {"email": 5, "name": 12345678901234567890}},
        {"userId": 42},
        {"integrations": {"Chart Mogul": False}},
        {"integrations": {"All": False}},
        {"integrations": False},
        {"type": 5},
        {"unread": nested(63)},
        {"unread": nested(64)},
        {"context": {"unread": [nested(70)]}},
        {"unread": "{[" * 40},
    ],
)
@pytest.mark.parametrize("kind", ["identify", "track"])
def test_odd_values_end_alike(change, kind):
    router = Router()
    whole, partial = both(router)
    value = orjson.dumps(EVENT | {"type": kind} | change)
    for _ in range(2):  # before and after it expects what it gets
        assert outcome(partial, router, value) == outcome(whole, router, value)


def test_what_nobody_reads_is_left_out():
    _, partial = both(Router())
    for _ in range(2):
        (event,) = partial.decode(orjson.dumps(EVENT))
        assert event["traits"] == {"email": "ada@example.com", "name": "Ada", "company": {"id": "c"}}
        assert event["context"] == event["properties"] == {}
    for _ in range(2):
        (event,) = partial.decode(orjson.dumps(EVENT | {"type": "track"}))
        last = event
    assert last == {"type": "track", "integrations": {"All": True}}


def test_a_mapping_that_may_read_anything_gets_all_of_it():
    spec = DEFAULT_MAPPINGS[0]
    router = Router([MappingSpec("m", spec.action, spec.trigger, spec.mapping | {"name": {"@template": "{{type}}"}})])
    _, partial = both(router)
    assert partial.decode(orjson.dumps(EVENT)) == [EVENT]
    (planned,) = router.route(*partial.decode(orjson.dumps(EVENT)))
    assert isinstance(planned, Post)


def test_destination_filters_get_all_of_it():
    router = Router(filters=[Filter('context.ip = "203.0.113.7"', (Drop(),))])
    assert router.reads is None
    _, partial = both(router)
    assert partial.decode(orjson.dumps(EVENT)) == [EVENT]
