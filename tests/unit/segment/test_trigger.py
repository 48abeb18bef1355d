from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consumer.errors import ConsumerError, EventError, RejectedError
from consumer.outcomes import RejectReason
from consumer.segment.trigger import TriggerError, TriggerSyntaxError, compile_trigger
from tests.unit.segment.trigger_cases import plain_trigger, trapped_trigger, trigger, wild_event

SEEDS = st.integers(min_value=0, max_value=2**32)
"""Of generated cases: a seed is a case; drawing each choice through hypothesis takes twenty times as long."""

TRACK = {
    "type": "track",
    "event": "Signed Up",
    "userId": "5",
    "name": None,
    "properties": {
        "plan": "pro",
        "n": 5,
        "vip": True,
        "items": ["a", "b"],
        "a": {"b": "deep"},
        "key space": "v",
        "1st": "x",
    },
    "traits": {
        "email": "a@example.com",
        "big": 12345678901234567890,
        "emoji": "ü🙂",
        "quoted": "'pro'",
        "nothing": None,
    },
    "context": {"ip": "1.2.3.4"},
}


def matches(text: str, event: object = TRACK) -> bool:
    return compile_trigger(text).matches(event)  # type: ignore[arg-type]  # events that are no objects are given too


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type = "track"', True),
        ('type != "track"', False),
        ('type = "track" and event = "Signed Up"', True),
        ('type = "identify" or properties.plan = "pro"', True),
        ('type = "identify" or (properties.plan = "pro" and userId = "5")', True),
        ('properties.missing != "x"', True),
        ("properties.missing = null", True),
        ("traits.nothing != null", False),
        ("properties.n = 5", True),
        ('properties.n = "5"', False),
        ("properties.n >= 4.5", True),
        ("properties.vip = true", True),
        ("properties.vip > 0", False),  # a boolean is no number
        ('contains(event, "Up")', True),
        ('match(event, "Sign*")', True),
        ('match(event, "*Up")', True),
        ('!match(event, "*Up")', False),
        ('!contains(properties.missing, "x")', False),  # negated, yet it wants a text
        ('properties.key\\ space = "v"', True),
        ('properties.a.b = "deep"', True),
        ("traits.big = 12345678901234567000", True),  # the doubles are the same
        ('match(traits.emoji, "🙂")', True),  # half of the character is dropped, the other half found
        ('contains(traits.emoji, "🙂")', True),
    ],
)
def test_plain_conditions(text: str, expected: bool):
    assert expected is matches(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type = "track" and groupId = "x"', True),  # the unknown field is dropped
        ('type = "track" and contains(type, "nope")', True),  # functions do not know type
        ('!(type = "track")', True),
        ('not type = "track"', True),
        ('type = "no" and type = "no" or type = "track"', True),  # the last connective governs: or
        ('type = "track" or type = "no" and type = "no"', False),
        ('type = "track" AND type = "no"', False),  # dropped, so the default: and
        ("type = 'track'", False),
        ("traits.quoted = 'pro'", True),
        ("properties.vip != true", True),  # true is not the text "true"
        ("name = null", True),
        ("event = null", False),
        ('type = "track" and type != null', True),  # not the text "null"
        ("userId = 5", True),  # as text
        ("properties.n != 6", True),
        ("properties.plan != 6", False),  # no number at all
        ('properties.n > "4"', True),
        ('match(event, "Xigned Up")', True),  # without a final * the first character goes
        ('match(event, "Sig*Up")', False),
        ('properties.items in ["a"]', False),
        ("properties.items.length = 2", True),
        ('properties.items.0 = "a"', False),  # the path ends before a digit
        ('properties.items.\\0 = "a"', True),
        ("properties.constructor != null", True),
        ('properties.a\\.b = "deep"', True),
        ('properties.1st = "x"', False),
        ('event contains "Up"', True),  # words work as operators, if they are the original's names
        ('event is "Signed Up"', False),
        ('(contains(event, "Up") or type = "no") and type = "no"', False),
        ("type =", False),  # = "eos"
    ],
)
def test_what_it_does_is_not_always_what_it_reads(text: str, expected: bool):
    assert expected is matches(text)


@pytest.mark.parametrize("value", ["", 0, False, None])
def test_a_falsy_value_on_the_way_is_the_value(value: object):
    event = {"type": "identify", "traits": value}
    assert (value is None) is matches("traits.plan = null", event)
    assert (value == "" and isinstance(value, str)) is matches('traits.plan = ""', event)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "all", "type", 'groupId = "x"', '((type = "a"))', '(type = "a"', "length(userId) > 0", 'type !="a"'),
        *('properties.items[0] = "x"', "traits.a<5", 'type = "a', "type = 5.", "contains(event", "type\r= null", "()"),
        *('"a" = "b"', "true", 'typeof(type) = "string"', 'event = "x" && type = "a"', "\\"),
        *('event = "' + "x" * 100_000 + '"', "properties." + "x" * 100_000 + ' = "a"'),
    ],
)
def test_what_the_original_cannot_parse_is_an_error_with_a_remedy(text: str):
    with pytest.raises(TriggerSyntaxError) as caught:
        compile_trigger(text)
    assert isinstance(caught.value, ConsumerError)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("value", [None, 5, True, ["type"], {"type": "x"}])
