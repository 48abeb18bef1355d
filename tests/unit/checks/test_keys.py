"""What sampled records become, and whether their keys keep each customer's and contact's order."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest

from consumer.chartmogul.router import Router
from consumer.checks.finding import Verdict
from consumer.checks.sample import Lanes
from consumer.delivery.messages import Partition
from consumer.kafka.decode import Decoder

NOW = "2026-01-01T00:00:00Z"
PARTITIONS = [Partition("events", 0), Partition("events", 1)]


@dataclass
class FakeMessage:
    body: bytes | None
    held: bytes | None
    number: int = 0

    def topic(self):
        return "events"

    def partition(self):
        return self.number

    def key(self):
        return self.held

    def value(self):
        return self.body

    def headers(self):
        return None

    def timestamp(self):
        return (1, 1_767_225_600_000)


def identify(user: str, key: bytes | None, number: int = 0) -> FakeMessage:
    event = {"type": "identify", "messageId": "m", "userId": user, "timestamp": NOW, "sentAt": NOW}
    traits = {"email": f"{user}@example.com", "company": {"id": "c"}}
    return FakeMessage(json.dumps({**event, "traits": traits}).encode(), key, number)


def look(*messages: FakeMessage) -> Lanes:
    lanes = Lanes(Decoder("auto", "none"), Router().route)
    lanes.look(messages)
    return lanes


def test_records_keyed_by_their_user_pass():
    found = look(*(identify(f"u{n}", f"u{n}".encode(), n % 2) for n in range(10))).keys(PARTITIONS)
    assert found.verdict is Verdict.PASS
    assert found.says == "10 customers and contacts, each in one partition"


@pytest.mark.parametrize("key", [None, b"", b"tenant-7", b"\xff\xfe"])
def test_records_without_a_key_or_with_another_are_told(key):
    found = look(*(identify(f"u{n}", key, n % 2) for n in range(10))).keys(PARTITIONS)
    assert found.verdict is Verdict.WARN
    assert "order cannot be kept" in found.remedies[0]
    assert f"{10 if not key else 0} have no key, {10 if key else 0} a key other" in found.says


def test_a_contact_in_two_partitions_is_told_whatever_its_key():
    found = look(identify("u", b"u", 0), identify("u", b"u", 1)).keys(PARTITIONS)
    assert found.verdict is Verdict.WARN
    assert "1 of 1 customers and contacts lie in several" in found.says


def test_one_partition_keeps_the_order_without_keys():
    assert look(identify("a", None), identify("b", None)).keys(PARTITIONS[:1]).verdict is Verdict.PASS


def test_a_group_keyed_by_its_group_or_by_its_member_is_keyed():
    event = {"type": "group", "messageId": "m", "userId": "u", "groupId": "g", "timestamp": NOW, "sentAt": NOW}
    body = json.dumps({**event, "traits": {"name": "G"}}).encode()
    assert (
        look(*(FakeMessage(body, key, 1) for key in (b"g", b"u", b'{"id":"g"}'))).keys(PARTITIONS).verdict
        is Verdict.PASS
    )


def test_what_would_become_of_the_records():
    skipped = FakeMessage(b'{"type": "track", "event": "x"}', b"k")
    found = look(identify("u", b"u"), skipped).outcomes()
    assert found.verdict is Verdict.PASS
    assert found.says == "of 2 deliveries 1 would be sent; 1 no_matching_mapping"


def test_every_record_is_in_the_account():
    kinds = [FakeMessage(b'{"type": "%s", "event": "x"}' % kind, b"k") for kind in (b"track", b"page", b"screen", b"?")]
    broken = [FakeMessage(value, b"k") for value in (b"{", b"\xff{", b"[]", b"{}", None)]
    says = look(*kinds, *broken, identify("u", b"u")).outcomes().says
    _, *counts = map(int, re.findall(r"\b(\d+)\b", says))
    assert sum(counts) == len(kinds) + len(broken) + 1
    assert "for other reasons" in says


def test_a_stream_that_is_not_of_events_is_told():
    found = look(*[FakeMessage(b"garbage", b"k")] * 3, identify("u", b"u")).outcomes()
    assert found.verdict is Verdict.WARN
    assert "3 " in found.says
    assert "source.format" in found.remedies[0]


def test_no_record_says_nothing():
    assert {look().outcomes().verdict, look().keys(PARTITIONS).verdict} == {Verdict.SKIP}
