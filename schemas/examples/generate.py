"""Writes events.jsonl beside it: ten days of Segment events from companies and people that do not exist.

    python schemas/examples/generate.py

Seeded: the same file each time (a test says so). Domains end in .example (RFC 2606), addresses are of the ranges for
documentation (RFC 5737), telephone numbers of those set aside for fiction. `ODDITIES` are the events that the hosted
destination skips or rejects, each for its own reason.
"""
# ruff: noqa: INP001, E501 - a script beside its output, in no package; tables read better unbroken

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

FILE = Path(__file__).with_name("events.jsonl")
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

COMPANIES = (  # name, domain, industry, street, city, state, postal code, country, telephone prefix
    ("Northwind Bicycles", "northwind-bicycles", "Retail", "12 Canal Walk", "Portland", "OR", "97205", "US", "+1-503-555-01"),
    ("Müller & Söhne Feinmechanik", "mueller-soehne", "Manufacturing", "Lindenstraße 4", "Stuttgart", "BW", "70173", "DE", "+49 711 23125 4"),
    ("Kōbō Ceramics 🏺", "kobo-ceramics", "Craft", "3-14 Gojōbashi", "Kyoto", "Kyoto", "605-0846", "JP", "+81 75 0000 00"),
    ("Atelier Lumière", "atelier-lumiere", "Design", "8 rue des Écluses", "Lyon", "ARA", "69002", "FR", "+33 1 99 00 12 "),
    ("Harbour Lane Legal", "harbourlane", "Legal", "1 Harbour Lane", "Bristol", None, "BS1 5TX", "GB", "+44 117 496 01"),
    ("Fjordline Analytics", "fjordline", "Software", "Strandgaten 21", "Bergen", "Vestland", "5013", "NO", "+47 55 00 01 "),
    ("Café Aurora", "cafe-aurora", "Hospitality", "Rua do Sol 55", "Porto", None, "4000-527", "PT", "+351 22 000 01"),
    ("Blue Mesa Robotics", "bluemesa", "Robotics", "770 Mesa Dr", "Boulder", "CO", "80302", "US", "+1-303-555-01"),
    ("Zażółć Studio", "zazolc", "Media", "ul. Gęsia 7", "Łódź", None, "90-001", "PL", "+48 42 000 01 "),
    ("Tidewater Clinics", "tidewater-clinics", "Healthcare", "400 Bayfront Ave", "Norfolk", "VA", "23510", "US", "+1-757-555-01"),
    ("Quokka Payments", "quokkapay", "Fintech", "19 Hay St", "Perth", "WA", "6000", "AU", "+61 8 5550 01"),
    ("Olive & Fig Catering", "oliveandfig", "Food", "2 Odos Ermou", "Athens", None, "105 63", "GR", "+30 21 0000 01"),
    ("Sakura Logistics 株式会社", "sakura-logistics", "Logistics", "2-1 Minato", "Yokohama", "Kanagawa", "220-0012", "JP", "+81 45 000 00"),
    ("Redwood Tutoring", "redwood-tutoring", "Education", "81 Elm St", "Eureka", "CA", "95501", "US", "+1-707-555-01"),
    ("Bryggen Bakeri", "bryggen-bakeri", "Food", "Bryggen 9", "Bergen", None, "5003", "NO", "+47 55 00 02 "),
    ("Meridian Solar", "meridian-solar", "Energy", "Av. del Puerto 100", "Valencia", None, "46021", "ES", "+34 96 000 01 "),
    ("Papaya Games", "papayagames", "Games", "33 Nguyễn Huệ", "Hồ Chí Minh", None, "700000", "VN", "+84 28 0000 01"),
    ("O'Malley's Brewing Co.", "omalleys-brewing", "Beverages", "6 Quay St", "Galway", None, "H91 X2F4", "IE", "+353 91 000 01"),
    ("Lighthouse HR", "lighthouse-hr", "Software", "500 King St W", "Toronto", "ON", "M5V 1L9", "CA", "+1-416-555-01"),
    ("Pampa Cloud", "pampacloud", "Software", "Av. Córdoba 1200", "Buenos Aires", "C", "C1055", "AR", "+54 11 0000 01"),
)  # fmt: skip

