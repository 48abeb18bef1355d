"""Which deliveries of a record are sent again, and what the letter says of one that failed again."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import orjson
import pytest

from consumer.chartmogul.router import DEFAULT_MAPPINGS, Router
from consumer.delivery.messages import DeadLetter, Partition
from consumer.kafka.decode import Decoder, Fallbacks
from consumer.outcomes import (
    Action,
    DecodeReason,
    DeliverReason,
    FieldError,
    Post,
    Reject,
    RejectReason,
    Skip,
    SkipReason,
    Stage,
)
from consumer.replay.letterbox import ReplayLetterbox
from consumer.replay.planning import ReplayPlanner, only_failed, only_of
from consumer.replay.selection import Origin, Selection
from tests.unit.replay.cases import AT_MS, TOPIC, letter, record


def post(mapping: str) -> Post:
    return Post(mapping, Action.SEND_CONTACT, "lane", b"{}", "m", "identify")


LEADS, OTHERS = post("leads"), post("others")
REFUSED = Reject(RejectReason.INVALID_PAYLOAD, Stage.VALIDATE, "leads", "identify", (FieldError("email", "none"),))
UNDECODABLE = Reject(DecodeReason.INVALID_JSON, Stage.DECODE)
FILTERED = Skip(SkipReason.FILTERED_BY_RULES, event_type="identify")


@pytest.mark.parametrize(
    ("planned", "mapping", "left"),
    [
        ([LEADS, OTHERS], "leads", [LEADS]),
        ([LEADS, OTHERS], "", [LEADS, OTHERS]),
        ([LEADS, OTHERS, LEADS], "leads", [LEADS, LEADS]),
        ([REFUSED, OTHERS], "leads", [REFUSED]),
        ([OTHERS], "leads", [Skip(SkipReason.NO_MATCHING_MAPPING, "leads", "identify")]),
        ([FILTERED], "leads", [Skip(SkipReason.FILTERED_BY_RULES, "leads", "identify")]),
        # Parked again it must still say which mapping it is about: the next run would send it by all of them.
        ([UNDECODABLE], "leads", [Reject(DecodeReason.INVALID_JSON, Stage.DECODE, "leads")]),
        ([UNDECODABLE, FILTERED], "leads", [Skip(SkipReason.FILTERED_BY_RULES, "leads", "identify")]),
        ([UNDECODABLE, LEADS], "leads", [LEADS]),
    ],
)
def test_only_what_failed_is_sent_again(planned, mapping, left):
    assert list(only_failed(planned, mapping)) == left


def test_of_source_records_mappings_can_be_chosen():
    assert list(only_of([LEADS, OTHERS, FILTERED], {"leads"})) == [LEADS, FILTERED]
    assert list(only_of([LEADS], {"others"})) == [Skip(SkipReason.NO_MATCHING_MAPPING, "", "identify")]


EVENT = orjson.dumps(
    {
        "type": "identify",
        "messageId": "m",
        "userId": "u",
        "timestamp": "2026-01-01T00:00:00Z",
        "sentAt": "2026-01-01T00:00:00Z",
        "traits": {"email": "u@example.com", "company": {"id": "c"}},
    }
)


def planner(**changes) -> ReplayPlanner:
    selection = Selection(**{"origin": Origin.DEAD_LETTERS, "topics": (TOPIC,), **changes})
    return ReplayPlanner(Decoder("auto", "none"), Router().route, selection)


def test_a_letter_is_planned_by_the_mappings_of_today():
    contact = next(spec.name for spec in DEFAULT_MAPPINGS if spec.action is Action.SEND_CONTACT)
    of_today, gone = planner().records(
        [letter(0, value=EVENT, mapping=contact), letter(1, value=EVENT, mapping="renamed since")]
    )
    (sent,) = of_today.planned
    assert (type(sent), sent.mapping) == (Post, contact)
    assert gone.planned == (Skip(SkipReason.NO_MATCHING_MAPPING, "renamed since", "identify"),)
    assert of_today.offset == 0


def batch(*values: bytes) -> bytes:
    return b"[" + b",".join(values) + b"]"


def person(email: str) -> bytes:
    event = orjson.loads(EVENT)
    return orjson.dumps(event | {"traits": event["traits"] | {"email": email}})


def planned_of(value: bytes, **changes):
    selection = Selection(Origin.DEAD_LETTERS, (TOPIC,))
    (found,) = ReplayPlanner(Decoder("auto", "batch"), Router().route, selection).records(
        [letter(0, value=value, **changes)]
    )
    return found.planned


def test_of_a_batch_only_the_event_that_failed_is_sent_again():
    contact = next(spec.name for spec in DEFAULT_MAPPINGS if spec.action is Action.SEND_CONTACT)
    value = batch(person("a@example.com"), b"7", person("b@example.com"))
    (undecodable,) = planned_of(value, mapping="", event=1)
    assert (type(undecodable), undecodable.event) == (Reject, 1)
    (sent,) = planned_of(value, mapping=contact, event=2)
    assert (orjson.loads(sent.body)["email"], sent.event) == ("b@example.com", 2)
    assert len(planned_of(value, mapping="")) == 3, "a letter of an old version does not say"
    assert len(planned_of(value, mapping="", event=3)) == 3, "the settings have changed: nothing may be lost"


def test_a_letter_has_the_time_of_its_record():
    """It is another than that of the letter, and may become the contact's own."""
    event = orjson.dumps({**orjson.loads(EVENT), "sentAt": None})
    decoder = Decoder("auto", "none", fallbacks=Fallbacks(sent_at=("record_time",)))
    records = ReplayPlanner(decoder, Router().route, Selection(Origin.DEAD_LETTERS, (TOPIC,))).records
    known, unknown = records(letter(0, value=event, mapping="", record_at_ms=at) for at in (AT_MS - 60_000, 0))
    (sent,), (refused,) = known.planned, unknown.planned
    assert orjson.loads(sent.body)["sent_at"] == "2026-09-21T14:12:20.000Z"
    assert type(refused) is Reject


