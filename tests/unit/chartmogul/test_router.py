"""The order in which an event meets the gates, what each ends as, and that no event makes the router raise."""

from __future__ import annotations

import copy
import time

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from consumer.chartmogul.router import DEFAULT_MAPPINGS, SUPPORTED_TYPES, MappingSpec, Router
from consumer.errors import ConfigurationError
from consumer.outcomes import Action, Post, Reject, RejectReason, Skip, SkipReason, Stage
from consumer.segment import js_json
from consumer.segment.filters import Drop, DropProperties, Filter
from tests.conformance import cases

IDENTIFY = {
    "type": "identify",
    "messageId": "m-1",
    "timestamp": "2024-01-15T10:00:00.000Z",
    "sentAt": "2024-01-15T10:00:00.000Z",
    "userId": "u-1",
    "anonymousId": "a-1",
    "traits": {"email": "ada@example.com", "company": {"id": "c-1"}},
}
GROUP = IDENTIFY | {"type": "group", "groupId": "g-1", "traits": {"name": "Acme", "employees": 5}}
MANY = Router(
    [
        MappingSpec(f"m{i}", *each)
        for i, each in enumerate(
            [
                (Action.SEND_CONTACT, 'type = "identify"', DEFAULT_MAPPINGS[0].mapping),
                (Action.SEND_CUSTOMER, 'userId != "nobody"', DEFAULT_MAPPINGS[1].mapping),
                (Action.SEND_CONTACT, 'type = "track" or traits.plan = "pro"', DEFAULT_MAPPINGS[0].mapping),
            ]
        )
    ]
)


def reasons(router, event):
    return [each.reason for each in router.route(event)]


def test_identify_is_a_contact():
    (post,) = Router().route(IDENTIFY)
    assert isinstance(post, Post)
    assert (post.mapping, post.action, post.lane) == ("Send Contact", Action.SEND_CONTACT, "sendContact:u-1")
    assert (post.message_id, post.event_type) == ("m-1", "identify")
    assert orjson.loads(post.body) == {
        "type": "Send Contact",
        "message_id": "m-1",
        "timestamp": "2024-01-15T10:00:00.000Z",
        "sent_at": "2024-01-15T10:00:00.000Z",
        "user_id": "u-1",
        "anonymous_id": "a-1",
        "email": "ada@example.com",
        "company": {"id": "c-1"},
    }


def test_group_is_a_customer():
    (post,) = Router().route(GROUP)
    assert isinstance(post, Post)
    assert (post.action, post.lane) == (Action.SEND_CUSTOMER, "sendCustomer:g-1")
    body = orjson.loads(post.body)
    assert body["address"] == {}
    assert "employees" not in body
    assert "anonymous_id" not in body


def test_the_lane_of_an_anonymous_contact():
    event = {key: value for key, value in IDENTIFY.items() if key != "userId"} | {"messageId": 7}
    (post,) = Router().route(event)
    assert (post.lane, post.message_id) == ("sendContact:a-1", "")


@pytest.mark.parametrize(
    ("kind", "label"), [("screen", "screen"), ("Identify", "other"), (None, ""), (["x"], ""), (5, "")]
)
def test_unsupported_types_end_by_name_and_keep_labels_few(kind, label):
    assert Router().route(IDENTIFY | {"type": kind}) == (Skip(SkipReason.UNSUPPORTED_EVENT_TYPE, event_type=label),)
    assert reasons(Router(), {}) == [SkipReason.UNSUPPORTED_EVENT_TYPE]


@pytest.mark.parametrize("kind", ["track", "page", "alias"])
def test_an_event_that_no_trigger_wants_is_one_skip(kind):
    assert Router().route(IDENTIFY | {"type": kind}) == (Skip(SkipReason.NO_MATCHING_MAPPING, event_type=kind),)


def test_the_gates_come_in_segments_order():
    blocked = IDENTIFY | {"integrations": {"All": False}, "context": {"consent": {"categoryPreferences": {}}}}
    router = Router(filters=[Filter('type = "identify"', (Drop(),))], consent_categories={"ads"})
    expected = [
        (blocked | {"type": "screen"}, SkipReason.UNSUPPORTED_EVENT_TYPE),
        (blocked, SkipReason.FILTERED_BY_END_USER_CONSENT),
        (blocked | {"context": {}}, SkipReason.FILTERED_BY_INTEGRATIONS_OBJECT),
        (IDENTIFY, SkipReason.FILTERED_BY_RULES),
        (IDENTIFY | {"type": "page"}, SkipReason.NO_MATCHING_MAPPING),
    ]
    assert [reasons(router, event) for event, _ in expected] == [[reason] for _, reason in expected]


