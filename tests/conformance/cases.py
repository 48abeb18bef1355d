"""Generated cases for the differential test: events, triggers, mappings and field values, the odd ones on purpose.

Everything is made of pools that are small enough to collide: a path is likely to hit a trait, a trait to be the kind of
value that a rule is about. Each maker is a function of a `random.Random`; the strategies at the end get theirs from
hypothesis, which so chooses and repeats a whole case in one step: 50,000 of them take a minute, not ten.

Numbers that Python cannot write as JavaScript would read them (1e400, 12345678901234567890, -0) stand as texts with a
mark, and are put into the line of JSON as they are (`line`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import strategies as st

from consumer.chartmogul import contact, customer

Maker = Callable[[Random], Any]

MARK = "@@number "
_MARKED = re.compile(f'"{MARK}([^"]*)"')
DEFAULTS = {"sendContact": contact.DEFAULT_MAPPING, "sendCustomer": customer.DEFAULT_MAPPING}


def line(case: Any) -> str:
    """The case as one line of JSON, marked numbers as numbers."""
    return _MARKED.sub(lambda found: found[1], json.dumps(case))


# Values

TEXTS = (
    *("Ada", "pro", "free", "ACME Inc", "", " ", "  padded ", "a.b", "0", "5", "true", "null", "undefined", "x,y"),
    *("Söhne", "İstanbul", "ﬁ", "straße", "\U0001f642", "a\ud83d", "\ufeffbom", "line\nbreak", '"quoted"', "it's"),
    *(
        "{{traits.name}}",
        "{{{traits.plan}}}",
        "$.traits.email",
        "$& $1",
        '{"a": [1, null]}',
        "[1, 2",
        "12",
        "snake_case",
    ),
)
NUMBERS = (
    *(0, 1, -1, 5, 42, 1700000000, 9007199254740993, 0.1, 1.5, 1e-7, 1e21, 123456789.125, 1e300),
    *(f"{MARK}{text}" for text in ("1.0", "-0", "12345678901234567890", "1e400", "1e20", "123456789012345680000")),
)
ODD = (
    *([], {}, [None], [""], ["one"], ["one", "two"], [[]], [["x"]], [{}], [7], [True], [{"a": 1}, {"a": "b"}]),
    *(
        {"a": 1},
        {"a": {"b": None}, "c": [1]},
        {"toString": 1},
        {"__proto__": {"id": "p"}},
        {"length": 3},
        {"0": "zero"},
    ),
    *({"constructor": 1}, {"10": "ten", "9": "nine", "a": ""}, {"a.b": "dotted", "a": {"b": "nested"}}),
)
DATES = (
    *("2024-01-15T10:00:00.000Z",) * 12,
    *("2024-01-15T10:00:00.000Z", "2024-01-15", "2024-13-01", "2024-02-30", "Jan 15, 2024", "01/15/2024", "15/01/2024"),
    *("2024-01-15T10:00:00-0700", "yesterday", "1700000000", "9999999999999", "12", "foo 12", "10:30", "0", "2024"),
    *("2024-01-15T10:00:00Z ", "2024-1-5", "Mon, 15 Jan 2024 10:00:00 GMT", 1700000000, 1700000000.25, 0, -1),
    *(f"{MARK}{text}" for text in ("12345678901234567890", "1e400", "1.0")),
    *(["2024-01-15"], ["1700000000"], [1700000000], [" 0x10 "]),
)
EMAILS = (
    "ada@example.com",
    "A@B.CO",
    "a@b",
    " a@example.com",
    "ada@example.com\n",
    ["a@b.co"],
    "bad",
    "a@1.2",
    "ü@b.co",
)
URIS = (
    *(
        "https://linkedin.com/in/ada",
        "linkedin.com/in/ada",
        "acme.com",
        "https://a b",
        "//x",
        "urn:x",
        "https://[::1]/",
    ),
    *("https://a/%zz", 'https://a/"', "HTTP:/X", "https://é", "#"),
)
DATE_PIECES = (
    *(
        "2024",
        "24",
        "1",
        "12",
        "31",
        "32",
        "99",
        "275760",
        "09",
        "00",
        "0",
        "10:30",
        "10:30:00",
        "T",
        "t",
        "Z",
        "z",
        "-",
    ),
    *(
        ":",
        ".",
        "+",
        "+02:00",
        "-0700",
        "GMT",
        "UTC",
        "EST",
        "am",
        "PM",
        "Jan",
        "MARCH",
        "Sept",
        "Mon,",
        "foo",
        "(x)",
        "(",
    ),
    *(
        ")",
        " ",
        " ",
        ",",
        "000",
        "123456",
        "1234567890",
        "\u00a0",
        "\ufeff",
        "\u2028",
        "é",
        "\x00",
        "e5",
        "24:00",
        "::",
        "/",
    ),
)
URI_PIECES = (
    *(
        "http",
        "://",
        ":",
        "/",
        "//",
        "[",
        "]",
        "[::1]",
        "1.2.3.4",
        "example.com",
        "a",
        "@",
        "%20",
        "%",
        "?",
        "#",
        '"',
        "é",
    ),
    *(" ", "::", "1:2", "v1.x", "8080", "-", "\\", "{", "[1:2:3:4:5:6:7:8]", "[1::2]", "ffff"),
)
EMAIL_PIECES = ("a", "b.c", ".", "@", "-", "example", ".com", "1", "+", "'", "_", "é", " ", '"', "A", "x.y", "co.uk")


def scalar(r: Random) -> Any:
    group = r.random()
    if group < 0.6:
        return r.choice(TEXTS)
    return r.choice(NUMBERS) if group < 0.85 else r.choice((None, True, False))


def anything(r: Random) -> Any:
    return scalar(r) if r.random() < 0.75 else r.choice(ODD)


def json_value(r: Random, depth: int = 2) -> Any:
    group = r.random() if depth else 0
    if group < 0.6:
        return scalar(r)
    size = range(r.randrange(4))
    if group < 0.8:
        return [json_value(r, depth - 1) for _ in size]
    return {r.choice(("a", "b", "a b", "id", "0", "@x", "")): json_value(r, depth - 1) for _ in size}


def pieces(r: Random, pool: tuple[str, ...]) -> str:
    return "".join(r.choices(pool, k=r.randrange(1, 9)))


def one_of(*pool: Any) -> Maker:
    return lambda r: r.choice(pool)


def some_of(r: Random, makers: dict[str, Maker], most: int) -> dict[str, Any]:
    """An object with some of the keys."""
    return {name: makers[name](r) for name in r.sample(tuple(makers), r.randrange(min(most, len(makers)) + 1))}


def rarely_odd(maker: Maker, odds: int = 8) -> Maker:
    return lambda r: maker(r) if r.randrange(odds) else anything(r)


# Events

_COMPANY = {"id": rarely_odd(one_of("c1", 7), 6), "name": rarely_odd(scalar), "plan": scalar}
_ADDRESS = dict.fromkeys(("street", "city", "state", "postalCode", "country", "x"), rarely_odd(scalar, 20))
TRAITS: dict[str, Maker] = {
    **dict.fromkeys(("first_name", "last_name", "name", "title", "phone", "twitter", "description"), scalar),
    **dict.fromkeys(("plan", "a", "score"), scalar),
    "email": one_of(*EMAILS),
    "linkedIn": one_of(*URIS),
    "website": one_of(*URIS),
    "createdAt": one_of(*DATES),
    "tags": one_of([], ["x"], ["x", "y"], [1, None], "x", None),
    "list": one_of([{"sku": "A", "qty": 1}, {"sku": "B"}], [], [{"sku": None}], {"sku": "C"}, None, "text"),
    "company": rarely_odd(lambda r: {"id": "c1", **some_of(r, _COMPANY, 3)}, 6),
    "address": rarely_odd(lambda r: some_of(r, _ADDRESS, 6), 6),
}
TRAITS = {name: rarely_odd(maker, 24) for name, maker in TRAITS.items()}
_PERSONAS = {
    "computation_class": one_of("audience", "journey_step", "trait", None, 5),
    "computation_key": rarely_odd(one_of("name", "plan", "", None, 0), 4),
}
_CONTEXT: dict[str, Maker] = {
    "ip": scalar,
    "traits": lambda r: some_of(r, TRAITS, 4),
    "personas": lambda r: some_of(r, _PERSONAS, 2) if r.randrange(4) else r.choice((None, "", 0, [], "x")),
    "a": json_value,
}
_ID = rarely_odd(one_of("u-1", "42", "g 7"), 10)
_DATE = rarely_odd(one_of(*DATES), 20)
_TYPE = rarely_odd(one_of(*("identify", "group") * 3, "track", "page", "alias", "screen"), 10)
_KEYS: dict[str, Maker] = {
    "messageId": rarely_odd(one_of("m-1"), 12),
    "timestamp": _DATE,
    "sentAt": _DATE,
    "userId": _ID,
    "anonymousId": _ID,
    "groupId": _ID,
    "event": scalar,
    "name": scalar,
    "properties": rarely_odd(lambda r: some_of(r, TRAITS, 6), 12),
    "context": rarely_odd(lambda r: some_of(r, _CONTEXT, 4), 12),
    "integrations": one_of({}, {"All": True}, {"All": False}, {"ChartMogul": True}),
}
_COMPLETE = {"messageId": "m", "timestamp": "2024-01-15", "sentAt": "2024-01-15", "userId": "u", "groupId": "g"}


def event(r: Random) -> dict[str, Any]:
    """An event; most have what every delivery needs, or nothing else would ever be looked at."""
    traits = some_of(r, TRAITS, 9) if r.randrange(12) else anything(r)
    made = {"type": _TYPE(r), "traits": traits, **some_of(r, _KEYS, 9)}
    if r.randrange(3) == 0 and isinstance(traits, dict):
        made["traits"] = {"company": {"id": "c1"}, **traits}
    return {**_COMPLETE, **made} if r.randrange(6) else made


# Mappings

PATHS = (
    *("$.userId", "$.traits.email", "$.traits.name", "$.traits.plan", "$.traits.score", "$.traits.company", "$.type"),
    *(
        "$.traits.company.id",
        "$.traits.tags",
        "$.traits.tags[0]",
        "$.traits.tags.1",
        "$.traits.list",
        "$.traits.list[0].sku",
    ),
    *(
        "$.traits.list.length",
        "$.traits.address",
        "$.traits.address.city",
        "$.properties.plan",
        "$.context.traits.email",
    ),
    *("$.traits", "$.", "$", "", ".", "traits.name", "$.missing", "$.traits.missing.deep", "$.traits['name']"),
    *(
        "$.traits.name.length",
        "$.traits.name[0]",
        "$.traits.tags[-1]",
        "$.traits.toString",
        "$.__proto__",
        "$.traits.$.name",
    ),
    *(
        "$.createdAt",
        "$.traits.createdAt",
        "$.traits.company.name",
        "$.traits..name",
        "$.traits.list[name]",
        "$.context.a",
    ),
    *('$.traits["a.b"]', "$.context.ip"),
)
LIQUIDS = (
    *("{{ traits.name }}", "{{traits.name | upcase}}", "{{ traits.missing | default: 'none' }}", "plain", ""),
    *("{% if traits.plan %}y{% else %}n{% endif %}", "{{ traits.tags | join: '-' }}", "{{ 'a b' | capitalize }}"),
    *("{{ traits.score | plus: 1 }}", "{{ traits.list[0].sku }}", "{{ traits.name | replace: 'A', 'b' | downcase }}"),
    *("{% assign x = traits.plan %}{{ x }}", "{{ traits.name", "{{ userId | size }}", "{{ traits.name | nope }}"),
    *("{% unless traits.plan == 'pro' %}no{% endunless %}", "{{ traits.createdAt | slice: 0, 4 }}"),
)
TEMPLATES = (
    *("{{traits.name}}", "{{ traits.name }} {{traits.plan}}", "{{{traits.name}}}", "{{missing}}", "{{ traits }}"),
    *(
        "{{traits.company.id}}-{{userId}}",
        "{{",
        "}}",
        "{{}}",
        "plain",
        "",
        "{{$.traits.name}}",
        "{{traits.list.0.sku}}",
    ),
    "x {{traits.tags}} y",
)
_SHORT = ("a", "A", "", " ", ".", "x", "$&", "$1", "\\", "(", "0123456789", "\U0001f642", "toolongpattern")
BROKEN = (
    *({"@path": 5}, {"@path": None}, {"@nope": 1}, {"@path": "$.a", "b": 1}, {"@path": "$.a", "@template": "b"}),
    *(
        {"@if": {"then": 1}},
        {"@case": {"value": "x"}},
        {"@replace": {"pattern": "a"}},
        {"@arrayPath": []},
        {"@if": "x"},
    ),
    *({"@json": {"mode": "other", "value": "x"}}, {"@liquid": 5}, {"@flatten": {"value": {}}}, {"@merge": [1]}),
    *({"@literal": {"@path": 5}}, [{"@path": 5}], {"@template": 5}, {"_metadata": 1, "@path": "$.userId"}),
    {"@transform": {"apply": {}}},
)


def _path(r: Random) -> dict[str, Any]:
    return {"@path": r.choice(PATHS)}


def _plain(r: Random) -> Any:
    group = r.randrange(12)
    if group < 6:
        return _path(r)
    if group < 8:
        return scalar(r)
    if group < 10:
        return {"@template": r.choice(TEMPLATES)}
    return {"@literal": json_value(r)} if group == 10 else {"@liquid": r.choice(LIQUIDS)}


def _object(r: Random, depth: int) -> dict[str, Any]:
    keys = ("id", "name", "a", "k 1", "city", "0", "toString")
    return {r.choice(keys): node(r, depth) for _ in range(r.randrange(4))}


def _with_options(r: Random, required: dict[str, Any], optional: dict[str, Maker]) -> dict[str, Any]:
    return {**required, **{name: maker(r) for name, maker in optional.items() if r.randrange(2)}}


def node(r: Random, depth: int = 2) -> Any:
    """A value of a mapping: a literal, a directive, an object or a list of such."""
    if depth == 0 or r.randrange(2):
        return _plain(r)
    below = depth - 1

    def inner(r: Random) -> Any:
        return node(r, below)

    kind = r.randrange(16)
    if kind == 0:
        return _object(r, below)
    if kind == 1:
        return [inner(r) for _ in range(r.randrange(4))]
    if kind in (2, 3):
        condition = r.choice(("exists", "blank"))
        return {"@if": _with_options(r, {condition: inner(r)}, {"then": inner, "else": inner})}
    if kind == 4:
        operator = r.choice(("upper", "lower", "upper", "title", ""))
        return {"@case": _with_options(r, {"operator": operator}, {"value": inner})}
    if kind == 5:
        options = dict.fromkeys(("replacement", "pattern2", "replacement2"), one_of(*_SHORT))
        flags = dict.fromkeys(("ignorecase", "global"), one_of(True, False))
        return {"@replace": _with_options(r, {"pattern": r.choice(_SHORT), "value": inner(r)}, options | flags)}
    if kind == 6:
        return {"@arrayPath": [r.choice((r.choice(PATHS), _path(r))), *([_object(r, below)] if r.randrange(4) else [])]}
    if kind == 7:
        objects = [_path(r) if r.randrange(2) else _object(r, below) for _ in range(r.randrange(4))]
        return {"@merge": _with_options(r, {"objects": objects}, {"direction": one_of("left", "right")})}
    if kind == 8:
        return {
            "@transform": {"apply": _object(r, below), "mapping": _object(r, below) if r.randrange(3) else _path(r)}
        }
    if kind == 9:
        separator = r.choice((".", "_", " ", "", "--", 5))
        return {
            "@flatten": _with_options(
                r, {"separator": separator, "value": inner(r)}, {"omitArrays": one_of(True, False)}
            )
        }
    if kind == 10:
        return {"@json": {"mode": r.choice(("encode", "decode")), "value": inner(r)}}
    if kind in (11, 12):
        return {"@excludeWhenNull": inner(r)}
    if kind == 13:
        return {"@path": inner(r)}
    return {"@template": inner(r)} if kind == 14 else {**_path(r), "_metadata": {"label": "x"}}


def any_node(r: Random) -> Any:
    return node(r) if r.randrange(15) else r.choice(BROKEN)


def mapping(r: Random, action: str) -> Any:
    """The action's default mapping with some of its fields changed, dropped or joined by others; rarely something else."""
    made = dict(DEFAULTS[action])
    for name in r.sample((*made, "dynamicAuthSettings", "unknown"), r.randrange(5)):
        if r.randrange(3):
            made[name] = any_node(r)
        else:
            made.pop(name, None)
    if r.randrange(3) == 0:
        made.pop("company", None)
    special = r.randrange(60)
    if special == 0:
        root = r.choice(({"@transform": {"apply": {"traits": {"@path": "$.traits"}}}}, r.choice(BROKEN), _path(r)))
        return {**made, "__segment_internal_directive": root}
    return any_node(r) if special == 1 else made


