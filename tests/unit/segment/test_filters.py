from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.errors import ConfigurationError
from consumer.segment.filters import (
    MAXIMUM_FILTERS,
    AllowProperties,
    Drop,
    DropProperties,
    Filter,
    Sample,
    compile_filters,
    parse_filter,
)

EVENT: dict[str, Any] = {
    "type": "identify",
    "messageId": "m-1",
    "userId": "u-1",
    "traits": {"email": "a@example.com", "plan": "pro", "address": {"city": "Riga", "street": "x"}},
    "properties": {"products": [{"price": 1, "name": "a"}, {"price": 2, "name": "b"}, "text", {"name": "c"}]},
}


def one(action: Any, condition: str = "all", **rest: Any) -> Any:
    return compile_filters([Filter(condition, (action,), **rest)])


def test_without_filters_the_event_itself_goes_on():
    assert compile_filters([])(EVENT) is EVENT


def test_drop():
    assert one(Drop())(EVENT) is None
    assert one(Drop(), "type = 'identify'")(EVENT) is None
    assert one(Drop(), "type = 'group'")(EVENT) is EVENT


def test_a_disabled_filter_does_nothing_but_is_checked():
    assert one(Drop(), enabled=False)(EVENT) is EVENT
    with pytest.raises(ConfigurationError):
        one(Drop(), "type =", enabled=False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"traits": ("email", "absent")}, {"traits": {"plan": "pro", "address": {"city": "Riga", "street": "x"}}}),
        ({"traits.address": ("street",)}, {"traits": {**EVENT["traits"], "address": {"city": "Riga"}}}),
        ({"": ("userId", "properties")}, None),
        (
            {"properties.products": ("price",)},
            {"properties": {"products": [{"name": "a"}, {"name": "b"}, "text", {"name": "c"}]}},
        ),
    ],
)
def test_drop_properties(fields: dict[str, tuple[str, ...]], expected: dict[str, Any] | None):
    result = one(DropProperties(fields))(EVENT)
    wanted = (
        {"type": "identify", "messageId": "m-1", "traits": EVENT["traits"]}
        if expected is None
        else {**EVENT, **expected}
    )
    assert wanted == result


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"traits": ("email", "absent")}, {"traits": {"email": "a@example.com"}}),
        ({"traits.address": ("city",)}, {"traits": {**EVENT["traits"], "address": {"city": "Riga"}}}),
        (
            {"properties.products": ("name",)},
            {"properties": {"products": [{"name": "a"}, {"name": "b"}, "text", {"name": "c"}]}},
        ),
        ({"traits": ()}, {"traits": {}}),
    ],
)
def test_allow_properties(fields: dict[str, tuple[str, ...]], expected: dict[str, Any]):
    assert {**EVENT, **expected} == one(AllowProperties(fields))(EVENT)


def test_allow_properties_of_the_event_itself():
    assert one(AllowProperties({"": ("type", "userId")}))(EVENT) == {"type": "identify", "userId": "u-1"}


@pytest.mark.parametrize("action", [DropProperties, AllowProperties])
@pytest.mark.parametrize("path", ["absent", "traits.email", "traits.email.deeper", "type", "absent.deeper"])
def test_paths_that_lead_to_no_object_change_nothing(action: type, path: str):
    assert one(action({path: ("x",)}))(EVENT) is EVENT


def test_an_event_that_has_none_of_the_fields_is_not_copied():
    assert one(DropProperties({"traits": ("absent",), "properties.products": ("absent",)}))(EVENT) is EVENT
    assert one(AllowProperties({"traits": ("email", "plan", "address")}))(EVENT) is EVENT


def test_the_documented_order_stands_over_the_order_of_filters():
    allow = Filter("traits.plan = null", (AllowProperties({"traits": ("email",)}),))
    drop_plan = Filter("all", (DropProperties({"traits": ("plan",)}),))
    # Allow comes last whatever the order: it sees the event without the plan.
    assert compile_filters([allow, drop_plan])(EVENT)["traits"] == {"email": "a@example.com"}
    drop = Filter("traits.plan = 'pro'", (Drop(),))
    assert compile_filters([drop_plan, drop])(EVENT) is None  # Drop comes first, and still sees the plan


