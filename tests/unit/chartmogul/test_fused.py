"""The generated function against the interpreted way, over generated mappings and events: where it answers, it agrees."""

from __future__ import annotations

import copy

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consumer.chartmogul import contact
from consumer.chartmogul.compiled import DEFAULT_MAPPINGS, CompiledMapping, MappingSpec
from consumer.chartmogul.fused import fuse
from consumer.errors import ConfigurationError
from consumer.outcomes import Action
from consumer.segment import js_json
from tests.conformance import cases

DEFAULT = CompiledMapping(DEFAULT_MAPPINGS[0], require_company_id=True)
IDENTIFY = {
    "type": "identify",
    "messageId": "m-1",
    "timestamp": "2024-01-15T10:00:00.000Z",
    "sentAt": 1705312800,
    "userId": "u-1",
    "traits": {"email": "ada@example.com", "name": "", "phone": None, "company": {"id": 42, "name": ""}},
}


@st.composite
def specs(draw):
    action = draw(st.sampled_from(Action))
    return MappingSpec("m", action, "type", draw(cases.mappings(action.value)))


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(specs(), st.lists(cases.EVENTS, min_size=1, max_size=3))
def test_it_agrees_wherever_it_answers(spec, events):
    mapping, events = js_json.decode(cases.line({"m": [spec.mapping, events]}))["m"]
    try:
        compiled = CompiledMapping(replace(spec, mapping=mapping), require_company_id=True)
    except ConfigurationError:
        return
    for event in events if compiled._fused is not None else ():
        before = copy.deepcopy(event)
        post = compiled._fused(event, "identify")
        assert repr(event) == repr(before)
        if post is not None:
            assert post == compiled._step_by_step(event, "identify")


def test_the_default_mappings_go_the_short_way():
    post = DEFAULT._fused(IDENTIFY, "identify")
    assert (post.mapping, post.action, post.lane) == ("Send Contact", Action.SEND_CONTACT, "sendContact:u-1")
    assert (post.message_id, post.event_type) == ("m-1", "identify")
    assert orjson.loads(post.body) == {
        "type": "Send Contact",
        "message_id": "m-1",
        "timestamp": "2024-01-15T10:00:00.000Z",
        "sent_at": 1705312800,
        "user_id": "u-1",
        "email": "ada@example.com",
        "company": {"id": "42", "name": ""},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"userId": 1.5},
        {"userId": ["u"]},
        {"messageId": ""},
        {"sentAt": "yesterday"},
        {"sentAt": 2**60},
        {"traits": "text"},
        {"traits": {"email": "no address"}},
        {"traits": {"company": {"id": True}}},
        {"traits": {"company": {}}},
        {"traits": {"name": "\ud83d"}},
        {"userId": None},
        {"context": None},
        {"context": {"personas": None}},
    ],
)
def test_anything_else_is_left_to_the_other_way(change):
    assert DEFAULT._fused(IDENTIFY | change, "identify") is None


def test_an_event_of_an_engage_audience_goes_the_short_way():
    personas = {"computation_class": "audience", "computation_key": "big_spenders"}
    assert DEFAULT._fused(IDENTIFY | {"context": {"personas": personas}}, "identify") is not None


@pytest.mark.parametrize(
    "mapping",
    [
        {"dynamicAuthSettings": {"@path": "$.x"}},
        {"@path": "$.traits"},
        {"__segment_internal_directive": {"@transform": {"apply": {}, "mapping": {}}}},
        {"type": None},
        {"type": ["a", "b"]},
        {"company": {"name": "x"}},
        {},
    ],
)
def test_some_mappings_have_no_short_way(mapping):
    required = {} if set(mapping) & {"@path", "type"} or not mapping else contact.DEFAULT_MAPPING
    fused = fuse(
        {**required, **mapping}, contact.fields(require_company_id=True), contact.check, "m", Action.SEND_CONTACT
    )
    assert fused is None or mapping == {"type": ["a", "b"]}


def test_directives_are_called_in_their_place():
    mapping = contact.DEFAULT_MAPPING | {
        "name": {"@template": "{{traits.email}}!"},
        "unknown": {"@case": {"operator": "title", "value": {"@path": "$.traits.email"}}},
    }
    compiled = CompiledMapping(
        MappingSpec("m", Action.SEND_CONTACT, 'type = "identify"', mapping), require_company_id=True
    )
    refusal = compiled.make(IDENTIFY, "identify")
    assert refusal.reason.value == "mapping_error"  # an unknown key is dropped, but what it maps to has to resolve
    del mapping["unknown"]
    compiled = CompiledMapping(
        MappingSpec("m", Action.SEND_CONTACT, 'type = "identify"', mapping), require_company_id=True
    )
    assert orjson.loads(compiled._fused(IDENTIFY, "identify").body)["name"] == "ada@example.com!"