# Triggers

FIELDS = (
    *("type", "event", "userId", "name", "anonymousId", "traits.name", "traits.plan", "traits.score", "traits.tags"),
    *(
        "traits.company.id",
        "properties.plan",
        "properties.score",
        "context.ip",
        "context.traits.email",
        "context.personas",
    ),
    *(
        "traits.a.b",
        "traits.list[0].sku",
        "traits.name.length",
        "groupId",
        "properties",
        "context",
        "traits.\\.x",
        "traits",
    ),
)
VALUES = (
    *('"identify"', '"group"', '"track"', '"Ada"', '"pro"', '""', '"0"', "null", "true", "false", "0", "5", "42", "-1"),
    *("'pro'", '"5"', '"null"', '"true"', '"a.b"', '"A*"', '"*a"', '"x y"', '"Söhne"', '"un\\"quoted"', "abc", "1.5"),
    '"ACME Inc"',
)
_TYPES = (
    'type = "identify"',
    'type = "group"',
    'type = "track"',
    'type = "identify" or type = "group"',
    'type != "page"',
)
_ODD_CONDITIONS = (
    "true",
    "null",
    "event in [1]",
    "typeof(userId) = 'string'",
    "length(userId) > 1",
    "",
    "and",
    "!",
    "(",
)


def _condition(r: Random) -> str:
    group = r.randrange(10)
    if group < 6:
        return f"{r.choice(FIELDS)} {r.choice(('=', '!=', '=', '!=', '>', '<', '>=', '<='))} {r.choice(VALUES)}"
    if group < 8:
        name = r.choice(("contains", "match", "contains", "startsWith", "!contains", "!match"))
        return f"{name}({r.choice(FIELDS)}, {r.choice(VALUES)})"
    return r.choice(("!", "not ", "")) + r.choice(FIELDS) if group == 8 else r.choice(_ODD_CONDITIONS)


