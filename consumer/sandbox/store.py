"""What arrived, and the contacts and customers it made: SQLite, written in chunks, so that a request costs an append.

Assumptions about ChartMogul, which publishes no rule for its webhook:

* a contact is known by its user_id, else by its anonymous_id; a customer by its group_id or the contact's company.id;
* a later message overwrites the fields it has and leaves the others;
* Send Customer links its user_id's contact to the group where that contact names no company itself;
* a contact that is linked to no company is kept and listed, with no customer;
* ``street``, ``description`` and a customer's ``created_at`` have no field in ChartMogul's API: custom attributes.
"""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct

from consumer.sandbox.listing import contact_entry, customer_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK: Final = 256
"""Deliveries written at once: some 2 ms in which no request is answered."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS deliveries (
    n INTEGER PRIMARY KEY, post INTEGER, received_at REAL, finished_at REAL, status INTEGER, answered INTEGER,
    accepted INTEGER, duplicate INTEGER, fault TEXT, type TEXT, message_id TEXT, headers TEXT, body BLOB);
CREATE TABLE IF NOT EXISTS contacts (
    id INTEGER PRIMARY KEY, external_id TEXT UNIQUE NOT NULL, company_id TEXT, fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS customers (
    id INTEGER PRIMARY KEY, external_id TEXT UNIQUE NOT NULL, fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS memberships (user_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL);
"""
# json_patch merges: fields of the newer message win, those that it does not have stay.
_UPSERT_CONTACT: Final = """
INSERT INTO contacts (external_id, company_id, fields) VALUES (?, ?, ?) ON CONFLICT (external_id) DO UPDATE SET
    company_id = COALESCE(excluded.company_id, company_id), fields = json_patch(fields, excluded.fields)"""
_UPSERT_CUSTOMER: Final = """
INSERT INTO customers (external_id, fields) VALUES (?, ?)
ON CONFLICT (external_id) DO UPDATE SET fields = json_patch(fields, excluded.fields)"""
_UPSERT_MEMBERSHIP: Final = "INSERT OR REPLACE INTO memberships (user_id, customer_id) VALUES (?, ?)"
_LINK: Final = """
SELECT COALESCE(c.company_id, m.customer_id) FROM contacts c LEFT JOIN memberships m ON m.user_id = c.external_id
WHERE c.external_id = ?"""
_EVENT_KEYS: Final = frozenset({"type", "message_id", "timestamp", "sent_at", "company"})


class CompanyMode(StrEnum):
    """ChartMogul's setting *Create company in ChartMogul when ...*, in its two values."""

    ID_CREATED = "email_or_user_id_is_created"
    """Everyone is a lead: a contact without a company makes a customer of its own (assumed: by the contact's id)."""
    ADDED_TO_COMPANY = "user_is_added_to_company"
    """Only companies are customers."""


class Delivery(Struct, frozen=True):
    """One body that arrived; several share a post where it was an array or lines.

    Attributes:
        n: 1, 2, ... in order of arrival.
        post: the request's number, likewise.
        received_at, finished_at: when its request came and when its answer was due; Unix seconds on a steady clock.
        status: what it was answered with; None where it was hung or reset.
        answered: False where the sender had left before.
        accepted: it is in force: answered with 2xx (or a fault's ``accept``), and no connection test.
        duplicate: accepted, as one of the same type and message_id had been before.
        fault: ``status``, ``hang`` or ``reset`` where a fault decided, else "".
        body: the JSON value, or the raw text where it was none.
        raw: its bytes.
    """

    n: int
    post: int
    received_at: float
    finished_at: float
    status: int | None
    answered: bool
    accepted: bool
    duplicate: bool
    fault: str
    headers: Mapping[str, str]
    body: Any
    raw: bytes