def test_consent_is_asked_for_only_where_categories_are_set():
    refused = IDENTIFY | {"context": {"consent": {"categoryPreferences": {"ads": False}}}}
    assert isinstance(Router().route(refused)[0], Post)
    assert reasons(Router(consent_categories={"ads"}), refused) == [SkipReason.FILTERED_BY_END_USER_CONSENT]


def test_filters_change_what_is_mapped_and_what_triggers_see():
    router = Router(filters=[Filter("all", (DropProperties({"traits": ("email",), "": ("type",)}),))])
    assert reasons(router, IDENTIFY) == [SkipReason.NO_MATCHING_MAPPING]
    any_type = [MappingSpec("any", Action.SEND_CONTACT, 'userId = "u-1"', DEFAULT_MAPPINGS[0].mapping)]
    (post,) = Router(any_type, filters=[Filter("all", (DropProperties({"traits": ("email",), "": ("type",)}),))]).route(
        IDENTIFY
    )
    assert isinstance(post, Post)
    assert b"ada@" not in post.body
    assert post.event_type == "identify"


def test_every_mapping_that_wants_an_event_makes_a_delivery_in_order():
    assert [(each.mapping, type(each)) for each in MANY.route(IDENTIFY | {"groupId": "g"})] == [
        ("m0", Post),
        ("m1", Post),
    ]
    planned = MANY.route(IDENTIFY | {"traits": {"plan": "pro"}})
    assert [(each.mapping, type(each)) for each in planned] == [("m0", Post), ("m1", Reject), ("m2", Post)]


def test_a_trigger_that_fails_refuses_the_event_for_its_mapping_alone():
    contact, mapping = Action.SEND_CONTACT, DEFAULT_MAPPINGS[0].mapping
    fails = MappingSpec("fails", contact, 'type = "identify" and (groupId = "x")', mapping)
    planned = Router([fails, DEFAULT_MAPPINGS[0]]).route(IDENTIFY)
    refusal = planned[0]
    assert isinstance(refusal, Reject)
    assert (refusal.reason, refusal.stage, refusal.mapping) == (RejectReason.TRIGGER_ERROR, Stage.TRIGGER, "fails")
    assert [each.mapping for each in planned] == ["fails", "Send Contact"]


def test_a_disabled_mapping_wants_nothing_and_is_checked_all_the_same():
    spec = DEFAULT_MAPPINGS[0]
    off = MappingSpec(spec.name, spec.action, spec.trigger, spec.mapping, enabled=False)
    assert reasons(Router([off]), IDENTIFY) == [SkipReason.NO_MATCHING_MAPPING]
    with pytest.raises(ConfigurationError):
        Router([MappingSpec("x", spec.action, spec.trigger, {"a": {"@nope": 1}}, enabled=False)])


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"traits": {"email": "no address"}}, RejectReason.INVALID_PAYLOAD, "email"),
        ({"sentAt": None}, RejectReason.INVALID_PAYLOAD, "sent_at"),
        ({"userId": None, "anonymousId": ""}, RejectReason.MISSING_IDENTITY, "user_id"),
        ({"anonymousId": None, "traits": {}}, RejectReason.NO_INFORMATION, ""),
        ({"context": None}, RejectReason.INTERNAL_ERROR, "context"),
        ({"context": {"personas": None}}, RejectReason.INTERNAL_ERROR, "context.personas"),
    ],
)
def test_refusals_are_named_and_hold_no_contents(change, reason, field):
    (reject,) = Router().route(IDENTIFY | change)
    assert isinstance(reject, Reject)
    assert (reject.reason, reject.stage, reject.mapping) == (reason, Stage.VALIDATE, "Send Contact")
    assert [error.field for error in reject.errors] == [field]
    assert "no address" not in str(reject)


def test_a_refusal_before_the_unguarded_access_comes_first():
    (reject,) = Router().route(IDENTIFY | {"context": None, "sentAt": None})
    assert reject.reason is RejectReason.INVALID_PAYLOAD


@pytest.mark.parametrize(
    ("personas", "kind", "fails"),
    [
        ({"computation_class": "audience", "computation_key": {"toString": 1}}, "identify", True),
        ({"computation_class": "audience", "computation_key": [{"toString": 1}]}, "track", True),
        ({"computation_class": "audience", "computation_key": {"toString": 1}}, "alias", False),
        ({"computation_class": "audience", "computation_key": {"a": 1}}, "identify", False),
        ({"computation_class": "trait", "computation_key": {"toString": 1}}, "identify", False),
        ("text", "identify", False),
    ],
)
def test_the_originals_look_for_an_audience(personas, kind, fails):
    spec = MappingSpec("any", Action.SEND_CONTACT, 'userId = "u-1"', DEFAULT_MAPPINGS[0].mapping)
    (planned,) = Router([spec]).route(IDENTIFY | {"type": kind, "context": {"personas": personas}})
    assert isinstance(planned, Reject) == fails


