"""CPU microseconds from a record's bytes to the requests' bodies: ours, and the original's where it can be run.

    python benchmarks/mapping.py [--original-events 20000]

The work is decode + gates and filters + triggers + mapping + coercion + validation + encode, for events of the shape
and size that the original's own benchmark uses (1.6 KB, identify and group 60/40). Each of our figures is the best of
many short runs on one thread: what the work costs, not what else the machine was doing. The original (node, and the
folder with its packages that ORACLE_DIR names or ``shared/oracle`` beside the checkout) is run by the same command,
right after: on a busy or a slow machine compare the two, not either with a figure from elsewhere.

Aims: two default mappings ≤ 10; 50 mappings of which 2 match ≤ 2.5 times as much; an event that no trigger wants ≤ 4.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from consumer.chartmogul.router import DEFAULT_MAPPINGS, MappingSpec, Router
from consumer.kafka.decode import Decoder
from consumer.outcomes import Post
from consumer.segment.filters import Drop, DropProperties, Filter
from tests.conformance.original import OriginalNotToBeHadError, find_original

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.outcomes import Planned

COUNT = 100
BROWSER = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/122.0.0.0 Safari/537.36"
)
SITE = "https://www.example.com"
COMPANY = "Analytical Engines Ltd"


def events(kind: str = "") -> list[bytes]:
    """A hundred events as bytes; ``kind`` in place of their types makes them what no default trigger wants."""
    return [event(number, kind) for number in range(COUNT)]


def event(number: int, kind: str = "") -> bytes:
    """One of them: user, company and message are told apart by ``number``."""
    made = _common(number) | (_identify(number) if number % 5 < 3 else _group(number))
    return orjson.dumps(made | {"type": kind} if kind else made)


def _common(number: int) -> dict[str, Any]:
    page = {
        "path": "/account/settings",
        "referrer": f"{SITE}/login?next=%2Faccount",
        "search": "?tab=billing",
        "title": "Account settings \u2013 Example",
        "url": f"{SITE}/account/settings?tab=billing",
    }
    brands = [{"brand": "Chromium", "version": "122"}, {"brand": "Google Chrome", "version": "122"}]
    return {
        "messageId": f"ajs-next-{number}-3f2b8c1e-77aa-4d0e-9b1f-{number:012}",
        "timestamp": "2024-03-05T10:11:12.345Z",
        "sentAt": "2024-03-05T10:11:12.999Z",
        "receivedAt": "2024-03-05T10:11:13.101Z",
        "originalTimestamp": "2024-03-05T10:11:12.345Z",
        "userId": f"user_{number}",
        "anonymousId": f"7b0c3e8e-1111-4222-8333-{number:012}",
        "version": 2,
        "channel": "client",
        "writeKey": "abcdef0123456789abcdef0123456789",
        "integrations": {"All": True, "Google Analytics": {"clientId": "123.456"}},
        "context": {
            "ip": "203.0.113.7",
            "locale": "en-US",
            "timezone": "Europe/Berlin",
            "userAgent": BROWSER,
            "library": {"name": "analytics.js", "version": "npm:next-1.66.0"},
            "page": page,
            "campaign": {"name": "spring", "source": "newsletter", "medium": "email"},
            "userAgentData": {"brands": brands, "mobile": False, "platform": "macOS"},
        },
    }


def _identify(number: int) -> dict[str, Any]:
    traits = {
        "email": f"ada{number}@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "name": "Ada Lovelace",
        "title": "VP Engineering",
        "phone": "+1-202-555-0143",
        "linkedIn": "https://linkedin.com/in/ada",
        "twitter": "@ada",
        "company": {"id": f"cmp_{number}", "name": COMPANY, "plan": "enterprise", "employee_count": 120},
        "plan": "pro",
        "logins": number,
        "createdAt": "2023-01-02T03:04:05Z",
        "avatar": f"https://cdn.example.com/a/{number}.png",
    }
    return {"type": "identify", "traits": traits}


def _group(number: int) -> dict[str, Any]:
    address = {"street": "1 Dorset Street", "city": "London", "state": "LDN", "postalCode": "W1U 4EG", "country": "UK"}
    traits = {
        "name": COMPANY,
        "description": "Makes difference engines and analytical engines",
        "email": f"billing{number}@example.com",
        "website": "https://analytical.example.com",
        "createdAt": "2020-02-03T04:05:06Z",
        "address": address,
        "employees": 120,
        "industry": "Manufacturing",
        "plan": "enterprise",
    }
    return {"type": "group", "groupId": f"grp_{number}", "traits": traits}


def fifty() -> list[MappingSpec]:
    """Fifty mappings of which two want each event: 46 others ask for plans that none has, half of them of each type."""
    mappings = []
    for number in range(50):
        default = DEFAULT_MAPPINGS[number % 2]
        condition = "" if number < 4 else f' and traits.plan = "plan {number}"'
        mappings.append(MappingSpec(f"m{number}", default.action, default.trigger + condition, default.mapping))
    return mappings


def pipeline(router: Router, posts: int) -> Callable[[bytes], Sequence[Planned]]:
    """From a record's bytes to what is sent; checks once that ``posts`` requests come of an event."""
    decoder, route = Decoder(), router.route
    decoder.keep_only(router.reads)

    def work(value: bytes) -> Sequence[Planned]:
        (event,) = decoder.decode(value, None, 0)
        return route(event)

    for value in events():
        sent = [each.body for each in work(value) if isinstance(each, Post)]
        assert [orjson.loads(each) for each in sent] == [orjson.loads(by_hand(value))] * posts
    return work