class Store:
    """The database; used on one thread."""

    def __init__(self, path: str | None, company_mode: CompanyMode) -> None:
        """Open ``path``, or a database in memory; what is in it counts on.

        Raises:
            sqlite3.Error: it cannot be opened or is no database.
        """
        self._db = sqlite3.connect(path if path is not None else ":memory:", isolation_level=None)
        self._mode = company_mode
        self._pending: list[Delivery] = []
        self._seen: set[tuple[str, str]] = set()
        self.duplicates = 0
        try:
            self._restore()
        except sqlite3.Error:
            self._db.close()
            raise

    def _restore(self) -> None:
        """Make the tables where they are missing, and count what is in them."""
        self._db.execute("PRAGMA synchronous=OFF")  # it survives a crash of this process, which is what it is for
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(_SCHEMA)
        query = "SELECT type, message_id, duplicate FROM deliveries WHERE accepted"
        for kind, message_id, duplicate in self._db.execute(query):
            self._seen.add((kind, message_id))
            self.duplicates += duplicate
        self.last = self._db.execute("SELECT COALESCE(MAX(n), 0), COALESCE(MAX(post), 0) FROM deliveries").fetchone()

    @property
    def delivered(self) -> int:
        """Distinct messages accepted."""
        return len(self._seen)

    @property
    def company_mode(self) -> CompanyMode:
        """The mode; set it for what arrives from now on."""
        return self._mode

    @company_mode.setter
    def company_mode(self, mode: CompanyMode) -> None:
        self.flush()
        self._mode = mode

    def is_new(self, kind: str, message_id: str) -> bool:
        """Count an accepted message: True if it is the first of its type and message_id."""
        key = (kind, message_id)
        if key in self._seen:
            self.duplicates += 1
            return False
        self._seen.add(key)
        return True

    def record(self, delivery: Delivery) -> None:
        """Keep a delivery that has ended; it is written with the next chunk, or when something is read."""
        self._pending.append(delivery)
        if len(self._pending) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO deliveries VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", map(_row, pending))
        for delivery in pending:
            if delivery.accepted:
                self._apply(delivery.body)
        self._db.execute("COMMIT")

    def deliveries(self, *, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Those with ``n`` above ``after`` that have ended, in order of arrival."""
        self.flush()
        rows = self._db.execute("SELECT * FROM deliveries WHERE n > ? ORDER BY n LIMIT ?", (after, limit))
        return [_shown(row) for row in rows]

    def count(self, table: str) -> int:
        """Rows in ``deliveries``, ``contacts`` or ``customers``."""
        self.flush()
        (count,) = self._db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608 - a name from our own code
        return int(count)

    def contacts(self, *, after: int = 0, limit: int = 200) -> tuple[list[dict[str, Any]], int | None]:
        """A page of contacts as ChartMogul lists them, and where the next begins."""
        self.flush()
        rows = self._db.execute(
            "SELECT c.id, c.external_id, COALESCE(c.company_id, m.customer_id, u.external_id), c.fields FROM contacts c"
            " LEFT JOIN memberships m ON m.user_id = c.external_id LEFT JOIN customers u"
            " ON u.external_id = c.external_id WHERE c.id > ? ORDER BY c.id LIMIT ?",
            (after, limit + 1),
        ).fetchall()
        page = [contact_entry(external_id, company, orjson.loads(fields)) for _, external_id, company, fields in rows]
        return page[:limit], rows[limit - 1][0] if len(rows) > limit else None

    def customers(self, *, after: int = 0, limit: int = 200) -> tuple[list[dict[str, Any]], int | None]:
        """A page of customers as ChartMogul lists them, and where the next begins."""
        self.flush()
        query = "SELECT id, external_id, fields FROM customers WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._db.execute(query, (after, limit + 1)).fetchall()
        page = [customer_entry(external_id, orjson.loads(fields)) for _, external_id, fields in rows]
        return page[:limit], rows[limit - 1][0] if len(rows) > limit else None

    def close(self) -> None:
        """Write and close."""
        self.flush()
        self._db.close()

    def _apply(self, body: dict[str, Any]) -> None:
        fields = orjson.dumps({key: value for key, value in body.items() if key not in _EVENT_KEYS}).decode()
        run = self._db.execute
        if body["type"] == "Send Customer":
            run(_UPSERT_CUSTOMER, (body["group_id"], fields))
            run(_UPSERT_MEMBERSHIP, (body["user_id"], body["group_id"]))
            return
        external_id = body.get("user_id") or body["anonymous_id"]
        company = body.get("company")
        run(_UPSERT_CONTACT, (external_id, company["id"] if company else None, fields))
        if company:
            named = {"name": company["name"]} if "name" in company else {}
            run(_UPSERT_CUSTOMER, (company["id"], orjson.dumps(named).decode()))
        elif self._mode is CompanyMode.ID_CREATED and run(_LINK, (external_id,)).fetchone()[0] is None:
            named = {key: body[key] for key in ("name", "email") if body.get(key)}
            run(_UPSERT_CUSTOMER, (external_id, orjson.dumps(named).decode()))


def _row(delivery: Delivery) -> tuple[Any, ...]:
    body = delivery.body
    typed = isinstance(body, dict)
    return (
        delivery.n,
        delivery.post,
        delivery.received_at,
        delivery.finished_at,
        delivery.status,
        delivery.answered,
        delivery.accepted,
        delivery.duplicate,
        delivery.fault,
        _text(body.get("type")) if typed else None,
        _text(body.get("message_id")) if typed else None,
        orjson.dumps(delivery.headers).decode(),
        delivery.raw,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _shown(row: tuple[Any, ...]) -> dict[str, Any]:
    n, post, received_at, finished_at, status, answered, accepted, duplicate, fault, kind, message_id, headers, raw = (
        row
    )
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = raw.decode("utf-8", "replace")
    return {
        "n": n,
        "post": post,
        "received_at": received_at,
        "finished_at": finished_at,
        "status": status,
        "answered": bool(answered),
        "accepted": bool(accepted),
        "duplicate": bool(duplicate),
        "fault": fault,
        "type": kind,
        "message_id": message_id,
        "headers": orjson.loads(headers),
        "body": body,
    }