PEOPLE = (
    "Amelia Hart", "Zoë Lindqvist", "José Ángel Núñez", "花子 山田", "Łukasz Wiśniewski", "Seán Ó Briain", "Ánh Nguyễn",
    "Priya Raman", "Tomás Ferreira", "Ingrid Solheim", "Klaus Müller", "Chloé Dubois", "Marcus Webb", "Αλέξανδρος Νίκου",
    "Fatima al-Sayed", "Owen Price", "Mei-Ling Chen", "Björn Åkesson", "Nadia Petrova", "Samuel Okafor", "Lucía Gómez",
    "Henrik Dahl", "Yuki Tanaka", "Rosa D'Angelo", "Ivan Horvat", "Grace Kim", "Mateo Silva", "Ewa Zielińska",
    "Dmitri Volkov", "Hannah Cohen", "Liam Walsh", "Aisha Bello", "Noah Fischer", "Élodie Marchand", "Theo Papadakis",
    "Sofia Rossi", "Jack O'Connor", "Linh Trần", "Emma Clarke", "Diego Ruiz", "Anneli Saar", "Kofi Mensah", "Maya Patel",
    "Oscar Nilsson", "Julia Weiss", "Hugo Laurent", "Sana Iqbal", "Ben Carter", "Carmen Vidal", "Ravi Menon", "Freya Holm",
    "Paul Schmidt", "Ines Costa", "Kenji Sato", "Olga Nowak", "Daniel Reyes", "Ruth Adler", "Martin Svoboda", "Leila Haddad",
    "Peter Jansen", "Alice Moreau", "Tara Singh", "Viktor Szabó", "Nora Byrne",
)  # fmt: skip

TITLES = ("Founder", "CEO", "Head of Finance", "Revenue Operations", "Engineer", "Product Manager", "Office Manager")
PLANS = ("free", "starter", "growth", "scale")
TRACKED = (
    "Report Exported",
    "Invoice Paid",
    "Seat Added",
    "Trial Started",
    "Dashboard Viewed",
    "Integration Connected",
)
PAGES = (("/", "Home"), ("/pricing", "Pricing"), ("/docs/start", "Getting started"), ("/blog/mrr", "What is MRR?"))
AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
)

Object = dict[str, Any]


