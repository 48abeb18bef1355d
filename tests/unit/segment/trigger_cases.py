"""Generated triggers and events: good ones, trapped ones, nonsense; the same for property tests and for the original.

Everything is drawn from a `random.Random`, so that a seed is a case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

TEXTS = (
    *(
        "",
        "a",
        "b",
        "identify",
        "group",
        "track",
        "Signed Up",
        "Order*",
        "*x",
        "5",
        "5.0",
        "-3",
        "true",
        "false",
        "null",
    ),
    *(
        "pro plan",
        "ü🙂",
        "🙂",
        "\ud83d",
        "it's",
        " ",
        "x y",
        "\n",
        "*",
        "**",
        "a*b",
        "0",
        "1e21",
        "eos",
        "(",
        ")",
        "USD",
    ),
)
NUMBERS = (
    *("0", "1", "5", "-3", "+5", "12.5", "007", ".5", "-.5", "-", "+", "100000000000000000000000", "9007199254740993"),
    *("0.1", "-0", "0.0000001", "123456789012345680000"),
)
BAD_NUMBERS = ("5.", "1e5", "1.2.3", "5a")
PLAIN_PATHS = (
    *("type", "event", "name", "userId", "properties.revenue", "properties.nested.deep", "properties.missing.deep"),
    *("traits.plan", "traits.email", "traits.vip", "traits.key\\ space", "traits.dash-key", "context.ip"),
    *("context.page.path", "properties.n", "traits.an", "traits.on", "traits.nullable", "traits.length", "traits._x"),
)
TRAPPED_PATHS = (
    *(
        "properties.items",
        "properties.items.0",
        "properties.items.length",
        "traits.a\\.b",
        "traits.\\.",
        "traits.x\\[0\\]",
    ),
    *("properties", "traits", "context", "propertiesx", "type.x", "event.y", "userId.z", "anonymousId", "groupId"),
    *("constructor", "toString.x", "__proto__", "traits.constructor", "traits.toString", "traits.plan.length"),
    *("traits.plan.0", "properties . revenue", "properties.null", "properties.and", "properties.or", "properties.1st"),
    *("TYPE", "properties\\.revenue", "properties.\\$a", "messageId", "_x", "traits.-x", "\\ ", "nul", "an", "nope"),
)
BROKEN_PATHS = (
    "traits.🙂",
    "traits.\\🙂",
    "properties.items[0]",
    "traits.",
    ".traits",
    "traits..plan",
    "and",
    "or",
    "null",
)
OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
ODD_OPERATORS = (
    *(
        "==",
        "in",
        "contains",
        "not_contains",
        "exists",
        "not_exists",
        "is_true",
        "is_false",
        "starts_with",
        "ends_with",
    ),
    *("number_equals", "number_not_equals", "like", "<>", "=<", "!", "\\=", "\\!=", "and"),
)
CHARACTERS = " ()\"'!=<>.,[]\\-+*andornulltype05\t\n\r_🙂é\ud83d{}&|~`@#$%^;:?/"


def plain_trigger(random: Random) -> str:
    """One that does what it reads: no trap in it."""

    def condition() -> str:
        path = random.choice(PLAIN_PATHS)
        text = random.choice(TEXTS).replace('"', "").replace("*", "").replace("\ud83d", "")
        kinds = [f'{path} = "{text}"', f'{path} != "{text}"', f'contains({path}, "{text}")']
        kinds += [f'match({path}, "{text}*")', f'match({path}, "*{text}")', f"{path} > 5", f"{path} <= -12.5"]
        if "." in path:
            kinds += [f"{path} = {value}" for value in ("null", "true", "false", "12.5")] + [f"{path} != null"]
        if "type" in path:
            kinds = kinds[:2]  # contains(type, ...) is dropped
        return random.choice(kinds)

    operator, other = random.sample(("and", "or"), 2)
    parts = [condition() for _ in range(random.randint(1, 3))]
    if len(parts) > 1 and random.random() < 0.4:
        # The function last: a group ends at the first closing parenthesis.
        inner = sorted((condition(), condition()), key=lambda each: "(" in each)
        if "(" not in inner[0]:
            parts[random.randrange(len(parts))] = f"({f' {other} '.join(inner)})"
    return f" {operator} ".join(parts)


def trapped_trigger(random: Random) -> str:
    """Well-formed for the hosted parser, as a rule, with whatever it reads its own way."""

    def value() -> str:
        if random.random() < 0.5:
            return '"' + random.choice(TEXTS) + '"'
        return random.choice((*NUMBERS, *("null", "true", "false") * 4, "'a'", "foo", "traits.plan"))

    def condition() -> str:
        path = random.choice(PLAIN_PATHS if random.random() < 0.6 else TRAPPED_PATHS)
        if random.random() < 0.65:
            operator = random.choice(OPERATORS if random.random() < 0.9 else ODD_OPERATORS)
            return f"{path} {operator} {value()}"
        name = random.choice(("contains", "match"))
        argument = value() if random.random() < 0.4 else '"' + random.choice(TEXTS) + '"'
        return f"{random.choice(('', '!'))}{name}({path}, {argument})"

    def junction(depth: int) -> str:
        parts = []
        for _ in range(random.choice((1, 1, 1, 2, 2, 3))):
            nested = depth < 1 and random.random() < 0.25
            parts.append(f"{random.choice(('', '', '', '!'))}({junction(depth + 1)})" if nested else condition())
        connectives = ("and", "or") if random.random() < 0.9 else ("AND", "OR", "")
        return "".join(f" {random.choice(connectives)} {part}" for part in parts)[4:].lstrip()

    return junction(0)


def wild_trigger(random: Random) -> str:
    """Anything: spaces missing, brackets open, words out of place, characters swapped."""
    choice = random.choice

    def space() -> str:
        return choice((" ", " ", "", "", "\t", "\n", "\r")) if random.random() < 0.3 else " "

    def text() -> str:
        quote = choice(('"', '"', '"', "'"))
        return quote + choice(TEXTS) + (quote if random.random() < 0.95 else "")

    def path() -> str:
        return choice(choice((PLAIN_PATHS, PLAIN_PATHS, TRAPPED_PATHS, BROKEN_PATHS)))

    def value() -> str:
        words = ("null", "true", "false", "foo", '["a","b"]', '("a")', "", "NULL", "True", "type", "\\true")
        return choice((text(), text(), choice(NUMBERS), choice(BAD_NUMBERS), choice(words)))

    def condition() -> str:
        pick = random.random()
        if pick < 0.6:
            return path() + space() + choice((*OPERATORS, choice(ODD_OPERATORS))) + space() + value()
        if pick < 0.9:
            name = choice(("", "", "!", "! ", "not ")) + choice(("contains", "match", "contains", "match", "length"))
            return f"{name}({path()}{space()},{space()}{value()}{choice((')', ')', ')', '))', ''))}"
        return choice(("true", "all", "!", ")", "(", ",", "5", '"x"', "]", "[", "foo", "!type", "!(", "()", path()))

    def junction(depth: int) -> str:
        result = ""
        for index in range(choice((1, 1, 2, 3))):
            if index:
                result += space() + choice(("and", "or", "and", "or", "AND", "&&", "", "and(", "or(", ", ")) + space()
            if depth < 2 and random.random() < 0.25:
                result += choice(("", "", "!", "not ")) + "(" + junction(depth + 1) + choice((")", ")", ")", ""))
            else:
                result += condition()
        return result

    written = list(junction(0))
    for _ in range(choice((0, 0, 0, 1, 2))):
        at = random.randrange(len(written) + 1)
        written[at : at + random.randint(0, 1)] = [choice(CHARACTERS)] * random.randint(0, 1)
    return "".join(written)


def trigger(random: Random) -> str:
    """Any of the three."""
    return random.choice((plain_trigger, trapped_trigger, trapped_trigger, wild_trigger))(random)


def json_value(random: Random, depth: int = 0, *, objects_only: bool = False) -> Any:
    """A JSON value, numbers beyond what a double holds and lone surrogates included."""
    pick = random.random()
    if pick < 0.4:
        return random.choice((*TEXTS, "identify", "Signed Up", "group"))
    if pick < 0.6:
        return random.choice((0, 1, 5, -3, 12.5, 5.0, 2**53 + 1, 12345678901234567890, 1e300, -0.0, 0.1, 2**63))
    if pick < 0.75 or depth > 1:
        return random.choice((True, False, None))
    keys = ("deep", "length", "0", "a", "constructor", "plan", "x", "key space")
    if objects_only:
        keys = ("deep", "a", "plan", "x", "key space")
    if objects_only or random.random() < 0.6:
        items = range(random.randint(0, 3))
        return {random.choice(keys): json_value(random, depth + 1, objects_only=objects_only) for _ in items}
    return [json_value(random, depth + 1) for _ in range(random.randint(0, 3))]


_CHILDREN = {
    "properties": ("revenue", "items", "nested", "a", "n", "1st", "x", "properties"),
    "traits": (
        "plan",
        "email",
        "vip",
        "key space",
        "dash-key",
        "a",
        "an",
        "on",
        "nullable",
        "_x",
        "-x",
        "traits",
        "length",
    ),
    "context": ("ip", "page", "traits", "context"),
}


def wild_event(random: Random) -> Any:
    """An event as no Segment library would send it, now and then no object at all."""
    if random.random() < 0.02:
        return random.choice(("", None, 5, "abc", [], True, {}))
    event: dict[str, Any] = {}
    for name in ("event", "name", "userId", "anonymousId", "groupId"):
        if random.random() < 0.6:
            event[name] = json_value(random)
    for name, keys in _CHILDREN.items():
        if random.random() < 0.08:
            event[name] = random.choice(("", 0, False, None, True, 5, "abc", [1, 2]))
        elif random.random() < 0.9:
            event[name] = {key: json_value(random) for key in keys if random.random() < 0.7}
    if random.random() < 0.9:
        types = ("identify", "group", "track", "page", "alias", "screen")
        event["type"] = random.choice(types) if random.random() < 0.85 else json_value(random)
    return event


def plain_event(random: Random) -> dict[str, Any]:
    """One in which objects stand wherever `PLAIN_PATHS` lead through; the values at their ends may be anything."""
    event = {name: json_value(random) for name in ("type", "event", "name", "userId") if random.random() < 0.8}
    for name, keys in _CHILDREN.items():
        if random.random() < 0.9:
            event[name] = {key: json_value(random) for key in keys if random.random() < 0.7}
    for name, key, below in (
        ("properties", "nested", "deep"),
        ("properties", "missing", "deep"),
        ("context", "page", "path"),
    ):
        if name in event:
            event[name][key] = {below: json_value(random)} if random.random() < 0.8 else None
    return event
