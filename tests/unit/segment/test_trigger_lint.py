from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.segment.fql import compile_fql
from consumer.segment.trigger import TriggerSyntaxError, compile_trigger
from consumer.segment.trigger_lint import NEVER_FIRES, TrapKind, lint
from tests.unit.segment.trigger_cases import plain_event, plain_trigger, trapped_trigger, wild_trigger

SEEDS = st.integers(min_value=0, max_value=2**32)
"""Of generated cases: a seed is a case; drawing each choice through hypothesis takes twenty times as long."""


@pytest.mark.parametrize(
    "text",
    [
        'type = "identify"',
        'type="identify"',
        'type = "identify" or type = "group"',
        'event = "Signed Up" and properties.plan != null',
        'type = "track" and (event = "a" or event = "b")',
        'type = "track" and (event = "a" or contains(event, "b"))',
        '(contains(event, "x"))',
        'match(traits.email, "*@example.com")',
        'match(event, "*")',
        "traits.vip = true and properties.total >= 12.5 and userId = true",
        'traits.key\\ space = "x" and traits.\\1st = "y"',
        'context.traits.plan != "free"',
        'type != ""',
        'type = "track"\nand event = "It\'s"',
        'contains(userId, "\\")',
        'name = null and context.page.path != "/"',
    ],
)
def test_a_plain_good_trigger_has_no_traps(text: str):
    assert lint(text) == ()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('type = "identify" and groupId != null', TrapKind.UNKNOWN_FIELD),
        ('type = "identify" and contains(type, "x")', TrapKind.UNKNOWN_FIELD),
        ('contains(event.x, "a") or type = "b"', TrapKind.UNKNOWN_FIELD),
        ('event.x = "a"', TrapKind.SUBPATH_IGNORED),
        ('traits = "a"', TrapKind.WHOLE_OBJECT),
        ('traits.a\\.b = "x"', TrapKind.ESCAPED_SEPARATOR),
        ('properties.items[0] = "x"', TrapKind.LIST_ACCESS),
        ("properties.items.length > 1", TrapKind.LIST_ACCESS),
        ('properties.items.0 = "x"', TrapKind.LIST_ACCESS),
        ("traits.constructor != null", TrapKind.ENGINE_MEMBER),
        ('properties.1st = "x"', TrapKind.PATH_CUT_SHORT),
        ('properties.or = "x"', TrapKind.PATH_CUT_SHORT),
        ('"a" = type or type = "b"', TrapKind.LITERAL_FIRST),
        ('properties.enabled or type = "b"', TrapKind.BARE_FIELD),
        ("all", TrapKind.ALL),
        ('!(type = "identify")', TrapKind.NEGATION_IGNORED),
        ('not (type = "identify")', TrapKind.NEGATION_IGNORED),
        ('!traits.vip = true and type = "a"', TrapKind.NEGATION_IGNORED),
        ('!contains(event, "Test")', TrapKind.NEGATED_FUNCTION),
        ('!match(event, "Test*")', TrapKind.NEGATED_FUNCTION),
        ('((type = "a"))', TrapKind.NESTED_PARENTHESES),
        ('type = "a" and (event = "b" or (event = "c" and name = "d"))', TrapKind.NESTED_PARENTHESES),
        ('(contains(event, "x") or event = "y") and type = "track"', TrapKind.GROUP_ENDS_EARLY),
        ('type = "a" and type = "b" or type = "c"', TrapKind.MIXED_AND_OR),
        ('type = "a" AND type = "b"', TrapKind.UPPER_CASE),
        ('type = "a" OR type = "b"', TrapKind.UPPER_CASE),
        ("traits.plan = NULL", TrapKind.UPPER_CASE),
        ("type = 'identify'", TrapKind.SINGLE_QUOTES),
        ("traits.plan = traits.other", TrapKind.UNQUOTED_VALUE),
        ('type in ["a", "b"]', TrapKind.IN_OPERATOR),
        ('event contains "x"', TrapKind.WORD_OPERATOR),
        ('event == "x"', TrapKind.DOUBLED_OPERATOR),
        ('traits.plan !="x"', TrapKind.MISSING_SPACE),
        ("traits.n<5", TrapKind.MISSING_SPACE),
        ("traits.n <=5", TrapKind.MISSING_SPACE),
        ('type = "a" or(type = "b")', TrapKind.MISSING_SPACE),
        ('type = "a"\r\nor type = "b"', TrapKind.CARRIAGE_RETURN),
        ("traits.vip != true", TrapKind.NOT_EQUAL_BOOLEAN),
        ("traits.n != 5", TrapKind.NOT_EQUAL_NUMBER),
        ("type = null", TrapKind.COMPARED_AS_TEXT),
        ("event != null", TrapKind.COMPARED_AS_TEXT),
        ("name = true", TrapKind.COMPARED_AS_TEXT),
        ("userId = 5", TrapKind.COMPARED_AS_TEXT),
        ('traits.n > "5"', TrapKind.ORDER_OF_TEXT),
        ('typeof(traits.x) = "string"', TrapKind.UNKNOWN_FUNCTION),
        ("length(userId) > 0", TrapKind.UNKNOWN_FUNCTION),
        ('lowercase(traits.x) = "a"', TrapKind.UNKNOWN_FUNCTION),
        ("contains(traits.x, 5)", TrapKind.ARGUMENT_NO_TEXT),
        ('match(event, "abc")', TrapKind.MATCH_PATTERN),
        ('match(event, "*abc*")', TrapKind.MATCH_PATTERN),
        ('match(event, "a*c")', TrapKind.MATCH_PATTERN),
        ('match(event, "a?*")', TrapKind.MATCH_PATTERN),
        ('match(event, "[ab]*")', TrapKind.MATCH_PATTERN),
        ('type = "a" && type = "b"', TrapKind.UNREADABLE),
        ('type = "a" type = "b"', TrapKind.UNREADABLE),
        ('type = "a")', TrapKind.UNREADABLE),
        ('type = "a', TrapKind.UNREADABLE),
        ("type = ", TrapKind.UNREADABLE),
        ("", TrapKind.UNREADABLE),
    ],
)
def test_each_trap_is_named(text: str, kind: TrapKind):
    assert kind in [trap.kind for trap in lint(text)]


