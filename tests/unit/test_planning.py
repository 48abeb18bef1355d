"""Messages become the machine's records."""

from __future__ import annotations

from collections import Counter

from confluent_kafka import Message

from consumer.kafka.decode import Decoder, Fallbacks
from consumer.outcomes import Action, Post, Skip, SkipReason
from consumer.planning import Planner


def post(mapping: str) -> Post:
    return Post(mapping, Action.SEND_CONTACT, "lane", b"{}", "m", "identify")


def test_looking_at_a_record_again_for_the_log_counts_no_fallback_again():
    used = Counter()
    decoder = Decoder(
        fallbacks=Fallbacks(sent_at=("timestamp",)),
        count_fallback=lambda field, source: used.update([(field, source)]),
    )
    planner = Planner(decoder, lambda event: [event["sentAt"]])
    message = Message(
        topic="t",
        partition=0,
        offset=0,
        value=b'{"type":"identify","messageId":"m-1","timestamp":"2026-11-23"}',
        timestamp=(1, 1_700_000_000_000),
    )
    (record,) = planner.records([message])
    assert record.planned == ["2026-11-23"]
    assert planner.message_id(message) == "m-1"
    assert used == {("sentAt", "timestamp"): 1}


def test_of_a_record_of_several_events_each_delivery_says_which():
    planner = Planner(Decoder("auto", "batch"), lambda event: [Skip(SkipReason.NO_INFORMATION), post(event["type"])])
    value = b'[{"type":"identify"},7,{"type":"group"}]'
    batch, one = planner.records(
        [Message(topic="t", partition=0, offset=0, value=each) for each in (value, value[1:20])]
    )
    assert [getattr(plan, "event", "skipped") for plan in batch.planned] == ["skipped", 0, 1, "skipped", 2]
    assert [plan.mapping for plan in batch.planned] == ["", "identify", "", "", "group"]
    assert one.planned[1].event is None