def by_hand(value: bytes) -> bytes:
    """The two default mappings as somebody writes them in an afternoon: no gate, no check, nothing that is told."""
    event = orjson.loads(value)
    traits = event["traits"]
    body = {
        "type": "Send Contact",
        "message_id": event["messageId"],
        "timestamp": event["timestamp"],
        "sent_at": event["sentAt"],
        "user_id": event["userId"],
        "email": traits.get("email"),
        "name": traits.get("name"),
    }
    if event["type"] == "identify":
        company = traits.get("company") or {}
        body["anonymous_id"] = event.get("anonymousId")
        body["first_name"], body["last_name"] = traits.get("first_name"), traits.get("last_name")
        body["title"], body["phone"] = traits.get("title"), traits.get("phone")
        body["linked_in"], body["twitter"] = traits.get("linkedIn"), traits.get("twitter")
        body["company"] = {"id": company.get("id"), "name": company.get("name")}
    else:
        address = traits.get("address") or {}
        body["type"], body["group_id"] = "Send Customer", event["groupId"]
        body["description"], body["website"] = traits.get("description"), traits.get("website")
        body["created_at"] = traits.get("createdAt")
        body["address"] = {name: address.get(name) for name in ("street", "city", "state", "country")}
        body["address"]["postal_code"] = address.get("postalCode")
    return orjson.dumps({name: each for name, each in body.items() if each is not None})


def microseconds(works: dict[str, tuple[Callable[[Any], Any], Sequence[Any]]], rounds: int = 80) -> dict[str, float]:
    """CPU of one item of each: the best of many runs over all its items, in rounds in which each has five in a row."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, (work, items) in works.items():
            for _ in range(5):
                start = perf_counter()
                for each in items:
                    work(each)
                best[name] = min(best[name], (perf_counter() - start) / len(items) * 1e6)
    return best


def ours() -> dict[str, float]:
    """Our figures by name."""
    records = events()
    default, decoder = Router(), Decoder()
    filters = [
        Filter('type = "track" and event = "Heartbeat"', (Drop(),)),
        Filter("all", (DropProperties({"context": ("ip",), "traits": ("avatar",)}),)),
    ]
    decoded = [orjson.loads(value) for value in records]
    unwanted = pipeline(default, 1)
    return microseconds(
        {
            "orjson.loads alone": (orjson.loads, records),
            "a mapper written by hand, without any check": (by_hand, records),
            "decode alone": (lambda value: decoder.decode(value, None, 0), records),
            "route alone (gates, triggers, mapping, coercion, encode)": (default.route, decoded),
            "all: two default mappings": (pipeline(default, 1), records),
            "all: two default mappings, two destination filters": (pipeline(Router(filters=filters), 1), records),
            "all: 50 mappings of which 2 match": (pipeline(Router(fifty()), 2), records),
            "all: an event that no trigger wants": (unwanted, events("track")),
        }
    )


def originals(count: int) -> dict[str, float]:
    """The original's figures by its own labels; empty where it cannot be run."""
    try:
        folder = find_original()
    except OriginalNotToBeHadError as error:
        print(f"the original cannot be run here: {error}\n")
        return {}
    command = ["node", "oracle.mjs", "--bench", str(count)]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True, encoding="utf-8")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["label"]: line["cpu_us_per_event_median"] for line in lines if "label" in line}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original-events", type=int, default=20_000, help="events for the original; 0 leaves it out")
    arguments = parser.parse_args()
    records = events()
    size = sum(map(len, records)) / len(records)
    print(f"events of {size:.0f} bytes; CPU microseconds an event\n")
    here = ours()
    for name, value in here.items():
        print(f"{value:8.2f}  {name}")
    one, many = here["all: two default mappings"], here["all: 50 mappings of which 2 match"]
    print(f"{many / one:8.2f}  times as much for 50 mappings\n")
    there = originals(arguments.original_events) if arguments.original_events else {}
    for name, value in there.items():
        print(f"{value:8.2f}  original {name}")
    print(
        json.dumps(
            {
                "event_bytes": round(size),
                "ours": {name: round(value, 2) for name, value in here.items()},
                "original": there,
            }
        )
    )


if __name__ == "__main__":
    main()
