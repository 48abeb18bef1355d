from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.errors import ConsumerError
from consumer.segment.fql import MAXIMUM_BYTES, FqlError, compile_fql
from tests.unit.segment.trigger_cases import wild_event

EVENT: dict[str, Any] = {
    "event": "Button Clicked",
    "type": "track",
    "context": {"library": {"name": "analytics.js", "version": "1.0"}},
    "properties": {
        "features": ["discounts", "dark-mode"],
        "numbers": [1, 2.0, True, None, [3]],
        "product 1": {"price": "19.99"},
        "a.b": {"c]": 1},
        "$x": 5,
        "enabled": True,
        "disabled": False,
        "total": 12.5,
        "count": 7,
        "big": 9007199254740993,
        "title": "a mixed Case title",
        "wide": "ア",
        "order": {"id": 1, "lines": [1]},
        "and": 1,
        "1st": "first",
    },
    "nothing": None,
    "all": "x",
}


def holds(statement: str, event: dict[str, Any] = EVENT) -> bool:
    return compile_fql(statement)(event)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("event = 'Button Clicked'", True),
        ("event = 'Screen Tapped'", False),
        ("context.path.path = '/login'", False),
        ("type = 'identify' or type = 'track'", True),
        ("event = 'Button Clicked' and type = 'track'", True),
        ("match( context.library.version, '1.*' )", True),
        ("match( context.library.version, '2.*' )", False),
        ("type = 'track' and ( event = 'Click' or match( event, 'Button *' ) )", True),
        ("!contains( context.library.name, 'js' )", False),
        ("'dark-mode' in properties.features", True),
        ("'blink' in properties.features", False),
        ("!( type in ['track', 'identify'] )", False),
        (r"properties.product\ 1.price = '19.99'", True),
        (
            "( type = 'track' or type = 'identify' ) and ( properties.enabled or match( traits.email, '*@company.com' ) )",
            True,
        ),
    ],
)
def test_the_examples_of_the_reference(statement: str, expected: bool):
    assert expected is holds(statement)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("all", True),
        ("all = 'x'", True),  # only alone is it the word
        ("true", True),
        ("false", False),
        ("null", False),
        ("'text'", False),
        ("properties.enabled", True),
        ("properties.disabled", False),
        ("properties.total", False),  # a number is not true
        ("!properties.disabled", True),
        ("!properties.total", True),
        ("!nothing", True),
        ("!!properties.enabled", True),
        ("!(properties.enabled and nothing)", True),
        ("true or true and false", True),  # and binds tighter
        ("(true or true) and false", False),
        ("false and true or true", True),
        ("!false and false", False),
        ("nothing or properties.enabled", True),
        ("nothing and properties.enabled", False),
    ],
)
def test_boolean_operators(statement: str, expected: bool):
    assert expected is holds(statement)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("properties.total = 12.5", True),
        ("properties.total = '12.5'", False),
        ("properties.count = 7.0", True),
        ("properties.count!=7", False),
        ("properties.count >= 7 and properties.count<=7", True),
        ("properties.count>6 and properties.count <8", True),
        ("properties.count > -3 and +6 < properties.count", True),
        ("properties.big = 9007199254740992", True),  # as doubles
        ("properties.title > 5", False),
        ("nothing < 5", False),
        ("nothing > -5", False),
        ("properties.enabled >= 1", False),
        ("properties.enabled = 1", False),
        ("1 = true", False),
        ("nothing = null", True),
        ("absent = null", True),
        ("absent != 'x'", True),
        ("absent.deeper.still = null", True),
        ("event.deeper = null", True),
        ("event != null", True),
        ("properties.features = ['discounts', 'dark-mode']", True),
        ("properties.features = ['dark-mode', 'discounts']", False),
        ("properties.features != ['dark-mode']", True),
        ("[1, [2, 'a']] = [1.0, [2, 'a']]", True),
        ("[1] = [true]", False),
        ("[] = []", True),
        ("properties.order = properties.order", True),
        ("properties.order = context", False),
        ("1 in properties.numbers", True),
        ("3 in properties.numbers", False),
        ("true in properties.numbers and false in properties.numbers", False),
        ("null in properties.numbers", True),
        ("absent in ['x', null]", True),
        ("event in absent", False),
        ("event in 'Button Clicked'", False),
        ("event in [event, 'x']", True),
        ("(event = 'x') = false", True),
    ],
)
def test_comparisons(statement: str, expected: bool):
    assert expected is holds(statement)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("length(properties.features)", "2"),
        ("length('a')", "1"),
        ("length(properties.wide)", "3"),  # bytes
        ("length(null)", "0"),
        ("length(absent)", "0"),
        ("length(properties.order)", "null"),
        ("length(5)", "null"),
        ("lowercase(properties.title)", "'a mixed case title'"),
        ("uppercase(properties.title)", "'A MIXED CASE TITLE'"),
        ("snakecase('test string')", "'test_string'"),
        ("kebabcase('test string')", "'test-string'"),
        ("titlecase('test string')", "'Test String'"),
        ("lowercase(null)", "null"),
        ("titlecase(5)", "null"),
        ("typeof(event)", "'string'"),
        ("typeof(properties.count)", "'number'"),
        ("typeof(properties.features)", "'list'"),
        ("typeof(properties.enabled)", "'bool'"),
        ("typeof(absent)", "'null'"),
        ("typeof(properties)", "'object'"),
        ("contains(null, 'x')", "false"),
        ("contains('xyz', 'y')", "true"),
        ("contains(properties.features, 'discounts')", "false"),
        ("match(null, '*')", "false"),
        ("match(5, '*')", "false"),
        ("bool('true')", "true"),
        ("bool('FALSE')", "false"),
        ("bool(null)", "false"),
        ("bool(0)", "false"),
        ("bool([0])", "true"),
        ("string(10.0)", "'10'"),
        ("string(null)", "''"),
        ("string(true)", "'true'"),
        ("string([1, 'a'])", "'[1,\"a\"]'"),
        ("string('x')", "'x'"),
        ("number('12.5')", "12.5"),
        ("number(7)", "7"),
        ("number('seven')", "null"),
        ("number('')", "null"),
        ("number(null)", "null"),
        ("lowercase(uppercase(event))", "'button clicked'"),
    ],
)
def test_functions(expression: str, value: str):
    assert holds(f"{expression} = {value}")


