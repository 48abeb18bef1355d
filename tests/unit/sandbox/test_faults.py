from __future__ import annotations

from random import Random

import pytest

from consumer.sandbox.faults import NO_FAULT, FaultError, Faults, Rule


def faults(*rules):
    made = Faults(Random(1))
    made.replace(list(rules))
    return made


def test_no_rules_no_fault():
    assert not faults()
    assert faults().draw([{}]) is NO_FAULT


def test_the_first_outcome_decides_and_latencies_before_it_add_up():
    drawn = faults({"latency": 0.5}, {"latency": 1}, {"status": 503}, {"status": 500}, {"latency": 9}).draw([{}])
    assert drawn.wait_seconds == 1.5
    assert drawn.rule is not None
    assert drawn.rule.status == 503


def test_a_latency_alone_leaves_the_answer():
    drawn = faults({"latency_seconds": [0.25, 0.75]}).draw([{}])
    assert 0.25 <= drawn.wait_seconds <= 0.75
    assert drawn.rule is None


def test_a_count_is_used_up():
    made = faults({"status": 500, "count": 2})
    assert [made.draw([{}]).rule is not None for _ in range(4)] == [True, True, False, False]
    assert made.shown() == [{"status": 500, "probability": 1.0, "count": 2, "hits": 2}]


def test_a_probability_is_kept_in_the_long_run():
    made = faults({"status": 503, "probability": 0.1})
    hits = sum(made.draw([{}]).rule is not None for _ in range(5000))
    assert 400 < hits < 600
    assert made.shown()[0]["hits"] == hits


def test_a_match_picks_out_one_contact_and_any_delivery_of_a_batch():
    made = faults({"reset": True, "match": {"user_id": "u-1", "company.id": ["a", "b"]}})
    one = {"user_id": "u-1", "company": {"id": "b"}}
    assert made.draw([one]).rule is not None
    assert made.draw([{"user_id": "u-2"}, one]).rule is not None
    assert made.draw([{"user_id": "u-1", "company": {"id": "c"}}]).rule is None
    assert made.draw([{"user_id": "u-1", "company": "b"}]).rule is None
    assert made.draw(["text"]).rule is None


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({"stauts": 500}, "stauts"),
        ({"status": 100}, "status"),
        ({"status": "500"}, "status"),
        ({"status": True}, "status"),
        ({"latency": -1}, "latency_seconds"),
        ({"latency": [2, 1]}, "latency_seconds"),
        ({"latency": [1, 2, 3]}, "latency_seconds"),
        ({"latency": "1"}, "latency_seconds"),
        ({"hang": 1}, "hang"),
        ({"probability": 2}, "probability"),
        ({"probability": float("nan")}, "probability"),
        ({"match": "u"}, "match"),
        ({"count": 1.5}, "count"),
        ({"retry_after": []}, "retry_after"),
        ("503", "object"),
    ],
)
def test_a_mistake_is_named_and_the_old_rules_stay(rule, word):
    made = faults({"status": 500})
    with pytest.raises(FaultError, match=rf"rules\[1\].*{word}"):
        made.replace([{"status": 503}, rule])
    assert made.draw([{}]).rule == Rule(status=500)


def test_one_rule_a_list_or_an_object_of_rules():
    made = faults()
    for value in ({"status": 503}, [{"status": 503}], {"rules": [{"status": 503, "retry_after": None}]}):
        made.replace(value)
        assert made.draw([]).rule == Rule(status=503)