def test_a_trigger_is_text(value: object):
    with pytest.raises(TriggerSyntaxError, match="is a text"):
        compile_trigger(value)


@pytest.mark.parametrize(
    "text", ['type = "track" and (groupId = "x")', 'properties.\\. = "x"', 'contains(traits.\\[, "x")']
)
def test_where_the_original_throws_the_event_is_refused_by_name(text: str):
    with pytest.raises(TriggerError) as caught:
        matches(text)
    assert isinstance(caught.value, RejectedError)
    assert isinstance(caught.value, EventError)
    assert RejectReason.TRIGGER_ERROR is caught.value.reason


def test_a_condition_that_is_not_reached_does_not_throw():
    assert matches('type = "no" and (groupId = "x")') is False
    assert matches('type = "track" or (groupId = "x")') is True


def test_events_that_are_no_objects():
    assert matches('type != "track"', "") is True
    assert matches("traits.a = null", [1]) is True
    with pytest.raises(TriggerError):
        matches('type != "track"', None)


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ('type = "identify"', {"identify"}),
        ('type = "identify" or type = "group"', {"identify", "group"}),
        ('type = "track" and event = "x"', {"track"}),
        ('event = "x" and type = "track"', {"track"}),
        ('type = "track" and (event = "a" or event = "b")', {"track"}),
        ('type = "a" and type = "b"', set()),
        ("type = 'identify'", {"'identify'"}),
        ("type in [1]", set()),
        ('type != "track"', None),
        ('event = "x"', None),
        ('type = "identify" or event = "x"', None),
        ('(groupId = "x") and type = "a"', None),  # it throws for every event
        ('type = "a" and (groupId = "x")', {"a"}),
        ('type > "5"', None),
        ('type contains "ident"', None),
    ],
)
def test_event_types_of_a_trigger(text: str, types: set[str] | None):
    assert types == compile_trigger(text).event_types


@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_a_trigger_wants_no_event_of_another_type(seed: int):
    random = Random(seed)
    try:
        compiled = compile_trigger(trigger(random))
    except TriggerSyntaxError:
        return
    assume(compiled.event_types is not None)
    for _ in range(5):
        event = wild_event(random)
        if isinstance(event, dict) and event.get("type") not in list(compiled.event_types or ()):
            assert compiled.matches(event) is False


@pytest.mark.parametrize(
    ("text", "effective"),
    [
        ('type="identify"', 'type = "identify"'),
        ('type = "identify" and groupId != null', 'type = "identify"'),
        ('!(type = "a" or type = "b")', 'type = "a" or type = "b"'),
        ('type = "a" and (event = "b" or event = "c")', 'type = "a" and (event = "b" or event = "c")'),
        ("traits.vip != true", 'traits.vip != "true"'),
        ("type != null", 'type != "null"'),
        ("type = 'a'", "type = \"'a'\""),
        ('match(event, "abc")', 'match(event, "*bc")'),
        ('!contains(traits.key\\ space, "x")', '!contains(traits.key\\ space, "x")'),
        ('traits.n > "5"', "traits.n > 5"),
        ('event in ["a"]', '<never: event in "[">'),
        ('type = "a" or (groupId = "x")', 'type = "a" or <nothing: evaluating it fails>'),
    ],
)
def test_the_trigger_as_it_runs_is_written_back(text: str, effective: str):
    assert effective == compile_trigger(text).effective


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_what_is_written_back_does_the_same(seed: int):
    random = Random(seed)
    written = compile_trigger(plain_trigger(random))
    again = compile_trigger(written.effective)
    assert written.effective == again.effective
    event = wild_event(random)
    assume(isinstance(event, dict))
    assert written.matches(event) is again.matches(event)


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_matching_changes_no_event_and_raises_nothing_else(seed: int):
    random = Random(seed)
    try:
        compiled = compile_trigger(trapped_trigger(random))
    except TriggerSyntaxError:
        return
    event = wild_event(random)
    before = json.dumps(event)
    try:
        first, second = compiled.matches(event), compiled.matches(event)
    except TriggerError:
        return
    assert isinstance(first, bool)
    assert first is second
    assert before == json.dumps(event)


def test_a_trigger_is_a_value():
    compiled = compile_trigger('type = "track"')
    assert compiled.text == 'type = "track"'
    with pytest.raises(AttributeError):
        compiled.text = "x"  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('type = "identify";', "column 18: the character ';' cannot stand right behind a text; remove it"),
        ('type = "a"é', "column 11: the character 'é' cannot stand right behind a text; put a space before it"),
        ('type = "identify', 'column 8: the text that starts here has no closing "; add it'),
        ("type = \u201cidentify\u201d", "column 8: the character '\u201c' has no meaning here; use straight quotes"),
        ('type = "🎈" && all', "column 12: the character '&' has no meaning here; write \"and\""),
        ('type: "identify"', "column 5: the character ':' cannot follow a field name; write = to compare"),
        ('type ! "a"', 'column 6: after "!" comes "="'),
        ("traits.n = 1.", "column 13: a number has one decimal point"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_column_and_a_remedy(text, said):
    with pytest.raises(TriggerSyntaxError) as caught:
        compile_trigger(text)
    assert str(caught.value).startswith(said)