def test_functions_of_booleans_are_conditions():
    assert holds("contains(event, 'Button') and match(event, '*ed') and bool(properties.count)")
    assert holds("match(event, event)")
    assert not holds("match(event, 'Button\\*')")
    assert not holds("match(event, properties.absent)")
    assert not holds("match(event, 5)")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (r"properties.a\.b.c\] = 1", True),
        (r"properties.\$x = 5", True),
        ("properties.and = 1", True),
        ("properties.1st = 'first'", True),
        ("properties.features='x'", False),
        ("\tevent\n=\r\n'Button Clicked'", True),
        ('event = "It\'s"', False),
        (r"'a\*b' = 'a\*b'", True),  # texts are raw
        (r"match('a*b', 'a\*b')", True),
        (r"match('aXb', 'a\*b')", False),
    ],
)
def test_escaping_and_spelling(statement: str, expected: bool):
    assert expected is holds(statement)


@pytest.mark.parametrize(
    ("statement", "column", "remedy"),
    [
        ("", 1, "all"),
        ("   ", 1, "all"),
        ('userId = oops"', 14, "no closing"),
        ("event = ", 9, "a field, value"),
        ("and", 1, "a field, value"),
        ("event = 'a' AND type = 'b'", 13, "lower case"),
        ("event = 'a' type = 'b'", 13, 'join conditions with "and"'),
        ("event == 'a'", 8, "write one of = != <"),
        ("event = = 'a'", 9, "write one of = != <"),
        ("event is 'a'", 7, "is no operator; write field ="),
        ("event: 'a'", 6, "write = to compare"),
        ("event = 'a';", 12, "remove it"),
        ("event = 'a' # note", 13, "there are no comments"),
        ("event = ", 9, "is due; add it"),
        ("(event = 'a'", 13, 'has no ")" here; add it'),
        ("event = 'a' && type = 'b'", 13, '"and"'),
        ("event = 'a' || type = 'b'", 13, '"or"'),
        ("(event = 'a'", 13, 'no ")"'),
        ("event = 'a')", 12, 'without its "("; remove it'),
        ("event in ['a', 'b'", 19, 'no "]"'),
        ("event in ['a' 'b']", 15, 'no "]"'),
        ("a = b = c", 7, '"and"'),
        ("!event = 'a'", 1, "parentheses"),
        ("not(event = 'a')", 1, '"!"'),
        ("size(event) = 1", 1, "length"),
        ("length() = 1", 1, "1 argument"),
        ("contains(event) = 1", 1, "2 argument"),
        ("contains(event, 'a', 'b')", 1, "2 argument"),
        ("properties. = 1", 12, "dot"),
        ("properties..a = 1", 12, "dot"),
        (".a = 1", 1, "starts with a field"),
        ("a = 1.2.3", 5, "decimal point"),
        ("a = 5b", 5, "decimal point"),
        ("a = -", 5, "decimal point"),
        ("a.$b = 1", 3, "dot"),
        ("a = \u201cx\u201d", 5, "straight quotes"),
        ("match(event, 'a[')", 1, "]"),
        ("match(event, 'a\\')", 1, "backslash"),
        ("a = (", 6, "a field, value"),
        ("(" * 51 + "a" + ")" * 51, 51, "50 levels"),
        ("!" * 51 + "a", 51, "50 levels"),
        ("[" * 51 + "]" * 51 + " = a", 51, "50 levels"),
        ("length(" * 51 + "a" + ")" * 51, 357, "50 levels"),
    ],
)
def test_mistakes_have_a_column_and_a_remedy(statement: str, column: int, remedy: str):
    with pytest.raises(FqlError) as caught:
        compile_fql(statement)
    assert isinstance(caught.value, ConsumerError)
    assert (column, True) == (caught.value.column, remedy in caught.value.message), str(caught.value)
    assert str(caught.value).startswith(f"column {column}: ")