def test_a_source_record_is_planned_whole():
    (whole,) = planner(origin=Origin.SOURCE).records([record(0, value=EVENT)])
    (none,) = planner(origin=Origin.SOURCE, mappings=frozenset({"other"})).records([record(0, value=EVENT)])
    assert [type(plan) for plan in whole.planned] == [Post]
    assert whole.timestamp_ms == AT_MS
    assert none.planned == (Skip(SkipReason.NO_MATCHING_MAPPING, "", "identify"),)


# ---- letters of letters


def said_of(message, *, attempts: int = 1, event: int | None = None):
    """What the letter of a delivery says that failed for the second time."""
    clock = SimpleNamespace(unix=lambda: AT_MS / 1000 + 60, monotonic=Random(1).random)
    box = ReplayLetterbox(None, "group.replay.run", clock, lambda *_: None)
    reason, partition = DeliverReason.HTTP_REJECTED, Partition(TOPIC, 0)
    again = DeadLetter(1, partition, 5, message, Stage.DELIVER, reason, "leads", "", attempts=attempts, event=event)
    return box.context(again, message)


def test_it_says_where_the_record_stands_and_adds_up():
    said = said_of(letter(5, 77, attempts=3), attempts=2)
    assert (said.topic, said.partition, said.offset) == ("events", 3, 77)
    assert (said.attempts, said.first_at_ms, said.at_ms) == (5, AT_MS, AT_MS + 60_000)
    assert said.group == "group.replay.run"
    third = said_of(letter(9, 77, attempts=5, first_at_ms=AT_MS - 1000))
    assert (third.attempts, third.first_at_ms) == (6, AT_MS - 1000)
    assert said_of(letter(5, record_at_ms=AT_MS - 5)).record_at_ms == AT_MS - 5
    assert said_of(letter(5)).record_at_ms == 0, "not that of the letter"
    assert said_of(letter(5)).event is None
    assert said_of(letter(5, event=2)).event == 2
    assert said_of(letter(5, event=2), event=0).event == 0


def test_the_letter_of_a_source_record_is_the_services_own():
    said = said_of(record(5))
    assert (said.topic, said.partition, said.offset, said.attempts, said.first_at_ms) == (TOPIC, 0, 5, 1, 0)
    assert said.record_at_ms == AT_MS


def test_headers_that_somebody_else_has_written_break_nothing():
    said = said_of(
        record(5, [("dlq_schema", b"1"), ("dlq_offset", b"-1"), ("dlq_attempts", b"many"), ("dlq_at", None)])
    )
    assert (said.topic, said.offset, said.attempts, said.first_at_ms) == (TOPIC, 5, 1, 0)