def test_a_company_without_an_id_is_dropped_unless_required():
    event = IDENTIFY | {"traits": {"email": "ada@example.com", "company": {"name": "Acme"}}}
    (post,) = Router().route(event)
    assert isinstance(post, Post)
    assert "company" not in orjson.loads(post.body)
    (reject,) = Router(require_company_id=True).route(event)
    assert isinstance(reject, Reject)
    assert [error.field for error in reject.errors] == ["company.id"]


def test_reasons_that_the_settings_skip_end_as_skipped():
    router = Router(skip_reasons={RejectReason.NO_INFORMATION, RejectReason.MAPPING_ERROR})
    empty = IDENTIFY | {"anonymousId": None, "traits": {}}
    assert router.route(empty) == (Skip(SkipReason.NO_INFORMATION, "Send Contact", "identify"),)
    assert isinstance(router.route(IDENTIFY | {"sentAt": None})[0], Reject)
    assert isinstance(router.route(IDENTIFY)[0], Post)


def test_a_trigger_or_a_directive_that_fails_is_a_refusal_of_that_mapping_only():
    contact = DEFAULT_MAPPINGS[0].mapping
    failing = contact | {"name": {"@case": {"operator": "title", "value": {"@path": "$.userId"}}}}
    router = Router(
        [
            MappingSpec("trigger", Action.SEND_CONTACT, 'name = "x" or traits.. = 1', contact),
            MappingSpec("directive", Action.SEND_CONTACT, 'type = "identify"', failing),
            MappingSpec("good", Action.SEND_CONTACT, 'type = "identify"', contact),
        ]
    )
    planned = {each.mapping: each for each in router.route(IDENTIFY)}
    assert planned["directive"].reason is RejectReason.MAPPING_ERROR
    assert planned["directive"].stage is Stage.MAP
    assert isinstance(planned["good"], Post)
    if "trigger" in planned:
        assert planned["trigger"].stage is Stage.TRIGGER


def test_every_mistake_in_every_mapping_is_reported():
    spec = DEFAULT_MAPPINGS[0]
    with pytest.raises(ConfigurationError) as caught:
        Router(
            [
                spec,
                MappingSpec(spec.name, spec.action, "bad fql (", {"name": {"@path": 5}}),
                MappingSpec("", spec.action, spec.trigger, {"title": {"@nope": 1}}),
            ]
        )
    paths = [problem.path for problem in caught.value.problems]
    assert paths[0] == "mappings[1].name"
    assert paths[1] == "mappings[1].trigger"
    assert paths[2].startswith("mappings[1].mapping.name")
    assert paths[3] == "mappings[2].name"
    assert paths[4].startswith("mappings[2].mapping.title")


@pytest.mark.parametrize(
    "filler",
    [
        "a" * 32_000,
        "a@" + "a." * 16_000,
        "http://" + "%20" * 10_000,
        "2024" + "1" * 32_000 + "/",
        "(" * 32_000,
        " " * 32_000,
    ],
)
def test_no_event_of_32_kb_takes_long(filler):
    started = time.process_time()
    for change in (
        {"timestamp": filler},
        {"userId": filler},
        {"traits": dict.fromkeys(("email", "linkedIn", "website"), filler)},
    ):
        for event in (IDENTIFY, GROUP):
            Router().route(event | change)
    assert time.process_time() - started < 6 * 0.05


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(cases.EVENTS)
def test_no_event_raises_and_none_is_changed(event):
    event = js_json.decode(cases.line(event))
    before = copy.deepcopy(event)
    for router in (Router(), MANY):
        planned = router.route(event)
        assert planned
        assert planned == router.route(event)
        for each in planned:
            if isinstance(each, Post):
                assert isinstance(js_json.decode(each.body.decode()), dict)
    assert repr(event) == repr(before)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(cases.EVENTS, cases.TRIGGERS)
def test_the_index_by_type_hides_no_mapping(event, trigger):
    event = js_json.decode(cases.line(event)) | {"integrations": None}
    try:
        router = Router([MappingSpec("m", Action.SEND_CONTACT, trigger, DEFAULT_MAPPINGS[0].mapping)])
    except ConfigurationError:
        return
    for kind in SUPPORTED_TYPES:
        typed = event | {"type": kind}
        alone = router.mappings[0].deliver(typed, kind)
        assert router.route(typed) == ((alone,) if alone else (Skip(SkipReason.NO_MATCHING_MAPPING, event_type=kind),))