def test_a_statement_has_at_most_five_kilobytes():
    def padded(size: int) -> str:
        return "event = 'x'".ljust(size)

    compile_fql(padded(MAXIMUM_BYTES))
    with pytest.raises(FqlError, match="5121 bytes"):
        compile_fql(padded(MAXIMUM_BYTES + 1))
    with pytest.raises(FqlError, match="bytes"):
        compile_fql("event = '" + "ア" * (MAXIMUM_BYTES // 3) + "'")


def test_long_chains_do_not_nest():
    assert not holds(" or ".join(["a=1"] * 600))
    assert holds(" and ".join(["a=b"] * 600))


VALUES = ("event", "properties.items", "traits", "traits.email", "userId", "'a'", "5", "null", "[1, 'a']", "true")


@st.composite
def statements(draw: st.DrawFn, depth: int = 3) -> str:
    kind = draw(st.integers(0, 6 if depth else 2))
    if kind == 0:
        return draw(st.sampled_from(VALUES))
    if kind == 1:
        name = draw(st.sampled_from(["length", "lowercase", "titlecase", "typeof", "bool", "string", "number"]))
        return f"{name}({draw(st.sampled_from(VALUES))})"
    left, right = draw(st.sampled_from(VALUES)), draw(st.sampled_from(VALUES))
    if kind == 2:
        return f"({left} {draw(st.sampled_from(['=', '!=', '<', '<=', '>', '>=', 'in']))} {right})"
    if kind == 3:
        return f"{draw(st.sampled_from(['contains', 'match']))}({left}, {right})"
    inner = draw(statements(depth=depth - 1))
    if kind == 4:
        return f"!({inner})"
    return f"({inner}) {draw(st.sampled_from(['and', 'or']))} ({draw(statements(depth=depth - 1))})"


@settings(max_examples=100, deadline=None)
@given(statements(), st.integers(0, 2**32))
def test_no_event_makes_a_statement_fail_or_change(statement: str, seed: int):
    event = wild_event(Random(seed))
    if not isinstance(event, dict):
        return
    before = json.dumps(event)
    test = compile_fql(statement)
    assert test(event) is test(event)
    assert isinstance(test(event), bool)
    assert before == json.dumps(event)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("()[]!=<>'\"\\.,- abandorinull059", max_size=60)))
def test_any_text_is_a_statement_or_an_error_with_its_place(text: str):
    try:
        column = int(compile_fql(text)({}))
    except FqlError as error:
        column = error.column
    assert 0 <= column <= len(text) + 1