def _expression(r: Random, depth: int = 2) -> str:
    group = r.randrange(10) if depth else 0
    if group < 4:
        return _condition(r)
    if group < 8:
        parts = [_expression(r, depth - 1) for _ in range(r.randrange(2, 4))]
        return (
            "".join(part + r.choice((" and ", " or ", " and ", " AND ", "and", " ", " && ")) for part in parts[:-1])
            + parts[-1]
        )
    return f"{'' if group == 8 else '!'}({_expression(r, depth - 1)})"


def trigger(r: Random) -> str:
    group = r.randrange(8)
    if group < 3:
        return r.choice(_TYPES)
    return f"{r.choice(_TYPES)}{r.choice((' and ', ' or '))}{_condition(r)}" if group < 5 else _expression(r)


# Cases

_FIELD_KINDS: tuple[tuple[str, str | None, Maker], ...] = (
    ("string", None, anything),
    ("datetime", None, lambda r: r.choice(DATES) if r.randrange(4) == 0 else pieces(r, DATE_PIECES)),
    ("string", "email", lambda r: r.choice(EMAILS) if r.randrange(4) == 0 else pieces(r, EMAIL_PIECES)),
    ("string", "uri", lambda r: r.choice(URIS) if r.randrange(4) == 0 else pieces(r, URI_PIECES)),
    ("string", "uri-reference", lambda r: r.choice(URIS) if r.randrange(4) == 0 else pieces(r, URI_PIECES)),
)