def test_the_condition_of_a_filter_is_evaluated_once():
    both = Filter(
        "traits.plan = 'pro'", (AllowProperties({"traits": ("email",)}), DropProperties({"traits": ("plan",)}))
    )
    assert compile_filters([both])(EVENT)["traits"] == {"email": "a@example.com"}


def test_only_send_is_a_drop_of_the_rest():
    only = [Filter("!(type = 'identify')", (Drop(),)), Filter("!(userId != null)", (Drop(),))]
    run = compile_filters(only)
    assert run(EVENT) is EVENT
    assert run({**EVENT, "type": "track"}) is None
    assert run({"type": "identify"}) is None


@pytest.mark.parametrize("percent", [0.1, 0.5, 0.9])
def test_a_sample_keeps_about_its_share_and_always_the_same_events(percent: float):
    run = one(Sample(percent))
    events = [{"messageId": f"m-{number}"} for number in range(4_000)]
    kept = [run(event) is event for event in events]
    assert abs(sum(kept) / len(kept) - percent) < 0.03
    assert kept == [run(copy.deepcopy(event)) is not None for event in events]


def test_a_sample_by_a_path_decides_for_all_events_with_that_value():
    run = one(Sample(0.5, "traits.team.id"))
    fates = [
        {run({"messageId": f"m-{number}", "traits": {"team": {"id": team}}}) is None for number in range(20)}
        for team in range(50)
    ]
    assert all(len(fate) == 1 for fate in fates)
    assert len(set.union(*fates)) == 2


@pytest.mark.parametrize("value", ["absent", None, "text"])
def test_a_sample_without_the_value_falls_back_to_the_message(value: str | None):
    traits = {} if value == "absent" else {"traits": value}
    run = one(Sample(0.5, "traits.team"))
    assert len({run({"messageId": f"m-{number}", **traits}) is None for number in range(50)}) == 2


def test_a_sample_without_a_message_id_still_samples():
    assert len({one(Sample(0.5))({"userId": number}) is None for number in range(50)}) == 2


def test_the_ends_of_a_sample():
    events = [{"messageId": f"m-{number}"} for number in range(200)]
    assert all(one(Sample(0.0))(event) is None for event in events)
    assert all(one(Sample(1.0))(event) is event for event in events)


def test_a_sample_reads_numbers_as_the_original_does():
    assert [one(Sample(0.5, "a"))({"a": number, "messageId": "m"}) is None for number in (7, 7.0)] in (
        [True, True],
        [False, False],
    )


class _Broken(dict[str, Any]):
    def get(self, *_: Any) -> Any:
        raise RuntimeError("broken")


def test_a_filter_that_fails_sends_nothing():
    assert one(DropProperties({"traits": ("email",)}), "type = 'identify'")(_Broken(EVENT)) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
fields = st.dictionaries(
    st.sampled_from(["", "a", "a.b", "b.c.a", "c"]), st.lists(st.sampled_from("abc"), max_size=2).map(tuple), max_size=3
)
actions = fields.map(DropProperties) | fields.map(AllowProperties) | st.just(Sample(0.9, "a"))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), json_values), st.lists(actions, max_size=4))
def test_no_filter_changes_the_event(event: dict[str, Any], chosen: list[Any]):
    run = compile_filters([Filter("a = null or b = null or c != null", tuple(chosen))])
    before = json.dumps(event)
    run(event)
    assert before == json.dumps(event)


SPEC: dict[str, Any] = {
    "id": "f1",
    "sourceId": "s",
    "destinationId": "d",
    "title": "PII",
    "description": None,
    "enabled": True,
    "if": 'type = "identify"',
    "actions": [
        {"type": "SAMPLE", "percent": 0.25, "path": "userId", "fields": {}},
        {"type": "DROP", "percent": None, "path": ""},
        {"type": "DROP_PROPERTIES", "fields": {"": ["userId"], "traits": ["email"]}},
        {"type": "ALLOW_PROPERTIES", "fields": {"": ["type", "traits"], "traits.address": ["city"]}},
    ],
}


