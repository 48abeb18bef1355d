from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.sandbox.store import CompanyMode, Delivery, Store

EVENT = {"message_id": "m", "timestamp": "t", "sent_at": "s"}


@pytest.fixture
def store():
    opened = Store(None, CompanyMode.ADDED_TO_COMPANY)
    yield opened
    opened.close()


def record(store, body, *, n=1, accepted=True):
    store.record(
        Delivery(
            n=n,
            post=n,
            received_at=float(n),
            finished_at=n + 0.5,
            status=200 if accepted else 500,
            answered=True,
            accepted=accepted,
            duplicate=False,
            fault="",
            headers={"content-type": "application/json"},
            body=body,
            raw=orjson.dumps(body),
        )
    )


def contact(**fields):
    return {"type": "Send Contact", **EVENT, **fields}


def customer(**fields):
    return {"type": "Send Customer", **EVENT, "user_id": "u", "group_id": "g", **fields}


def test_a_later_message_overwrites_what_it_has_and_leaves_the_rest(store):
    record(store, contact(user_id="u", email="a@b.co", name="Ada Lovelace", company={"id": "c", "name": "Acme"}))
    record(store, contact(user_id="u", email="new@b.co", company={"id": "c"}), n=2)
    (entry,), more = store.contacts()
    assert more is None
    assert (
        entry["email"],
        entry["first_name"],
        entry["last_name"],
        entry["customer_external_id"],
        entry["external_id"],
    ) == ("new@b.co", "Ada", "Lovelace", "c", "u")
    (company,), _ = store.customers()
    assert (company["external_id"], company["name"]) == ("c", "Acme")
    assert company["uuid"] == entry["customer_uuid"]


def test_what_was_not_accepted_changes_nothing_but_is_listed(store):
    record(store, contact(user_id="u"), accepted=False)
    assert store.contacts() == ([], None)
    assert [entry["status"] for entry in store.deliveries()] == [500]


def test_an_anonymous_contact_is_known_by_its_anonymous_id(store):
    record(store, contact(anonymous_id="a", name="Cher"))
    record(store, contact(user_id="", anonymous_id="a", email="c@d.co"), n=2)
    (entry,), _ = store.contacts()
    assert (
        entry["external_id"],
        entry["first_name"],
        entry["last_name"],
        entry["email"],
    ) == ("a", "Cher", None, "c@d.co")


def test_a_customer_s_fields_land_where_the_api_has_them(store):
    record(store, customer(name="Acme", website="acme.co", description="d", created_at=5, address={"street": "1 A St"}))
    record(store, customer(address={"city": "Zürich", "postal_code": "8000"}), n=2)
    (entry,), _ = store.customers()
    assert entry["website_url"] == "acme.co"
    assert entry["address"] == {"address_zip": "8000", "city": "Zürich", "state": None, "country": None}
    assert entry["attributes"]["custom"] == {"description": "d", "created_at": 5, "street": "1 A St"}
    assert entry["status"] == "New_Lead"


def test_send_customer_links_its_user_unless_the_contact_names_a_company(store):
    record(store, customer(user_id="u1", group_id="g"))
    record(store, contact(user_id="u1"), n=2)
    record(store, contact(user_id="u2", company={"id": "c"}), n=3)
    record(store, customer(user_id="u2", group_id="g"), n=4)
    assert [entry["customer_external_id"] for entry in store.contacts()[0]] == ["g", "c"]


@pytest.mark.parametrize(
    ("mode", "customers", "link"),
    [(CompanyMode.ADDED_TO_COMPANY, [], None), (CompanyMode.ID_CREATED, [("u", "Ada")], "u")],
)
def test_whether_a_contact_alone_makes_a_customer_is_the_mode_s_decision(store, mode, customers, link):
    store.company_mode = mode
    record(store, contact(user_id="u", name="Ada"))
    assert customers == [(entry["external_id"], entry["name"]) for entry in store.customers()[0]]
    assert link == store.contacts()[0][0]["customer_external_id"]


def test_a_contact_in_a_company_makes_no_customer_of_its_own(store):
    store.company_mode = CompanyMode.ID_CREATED
    record(store, customer(user_id="u", group_id="g"))
    record(store, contact(user_id="u"), n=2)
    assert [entry["external_id"] for entry in store.customers()[0]] == ["g"]


def test_pages(store):
    for n in range(1, 6):
        record(store, contact(user_id=f"u{n}", company={"id": f"c{n}"}), n=n)
    first, cursor = store.contacts(limit=3)
    rest, end = store.contacts(after=cursor, limit=3)
    assert [entry["external_id"] for entry in first + rest] == ["u1", "u2", "u3", "u4", "u5"]
    assert end is None
    assert [entry["n"] for entry in store.deliveries(after=3)] == [4, 5]
    assert store.customers(limit=5)[1] is None
    assert store.count("deliveries") == 5


def test_bodies_that_are_no_json_or_no_message_are_kept_as_they_came(store):
    record(store, ["x"], accepted=False)
    store.record(
        Delivery(
            n=2,
            post=2,
            received_at=1.0,
            finished_at=2.0,
            status=400,
            answered=True,
            accepted=False,
            duplicate=False,
            fault="",
            headers={},
            body="no \ufffd json",
            raw=b"no \xff json",
        )
    )
    record(store, {"type": 5, "message_id": None}, n=3, accepted=False)
    assert [d["body"] for d in store.deliveries()] == [["x"], "no \ufffd json", {"type": 5, "message_id": None}]


def test_a_file_counts_on_where_it_stopped(tmp_path):
    path = str(tmp_path / "sandbox.db")
    for start in (1, 3):
        store = Store(path, CompanyMode.ADDED_TO_COMPANY)
        assert list(store.last) == [start - 1, start - 1]
        assert store.delivered == (start - 1) // 2
        assert store.is_new("Send Contact", f"m{start}")
        record(store, contact(user_id="u", message_id=f"m{start}"), n=start)
        assert not store.is_new("Send Contact", f"m{start}")
        record(store, contact(user_id="u", message_id=f"m{start}"), n=start + 1)
        store.close()


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.dictionaries(st.sampled_from(["name", "title"]), st.text())), max_size=9
    )
)
def test_upserts_are_a_dict_update_per_contact(messages):
    store = Store(None, CompanyMode.ADDED_TO_COMPANY)
    model: dict[str, dict[str, str]] = {}
    for n, (user, fields) in enumerate(messages, 1):
        model.setdefault(user, {}).update(fields)
        record(store, contact(user_id=user, **fields), n=n)
    shown = {entry["external_id"]: entry for entry in store.contacts()[0]}
    store.close()
    assert set(model) == set(shown)
    for user, fields in model.items():
        assert [fields.get("name"), fields.get("title")] == [shown[user]["name"], shown[user]["title"]]