def test_a_trap_tells_how_the_trigger_runs_and_what_to_do():
    (trap,) = lint('type = "identify" and groupId != null')
    assert trap.effective == 'type = "identify"'
    assert "groupId" in trap.message
    assert "widens" in trap.message
    assert "destination filter" in trap.message
    assert "unknown_field: hosted triggers do not know groupId" in str(trap)


def test_a_trigger_that_never_fires_says_so():
    assert [trap.effective for trap in lint('((type = "a"))')] == [NEVER_FIRES]


def test_every_trap_of_a_trigger_is_named_once():
    kinds = [trap.kind for trap in lint("type = 'a' AND type = 'a' and !(traits.vip != true)")]
    assert kinds == [TrapKind.SINGLE_QUOTES, TrapKind.UPPER_CASE, TrapKind.NEGATION_IGNORED, TrapKind.NOT_EQUAL_BOOLEAN]


@pytest.mark.parametrize("value", [None, 5, ["type"]])
def test_what_is_no_text_is_unreadable(value: object):
    assert [trap.kind for trap in lint(value)] == [TrapKind.UNREADABLE]


@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_without_a_trap_the_hosted_meaning_is_the_documented_one(seed: int):
    """The promise: for events in which objects stand wherever a path leads through."""
    random = Random(seed)
    text = random.choice((plain_trigger, trapped_trigger))(random)
    if lint(text):
        return
    hosted, documented = compile_trigger(text).matches, compile_fql(text)
    for _ in range(4):
        event = plain_event(random)
        assert hosted(event) is documented(event)


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_good_triggers_are_let_through(seed: int):
    random = Random(seed)
    assert lint(plain_trigger(random)) == ()


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(SEEDS.map(lambda seed: wild_trigger(Random(seed))), st.text(), st.text("()!\"'\\[],.= \rtypeandor<>5"))
)
def test_lint_never_raises_and_always_says_something_printable(text: str):
    traps = lint(text)
    for trap in traps:
        str(trap).encode()
    try:
        compile_trigger(text)
    except TriggerSyntaxError:
        assert traps