class Stream:
    """Builds events; every draw is of `random()`, whose sequence Python keeps over versions."""

    def __init__(self) -> None:
        self._rng = random.Random(20260302)  # noqa: S311 - sample data
        self.events: list[tuple[datetime, Object]] = []

    def pick(self, options: Any) -> Any:
        """One of ``options``."""
        return options[int(self._rng.random() * len(options))]

    def number(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""
        return low + int(self._rng.random() * (high - low + 1))

    def chance(self, share: float) -> bool:
        """True in that share of the draws."""
        return self._rng.random() < share

    def uuid(self) -> str:
        """A random UUID."""
        words = [int(self._rng.random() * 2**32) for _ in range(4)]
        return str(UUID(int=sum(word << 32 * i for i, word in enumerate(words)), version=4))

    def add(self, type_: str, at: datetime, ids: Object, *, web: bool = False, **rest: Any) -> Object:
        """An event of ``type_`` that happened at ``at``; ``ids`` and ``rest`` are its own fields."""
        sent = at + timedelta(milliseconds=self.number(3, 900))
        received = sent + timedelta(milliseconds=self.number(20, 400))
        context: Object = {"library": {"name": "@segment/analytics-node", "version": "2.2.0"}}
        if web:
            context = {
                "library": {"name": "analytics.js", "version": "npm:next-1.70.0"},
                "ip": f"{self.pick(('192.0.2', '198.51.100', '203.0.113'))}.{self.number(1, 254)}",
                "userAgent": self.pick(AGENTS),
                "locale": self.pick(("en-US", "en-GB", "de-DE", "fr-FR", "ja-JP", "pl-PL")),
            }
        event = {
            "type": type_,
            "messageId": ("ajs-next-" if web else "node-next-") + self.uuid(),
            **ids,
            **rest,
            "context": {**context, **rest.get("context", {})},
            "integrations": rest.get("integrations", {}),
            "timestamp": iso(at),
            "originalTimestamp": iso(at),
            "sentAt": iso(sent),
            "receivedAt": iso(received),
            "version": 2,
        }
        self.events.append((received, event))
        return event


def iso(at: datetime) -> str:
    """As Segment writes times: UTC, milliseconds, Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Company:
    """One company's story: it signs up, people join, visit and change, it grows."""

    def __init__(self, stream: Stream, index: int, people: list[str]) -> None:
        self.stream, self.index, self.row = stream, index, COMPANIES[index]
        self.group_id = f"org_{1001 + 7 * index}"
        self.domain = f"{self.row[1]}.example"
        self.born = START + timedelta(hours=9 * index, minutes=stream.number(0, 59))
        self.users = [
            {"user_id": f"usr_{40_000 + 100 * index + n}", "anonymous_id": stream.uuid(), "name": name}
            for n, name in enumerate(people)
        ]

    def tell(self) -> None:
        """Adds the story's events to the stream."""
        s, at = self.stream, self.born
        for n, user in enumerate(self.users):
            ids = {"userId": user["user_id"], "anonymousId": user["anonymous_id"]}
            for _ in range(s.number(1, 2)):
                path, title = s.pick(PAGES)
                page = {"path": path, "title": title, "url": f"https://app.example{path}", "referrer": ""}
                s.add(
                    "page",
                    at,
                    {"userId": None, "anonymousId": ids["anonymousId"]},
                    web=True,
                    name=title,
                    properties=page,
                )
                at += timedelta(minutes=s.number(1, 9))
            if s.chance(0.2):
                s.add("alias", at, {"previousId": ids["anonymousId"], "userId": ids["userId"]})
            s.add("identify", at, ids, web=True, traits=self.person(n, first=True))
            if n == 0:
                s.add(
                    "group",
                    at + timedelta(seconds=40),
                    {"userId": ids["userId"], "groupId": self.group_id},
                    traits=self.firm(),
                )
            elif s.chance(0.3):
                s.add(
                    "group",
                    at + timedelta(seconds=40),
                    {**ids, "groupId": self.group_id},
                    web=True,
                    traits={"name": self.row[0]},
                )
            for _ in range(s.number(2, 3)):
                at += timedelta(hours=s.number(1, 20), minutes=s.number(0, 59))
                s.add(
                    "track",
                    at,
                    ids,
                    event=s.pick(TRACKED),
                    properties={"seats": s.number(1, 40), "currency": "USD"},
                    web=s.chance(0.5),
                )
            if s.chance(0.12):
                s.add("screen", at, ids, name="Today", properties={"variation": "compact"})
            for _ in range(s.number(1, 2)):
                at += timedelta(hours=s.number(2, 30))
                s.add("identify", at, {"userId": ids["userId"]}, traits=self.person(n, first=False))
            at = self.born + timedelta(hours=3 * n + s.number(1, 5))
        for _ in range(s.number(1, 3)):
            at += timedelta(hours=s.number(5, 40))
            owner = self.users[0]["user_id"]
            s.add(
                "group", at, {"userId": owner, "groupId": self.group_id}, traits={**self.firm(), "plan": s.pick(PLANS)}
            )

    def person(self, n: int, *, first: bool) -> Object:
        """Traits of the company's ``n``-th user; the first call knows less than later ones."""
        s, user = self.stream, self.users[n]
        given, _, family = user["name"].partition(" ")
        handle = f"u{user['user_id'][4:]}" if not given.isascii() else given.lower()
        traits: Object = {"email": f"{handle}@{self.domain}", "company": {"id": self.group_id, "name": self.row[0]}}
        if s.chance(0.25):
            traits["name"] = user["name"]
        else:
            traits |= {"first_name": given, "last_name": family}
        if first:
            return traits | {"createdAt": iso(self.born), "logins": 1}
        traits |= {"title": TITLES[n % len(TITLES)], "phone": f"{self.row[8]}{s.number(10, 99)}"}
        if s.chance(0.4):
            traits["linkedIn"] = f"https://www.linkedin.com/in/example-{handle}"
        if s.chance(0.2):
            traits["twitter"] = f"@{handle}_example"
        return traits | {"logins": s.number(2, 90)}

    def firm(self) -> Object:
        """The group call's traits."""
        name, _, industry, street, city, state, postal_code, country, _ = self.row
        address = {"street": street, "city": city, "postalCode": postal_code, "country": country}
        return {
            "name": name,
            "industry": industry,
            "description": f"{industry} company from {city}",
            "email": f"billing@{self.domain}",
            "website": f"https://www.{self.domain}",
            "createdAt": iso(self.born),
            "employees": self.stream.number(3, 900),
            "address": address | ({"state": state} if state else {}),
        }


def add_oddities(s: Stream, companies: list[Company]) -> None:
    """Events that are filtered, skipped or rejected, and a few that look odd but are delivered."""

    def person(n: int) -> tuple[datetime, Object, Object]:
        company = companies[n % len(companies)]
        at = company.born + timedelta(hours=20 + n, seconds=n)
        return (
            at,
            {"userId": company.users[n % len(company.users)]["user_id"]},
            company.person(n % len(company.users), first=False),
        )

    for n in range(6):  # filtered: the source switched the destination off
        at, ids, traits = person(n)
        off = ({"ChartMogul": False}, {"Chart Mogul": False}, {"All": False, "Intercom": True})[n % 3]
        s.add("identify", at, ids, traits=traits, integrations=off)
    for n in range(3):  # delivered: everything off but this destination, as Engage and replays send
        at, ids, traits = person(n + 6)
        s.add("identify", at, ids, traits=traits, integrations={"All": False, "ChartMogul": True})
    for n in range(5):  # no information: nothing but an id
        at, ids, _ = person(n + 9)
        s.add("identify", at, ids, traits={})
    for n, wrong in enumerate(("n/a", "amelia.hart(at)northwind-bicycles.example", "jo hn@quokkapay.example")):
        at, ids, traits = person(n + 14)
        s.add("identify", at, ids, traits=traits | {"email": wrong})
    at, ids, traits = person(17)
    s.add("identify", at, ids, traits=traits | {"linkedIn": "linkedin.com/in/example-no-scheme"})
    for n, wrong in enumerate(("15/01/2024", "yesterday")):
        company = companies[n + 4]
        ids = {"userId": company.users[0]["user_id"], "groupId": company.group_id}
        s.add("group", company.born + timedelta(hours=30), ids, traits=company.firm() | {"createdAt": wrong})
    for n in range(2):  # rejected: sentAt is required
        at, ids, traits = person(n + 18)
        del s.add("identify", at, ids, traits=traits)["sentAt"]
    for n in range(3):  # rejected: an account-level audience sends group calls without a user
        company = companies[n + 8]
        audience = {
            "personas": {"computation_class": "audience", "computation_id": "aud_example", "namespace": "spa_example"}
        }
        s.add(
            "group",
            company.born + timedelta(hours=44),
            {"groupId": company.group_id},
            traits={"big_spender": True},
            context=audience,
        )
    for n in range(2):  # rejected: nobody is identified
        at, _, traits = person(n + 20)
        s.add("identify", at, {}, traits=traits)
    for n in range(4):  # delivered: a company without an id is left out; anonymous visitors are contacts as well
        at, _, traits = person(n + 22)
        ids = {"userId": None, "anonymousId": s.uuid()}
        s.add(
            "identify",
            at,
            ids,
            traits={"email": f"lead{n}@{companies[n].domain}", "company": {"name": companies[n].row[0]}},
            web=True,
        )


def generate() -> str:
    """The file's text: one event a line, in the order in which they were received."""
    stream = Stream()
    people = [*PEOPLE, *PEOPLE]
    companies = []
    for index in range(len(COMPANIES)):
        count = 2 + index % 4
        companies.append(Company(stream, index, people[:count]))
        del people[:count]
    for company in companies:
        company.tell()
    add_oddities(stream, companies)
    stream.events.sort(key=lambda pair: pair[0])
    return "".join(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for _, event in stream.events)


if __name__ == "__main__":
    FILE.write_text(generate(), encoding="utf-8")