def test_a_filter_of_the_public_api_is_read():
    expected = Filter(
        condition='type = "identify"',
        actions=(
            Sample(0.25, "userId"),
            Drop(),
            DropProperties({"": ("userId",), "traits": ("email",)}),
            AllowProperties({"": ("type", "traits"), "traits.address": ("city",)}),
        ),
        enabled=True,
        title="PII",
    )
    assert expected == parse_filter(SPEC)


def test_a_filter_is_enabled_unless_it_says_otherwise():
    assert parse_filter({"if": "all", "actions": [{"type": "DROP"}]}).enabled
    assert not parse_filter({"if": "all", "actions": [{"type": "DROP"}], "enabled": False}).enabled


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"if": None}, "filters[2].if"),
        ({"if": "type ="}, "filters[2].if"),
        ({"enabled": "yes"}, "filters[2].enabled"),
        ({"title": 5}, "filters[2].title"),
        ({"when": "all"}, "filters[2].when"),
        ({"actions": []}, "filters[2].actions"),
        ({"actions": None}, "filters[2].actions"),
        ({"actions": ["DROP"]}, "filters[2].actions[0]"),
        ({"actions": [{"type": "HASH"}]}, "filters[2].actions[0].type"),
        ({"actions": [{"type": ["DROP"]}]}, "filters[2].actions[0].type"),
        ({"actions": [{"type": "DROP", "fields": {"a": ["b"]}}]}, "filters[2].actions[0].fields"),
        ({"actions": [{"type": "DROP", "percent": 0}]}, "filters[2].actions[0].percent"),
        ({"actions": [{"type": "SAMPLE"}]}, "filters[2].actions[0].percent"),
        ({"actions": [{"type": "SAMPLE", "percent": 25}]}, "filters[2].actions[0].percent"),
        ({"actions": [{"type": "SAMPLE", "percent": True}]}, "filters[2].actions[0].percent"),
        ({"actions": [{"type": "SAMPLE", "percent": 0.5, "path": 5}]}, "filters[2].actions[0].path"),
        ({"actions": [{"type": "SAMPLE", "percent": 0.5, "path": "a..b"}]}, "filters[2].actions[0].path"),
        ({"actions": [{"type": "DROP_PROPERTIES"}]}, "filters[2].actions[0].fields"),
        ({"actions": [{"type": "DROP_PROPERTIES", "fields": {"a": "b"}}]}, "filters[2].actions[0].fields.a"),
        ({"actions": [{"type": "DROP_PROPERTIES", "fields": {"a.": ["b"]}}]}, "filters[2].actions[0].fields.a."),
        ({"actions": [{"type": "ALLOW_PROPERTIES", "fields": {"": ["traits"]}}]}, "filters[2].actions[0].fields"),
    ],
)
def test_each_mistake_is_named_with_its_path(change: dict[str, Any], path: str):
    with pytest.raises(ConfigurationError) as caught:
        parse_filter({**SPEC, **change}, "filters[2]")
    assert path in [problem.path for problem in caught.value.problems]
    assert all(len(problem.message) > 10 for problem in caught.value.problems)


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ConfigurationError) as caught:
        parse_filter(
            {"if": "a = ", "actions": [{"type": "SAMPLE", "percent": 2}, {"type": "DROP", "path": "x"}], "x": 1}
        )
    assert {problem.path for problem in caught.value.problems} == {
        "filters[0].if",
        "filters[0].actions[0].percent",
        "filters[0].actions[1].path",
        "filters[0].x",
    }


@pytest.mark.parametrize("spec", [None, [], "all"])
def test_what_is_no_filter(spec: object):
    with pytest.raises(ConfigurationError, match="must be an object"):
        parse_filter(spec)


def test_at_most_ten_filters():
    allowed = [Filter("a = 1", (Drop(),))] * MAXIMUM_FILTERS
    assert compile_filters(allowed)(EVENT) is EVENT
    with pytest.raises(ConfigurationError, match="at most 10"):
        compile_filters([*allowed, Filter("all", (Drop(),), enabled=False)])


def test_conditions_that_cannot_be_read_are_all_named():
    with pytest.raises(ConfigurationError) as caught:
        compile_filters([Filter("a =", (Drop(),)), Filter("all", (Drop(),)), Filter("b ==", (Drop(),))])
    assert [problem.path for problem in caught.value.problems] == ["filters[0].if", "filters[2].if"]
