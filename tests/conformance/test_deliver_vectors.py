"""The original's recorded deliveries: every line must agree, and the shipped default may differ for one reason only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consumer.chartmogul.compiled import DEFAULT_MAPPINGS
from consumer.chartmogul.router import Router
from consumer.outcomes import Post, Reject, Skip
from consumer.segment import js_json
from tests.conformance.run import run

VECTORS = Path(__file__).parent / "vectors"
COMPARED = ("subscription", "partnerAction", "outcome", "reason", "retryable", "status")


def vectors(name: str) -> list[dict[str, Any]]:
    with (VECTORS / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return [js_json.decode(line) for line in lines]


def view(result: dict[str, Any]) -> dict[str, Any]:
    """What has to agree: requests in order, results; not the user agent, not messages."""
    return {
        "requests": [
            (
                each["subscription"],
                each["method"],
                json.dumps(each["body"], sort_keys=True),
                each["headers"]["content-type"],
            )
            for each in result["requests"]
        ],
        "results": [{key: each.get(key) for key in COMPARED} for each in result["results"]],
    }


@pytest.mark.parametrize("name", ["deliver_default", "deliver_custom"])
def test_every_recorded_delivery(name):
    wrong = [
        vector["id"] for vector in vectors(name) if view(run("deliver", vector["input"])) != view(vector["expected"])
    ]
    assert wrong == []


def test_only_a_company_without_an_id_differs_by_default():
    """Hosted mode refuses an identify without ``traits.company.id``; by default it goes out without the company."""
    differing = 0
    for vector in vectors("deliver_default"):
        event, hosted = vector["input"]["event"], view(vector["expected"])
        ours = view(run("deliver", vector["input"], require_company_id=False))
        if ours == hosted:
            continue
        differing += 1
        assert event["type"] == "identify", vector["id"]
        traits = event.get("traits")
        company = traits.get("company") if isinstance(traits, dict) else None
        assert not isinstance(company, dict) or company.get("id") is None, vector["id"]
        assert hosted["results"][0]["reason"] == "invalid_payload", vector["id"]
        assert ours["results"][1] == hosted["results"][1], vector["id"]
        assert all("company" not in json.loads(request[2]) for request in ours["requests"]), vector["id"]
    assert differing > 20


def test_the_router_as_a_whole_says_the_same():
    """All mappings at once, through the gates and the index, as the service does it."""
    router = Router(require_company_id=True)
    names = [spec.name for spec in DEFAULT_MAPPINGS]
    for vector in vectors("deliver_default"):
        event = vector["input"]["event"]
        planned = router.route({key: value for key, value in event.items() if key != "integrations"})
        bodies = [
            (names.index(each.mapping), js_json.decode(each.body.decode()))
            for each in planned
            if isinstance(each, Post)
        ]
        assert bodies == [(each["subscription"], each["body"]) for each in vector["expected"]["requests"]], vector["id"]
        refused = {names.index(each.mapping): each.reason.value for each in planned if isinstance(each, Reject)}
        recorded = {
            each["subscription"]: each["reason"]
            for each in vector["expected"]["results"]
            if each["outcome"] == "rejected"
        }
        assert refused == recorded, vector["id"]
        if not bodies and not refused:
            assert [type(each) for each in planned] == [Skip], vector["id"]