def field_case(r: Random) -> dict[str, Any]:
    kind, text_format, maker = r.choice(_FIELD_KINDS)
    group = r.randrange(9)
    value = maker(r) if group < 6 else anything(r)
    if group in (5, 8):
        value = [value]
    return {
        "kind": "field",
        "input": {"type": kind, **({"format": text_format} if text_format else {}), "value": value},
    }


def _subscription(r: Random) -> dict[str, Any]:
    action = r.choice(("sendContact", "sendCustomer"))
    text: Any = 'type != "" or type = null'
    if r.randrange(3) == 0:
        text = trigger(r) if r.randrange(10) else r.choice((None, "", 5, "bad fql ("))
    slug = action if r.randrange(25) else "noSuchAction"
    return {"subscribe": text, "partnerAction": slug, "mapping": mapping(r, action)}


def deliver_case(r: Random) -> dict[str, Any]:
    """An event for the default subscriptions, or for one or two of its own."""
    given: dict[str, Any] = {"event": event(r)}
    group = r.randrange(8)
    if group < 5:
        given["subscriptions"] = [_subscription(r) for _ in range(r.randrange(1, 3))]
    elif group == 5:
        given["http"] = {"status": r.randrange(200, 600)}
    return {"kind": "deliver", "input": given}


def map_case(r: Random) -> dict[str, Any]:
    keys = r.sample(("a", "b", "c d", "0"), r.randrange(4))
    made = {key: any_node(r) for key in keys} if r.randrange(3) else any_node(r)
    return {"kind": "map", "input": {"mapping": made if isinstance(made, dict) else {"a": made}, "payload": event(r)}}


def fql_case(r: Random) -> dict[str, Any]:
    return {"kind": "fql", "input": {"fql": trigger(r), "event": event(r)}}


def case(r: Random) -> dict[str, Any]:
    return r.choice(
        (deliver_case, deliver_case, deliver_case, deliver_case, map_case, map_case, fql_case, fql_case, field_case)
    )(r)


def _made_by(maker: Maker) -> st.SearchStrategy[Any]:
    return st.randoms(use_true_random=True).map(maker)


EVENTS = _made_by(event)
TRIGGERS = _made_by(trigger)
CASES = _made_by(case)


def mappings(action: str) -> st.SearchStrategy[Any]:
    """Mappings for an action."""
    return _made_by(lambda r: mapping(r, action))
