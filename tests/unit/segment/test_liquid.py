"""Liquid templates; every expected text is what liquidjs 10.30 with Segment's settings rendered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.errors import MappingError
from consumer.segment.liquid import LiquidError, compile_template
from consumer.segment.liquid.filters import DISABLED_FILTERS, FILTERS
from consumer.segment.liquid.template import DISABLED_TAGS
from consumer.segment.liquid.values import MAX_WORK
from consumer.segment.mapping import compile_mapping

EVENT = {
    "userId": "u1",
    "n": 7,
    "nil": None,
    "no": False,
    "size": "S",
    "text": "Hello World",
    "list": [3, "a", None, {"id": 1}, [1, 2]],
    "products": [{"sku": "A", "price": 9.5, "on": True}, {"sku": "B", "price": "5"}],
    "traits": {"name": "Ada Lovelace", "email": "ADA@x.co", "length": 4, "first": "F"},
}


def render(template: str, event=EVENT) -> str:
    return compile_template(template)(event)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{ userId }}-{{userId}}", "u1-u1"),
        ("a {{- n -}} b", "a7b"),
        ("a{%- # note -%} \n b", "ab"),
        ("{{ missing }}{{ nil }}{{ nil.x }}{{ missing.deep }}", ""),
        ("{{ no }} {{ n }} {{ 1.0 }} {{ 1.50 }} {{ -0.0 }}", "false 7 1 1.5 0"),
        ("{{ list }}|{{ traits }}", "3a[object Object]12|[object Object]"),
        ("{{ list[0] }}{{ list[-4] }}{{ list.first }}{{ list.last }}{{ list.size }}{{ list.length }}", "3a31255"),
        ("{{ text.size }} {{ text[0] }} {{ text.first }} {{ n.size }}", "11 H  "),
        (
            "{{ traits.size }} {{ traits.first }} {{ size }} {{ traits['name'] }} {{ ['userId'] }}",
            "4 F S Ada Lovelace u1",
        ),
        ("{{ 'a' }}{{ \"b\\n\\u00e9\\x\" }}{{ '}}' }}", "ab\néx}}"),
        ("{{ n == 7 }} {{ n == '7' }} {{ n > 3 and no }} {{ not no }}", "true false false true"),
        ("{{ true or false and false }} {{ 'b' > 'a' }} {{ 10 > '9' }}", "true true true"),
        ("{{ text contains 'World' }} {{ list contains 'a' }} {{ n contains 7 }}", "true true false"),
        (
            "{{ missing == nil }} {{ '' == empty }} {{ ' ' == blank }} {{ nil == blank }} {{ no == blank }}",
            "true true true false true",
        ),
        ("{{ (1..4) }} {{ (1..n).size }}", "1234 7"),
        ("{{ n | }}{{ n , ignored }}", "77"),
    ],
)
def test_outputs(template, expected):
    assert render(template) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{% if n == 7 %}a{% else %}b{% endif %}", "a"),
        ("{% if no %}a{% elsif nil %}b{% elsif '' %}c{% endif %}", "c"),
        ("{% unless no %}a{% else %}b{% endunless %}", "a"),
        ("{% unless n %}a{% elsif n %}b{% else %}c{% else %}d{% endunless %}", "b"),
        ("{% assign x = text | upcase %}{{ x }}", "HELLO WORLD"),
        ("{% capture x %}[{{ n }}]{% endcapture %}{{ x }}{{ x }}", "[7][7]"),
        ("a{% comment %}{{ n }}{% nope %}{% endcomment %}b", "ab"),
        ("{% raw %}{{ n }} {% if %}{% endraw %}", "{{ n }} {% if %}"),
        ("{% increment c %}{% increment c %}{{ c }}{% decrement n %}{{ n }}", "01266"),
        ("{% cycle 'a', 'b' %}{% cycle 'a', 'b' %}{% cycle 'a', 'b' %}{% cycle g: 'a', 'b' %}", "abaa"),
        ("{% echo n | plus: 1 %}{% echo %}", "8"),
        ("{% liquid\nassign x = 1\nif x == 1\n echo 'one'\nendif\n%}", "one"),
        ("a{% break %}b", "a"),
        ("{% block z %}{{ block.super }}{{ n }}{% endblock %}", "7"),
        ("{% # a\n # b %}", ""),
    ],
)
def test_tags(template, expected):
    assert render(template) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ -7.5 | abs | ceil | plus: '2' | minus: 1 | times: 3 }}", "27"),
        (
            "{{ n | divided_by: 2 }} {{ n | divided_by: 2, 1 }} {{ n | divided_by: 0 }} {{ -7 | modulo: 3 }}",
            "3.5 3 Infinity 2",
        ),
        ("{{ 2.675 | round: 2 }} {{ -2.5 | round }} {{ 'x' | round }} {{ n | plus }}", "2.68 -3 0 NaN"),
        ("{{ n | at_least: 9 }} {{ n | at_most: 2 }} {{ '3 items' | plus: 1 }}", "9 2 1"),
        ("{{ text | downcase | capitalize | append: '!' | prepend: '¡' }}", "¡Hello world!"),
        (
            "{{ text | replace: 'o', '0' }} {{ text | replace_first: 'l', 'L' }} {{ text | replace_last: 'l', 'L' }}",
            "Hell0 W0rld HeLlo World Hello WorLd",
        ),
        (
            "{{ text | remove: 'l' }} {{ text | remove_first: 'l' }} {{ text | remove_last: 'l' }}",
            "Heo Word Helo World Hello Word",
        ),
        ("{{ '  a ' | strip }}|{{ '  a ' | lstrip }}|{{ '  a ' | rstrip }}|{{ 'xax' | strip: 'x' }}", "a|a |  a|a"),
        (
            "{{ text | truncate: 8 }} {{ text | truncate: 8, '' }} {{ text | truncatewords: 1 }}",
            "Hello... Hello Wo Hello...",
        ),
        (
            "{{ text | slice: 1, 3 }} {{ text | slice: -3, 2 }} {{ list | slice: 0, 2 }} {{ text | slice: 4 }}",
            "ell rl 3a o",
        ),
        ("{{ 'a,b,,' | split: ',' | join: '-' }} {{ 'ab' | split: '' | join }}", "a-b a b"),
        ("{{ list | first }} {{ list | last }} {{ '' | first }} {{ list | size }} {{ traits | size }}", "3 12  5 4"),
        (
            "{{ products | where: 'on' | size }}{{ products | where: 'sku', 'B' | size }}{{ products | sum: 'price' }}",
            "1114.5",
        ),
        (
            "{{ list | compact | size }}{{ list | push: 1 | size }}{{ list | pop | size }}{{ list | shift | size }}",
            "4644",
        ),
        (
            "{{ nil | default: 'x' }}{{ '' | default: 'y' }}{{ no | default: 'z' }}{{ no | default: 1, allow_false: true }}",
            "xyzfalse",
        ),
        ("{{ products | json }}", '[{"sku":"A","price":9.5,"on":true},{"sku":"B","price":"5"}]'),
        ("{{ nil | json }} {{ missing | json }} {{ 1.0 | jsonify }}", "{}  1"),
        ("{{ '<a href=\"x\">&amp;</a>' | escape }}", "&lt;a href=&#34;x&#34;&gt;&amp;amp;&lt;/a&gt;"),
        ("{{ '&amp; <b>' | escape_once }} {{ 'a<b>c</b><!-- x -->d' | strip_html }}", "&amp; &lt;b&gt; acd"),
        (
            "{{ 'a b+é/' | url_encode }} {{ 'a+b%20%C3%A9' | url_decode }} {{ 'a b' | cgi_escape }}",
            "a+b%2B%C3%A9%2F a b é a+b",
        ),
        ("{{ 'Été à Paris!' | slugify }} {{ 'Été à' | slugify: 'latin' }}", "été-à-paris éte-a"),
        ("{{ 'hé' | base64_encode }} {{ 'aMOp' | base64_decode }}", "aMOp hé"),
        ("{{ 'a' | sha256 | slice: 0, 8 }} {{ 'a' | hmac_sha256: 'k' | slice: 0, 8 }}", "ca978112 78da9151"),
        (
            "{{ ' a \n b ' | squish }}|{{ ' a \n b ' | normalize_whitespace }}|{{ 'a\r\nb' | strip_newlines }}",
            "a b| a b |ab",
        ),
        ("{{ 'one two 三四' | number_of_words }} {{ 'one two 三四' | number_of_words: 'cjk' }}", "3 4"),
        ("{{ n | nope: 1 }} {{ n | raw }} {{ '12' | to_integer }}", "7 7 12"),
    ],
)
def test_filters(template, expected):
    assert render(template) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            "{{ '2024-01-15T10:05:09.120Z' | date: '%Y-%m-%d %H:%M:%S.%L %A %b %j' }}",
            "2024-01-15 10:05:09.120 Monday Jan 015",
        ),
        ("{{ 1705313109 | date: '%-d/%-m/%y %l:%M %p %s' }}", "15/1/24 10:05 AM 1705313109"),
        ("{{ '2024-01-15' | date: '%H:%M %z', 60 }} {{ '2024-01-15' | date: '%H', 'Asia/Tokyo' }}", "23:00 -0100 09"),
        ("{{ '2024-01-15' | date }}", "Monday, January 15, 2024 at 12:00 am +0000"),
        (
            "{{ '2024-01-15' | date_to_xmlschema }} {{ '2024-01-15' | date_to_rfc822 }}",
            "2024-01-15T00:00:00+00:00 Mon, 15 Jan 2024 00:00:00 +0000",
        ),
        (
            "{{ '2024-01-03' | date_to_string: 'ordinal', 'US' }} {{ '2024-01-03' | date_to_long_string }}",
            "Jan 3rd, 2024 03 January 2024",
        ),
        ("{{ 'no date' | date: '%Y' }}{{ missing | date: '%Y' }}", "no date"),
        ("{{ '-000001-05-05T00:00:00Z' | date: '%Y %x|%^a|%10Y|%q %U %W' }}", "-001 5/5/2|WED|-000000001|th 18 18"),
    ],
)
def test_dates(template, expected):
    assert render(template) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ a",
        "{{ 'a }}",
        "{% if a %}",
        "{% endif %}",
        "{% %}",
        "{{ }}",
        "{{ a ! }}",
        "{{ a | f x }}",
        "{{ a[ }}",
        "{{ (1..2 }}",
        "{% assign = 1 %}",
        "{% if a %}{% else x %}{% endif %}",
        "{% nope %}",
        "{% raw %}",
        "{% # a\nb %}",
        *(f"{{% if false %}}{{% {tag} a %}}{{% end{tag} %}}{{% endif %}}" for tag in DISABLED_TAGS),
    ],
)
def test_templates_that_are_not_well_formed(template):
    with pytest.raises(LiquidError):
        compile_template(template)


@pytest.mark.parametrize(
    "template",
    [
        *(f"{{{{ n | {name} }}}}" for name in sorted(DISABLED_FILTERS)),
        "{{ text | append }}",
        "{{ '%' | url_decode }}",
        "{{ 'a' | base64_decode }}",
        "{{ n | date: '%Y', 'Nope/Zone' }}",
        "{{ 'now' | date: '%Y' }}",
        "{{ list | sample }}",
        "{{ (1..100000000) | size }}",
    ],
)
def test_templates_that_fail_on_an_event(template):
    with pytest.raises(LiquidError):
        render(template)


def test_counters_never_reach_the_event():
    event = {"c": 1}
    assert render("{% increment c %}{% increment c %}{{ c }}", event) == "123"
    assert event == {"c": 1}


@pytest.mark.parametrize("environment", [None, [1, 2], "ab", 5, True])
def test_a_template_in_an_array_shape_may_meet_anything(environment):
    assert render("{{ a }}{{ size }}{{ first }}", environment) == "0"


def test_in_a_mapping():
    assert compile_mapping({"v": {"@liquid": ""}})(EVENT) == {"v": ""}
    assert compile_mapping({"v": {"@liquid": "{{ userId }}"}})(EVENT) == {"v": "u1"}
    for template in ("{{ a", "x" * 1001, "{{ n | sort }}"):
        with pytest.raises(MappingError, match="v: @liquid"):
            compile_mapping({"v": {"@liquid": template}})(EVENT)


def test_work_is_counted_not_timed():
    with pytest.raises(LiquidError, match=str(MAX_WORK)):
        render("{% assign v = v | append: v %}" * 20, {"v": "x" * 1000})
    with pytest.raises(LiquidError, match=str(MAX_WORK)):
        render("{{ v }}" * 20, {"v": [1] * 16_000})


PIECES = st.sampled_from(
    [
        *(
            "{{ ",
            " }}",
            "{% ",
            " %}",
            "{{-",
            "-%}",
            "if ",
            "endif",
            "else",
            "assign x = ",
            "raw",
            "endraw",
            "echo ",
            "a.b",
            "[0]",
        ),
        *(
            "'q'",
            '"',
            "(1..3)",
            " | ",
            ": ",
            ", ",
            " == ",
            " and ",
            "not ",
            "5",
            "-",
            ".",
            " ",
            "\n",
            "é",
            "liquid\n",
            "#",
        ),
        *sorted(FILTERS),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join), VALUES)
def test_any_template_renders_or_fails_by_name(template, value):
    resolve = compile_mapping({"v": {"@liquid": template}, "w": {"@liquid": f"{{{{ a | {template} }}}}"}})
    try:
        result = resolve({"a": value})
    except MappingError:
        return
    assert all(isinstance(text, str) for text in result.values())
