"""The machine goes on by itself: after halts, hand-overs and timers that come early. Each of these once stood still.

Most were found by histories of the simulator (`tests/simulation`); here each has its few steps.
"""

import pytest

from consumer.delivery.gate import GateSettings
from consumer.delivery.halt import HaltReason
from consumer.delivery.messages import (
    Assigned,
    Commit,
    Committed,
    DeadLetter,
    DeadLettersWritten,
    HaltChanged,
    Lost,
    Partition,
    Pause,
    Polled,
    Position,
    Record,
    Release,
    Reset,
    Revoking,
    Send,
    Tick,
    Timer,
)
from consumer.delivery.offset_map import decode, encode
from consumer.delivery.retry import RetryPolicy
from consumer.delivery.settings import LanePolicy
from tests.unit.delivery.test_machine import REJECT, UNDECODABLE, Harness, P, fill_with_a_failing_lane, post

Q = Partition("t", 1)


def elapsed(position):
    return decode(position.offset, position.metadata).elapsed_seconds


def test_an_age_belongs_to_the_record_that_it_was_carried_for():
    h = Harness(metadata=encode(0, (), elapsed_seconds=5000), retry=RetryPolicy(budget_seconds=6000))
    (send,) = h.poll(post("a"))
    h.answer(send)
    assert h.committed() == Position(1)
    (send, other) = h.poll(post("b"), post("c"))
    h.answer(other)
    assert elapsed(h.committed()) <= 1, "the next record was not tried before"
    for _ in range(100):
        h.answer(send, 503)
        assert not h.get(DeadLetter)
        (send,) = h.tick(20.0) or h.tick(300.0)


def test_an_age_stays_until_the_record_comes_again():
    h = Harness(metadata=encode(0, (), elapsed_seconds=5000))
    h.offset = 0
    sends = h.poll(post("stuck"), post("b"))
    h.answer(sends[1])
    assert 5000 <= elapsed(h.committed()) <= 5002


def test_a_refused_webhook_with_nothing_left_to_try_takes_records_in_again():
    h = Harness()
    for send in h.poll(*(post(str(i)) for i in range(3))):
        h.answer(send, 403)
    assert h.get(Pause) == [Pause(frozenset({P}))]
    h.do(Assigned({Q: Position(0)}, {"t": 1}))
    h.do(Lost([P]))
    assert h.get(Pause) == [Pause(frozenset())], "nobody could find out that the webhook is well again"
    h.do(Polled([Record(Q, 0, 10, [post("a")], "q0")]))
    assert h.get(Pause) == [Pause(frozenset({Q}))], "one is enough"
    (probe,) = h.tick(10.0)
    h.answer(probe)
    assert h.get(HaltChanged) == [HaltChanged(None)]
    assert h.get(Pause) == [Pause(frozenset())]


@pytest.mark.parametrize("answers", ["before", "after"])
def test_a_process_that_is_left_with_no_partition_is_not_halted_by_the_webhook_for_ever(answers):
    """Found by the simulator: before in seed 800398, after in seed 1007262."""
    h = Harness()
    sends = h.poll(*(post(str(i)) for i in range(3)))
    if answers == "after":
        h.do(Lost([P]))
    for send in sends:
        h.answer(send, 403)
    if answers == "before":
        assert h.machine.snapshot().halt_reason == "webhook_refused"
        h.do(Lost([P]))
    assert h.machine.snapshot().halt_reason == ""
    h.do(Assigned({P: Position(0)}, {"t": 1}))
    h.offset = 0
    (send,) = h.poll(post())
    h.answer(send, 403)
    assert h.machine.snapshot().halt_reason == "webhook_refused", "once more is enough"


def test_a_refused_webhook_is_tried_with_another_event_where_the_one_that_waits_fails_for_its_own_reasons():
    h = Harness(retry=RetryPolicy(cap_seconds=1.0))
    (send,) = h.poll(post("stuck"))
    for _ in range(2):
        h.answer(send, 403)
        (send,) = h.tick(1.0)
    h.answer(send, 403)
    (probe,) = h.tick(5.0)
    h.answer(probe, 403)
    assert h.get(Pause) == [], "still paused: it goes on being refused"
    (probe,) = h.tick(60.0)
    h.answer(probe, 503)
    assert h.get(Pause) == [Pause(frozenset())]
    h.poll(post("fine", b"fine"))
    assert h.get(Pause) == [Pause(frozenset({P}))]
    (probe,) = h.tick(60.0)
    assert probe.bodies == [b"fine"]
    h.answer(probe)
    assert h.get(HaltChanged) == [HaltChanged(None)]


def test_what_is_due_goes_with_its_partition():
    h = Harness(gate=GateSettings(requests_per_second=None, concurrency=1))
    (send,) = h.poll(post("a"), post("b"))
    (other,) = h.answer(send, 503)
    h.tick(1.0)
    assert h.machine.snapshot().waiting == 1
    h.do(Lost([P]))
    assert h.machine.snapshot().waiting == 0
    assert h.answer(other) == []


def test_what_is_parked_goes_with_its_partition_however_long_the_gate_stays_closed():
    h = Harness(gate=GateSettings(requests_per_second=None, concurrency=1))
    (send,) = h.poll(post("a"), post("b"))
    h.answer(send, 503)
    h.do(Lost([P]))
    h.tick(1.0)
    assert h.machine.snapshot().waiting == 0
    assert h.machine._dispatcher._parked == []


def test_a_dead_letter_that_goes_with_its_partition_ends_the_halt():
    h = Harness()
    h.poll(REJECT)
    (letter,) = h.get(DeadLetter)
    h.do(DeadLettersWritten([], [letter]))
    h.do(Lost([P]))
    assert h.get(HaltChanged) == [HaltChanged(None)]
    h.do(Assigned({P: Position(0)}, {"t": 1}))
    assert h.machine.snapshot().state == "running"


def test_a_dead_letter_that_fails_after_its_partition_was_given_up_halts_nobody():
    h = Harness()
    h.poll(REJECT)
    (letter,) = h.get(DeadLetter)
    h.do(Lost([P]))
    h.do(DeadLettersWritten([], [letter]))
    assert h.machine.snapshot().state == "running"
    assert h.machine.snapshot().dead_letters_pending == 0


def test_a_breaker_is_tried_with_a_fresh_event_where_there_is_one():
    """One contact that always fails would keep it open for all others."""
    h = Harness(retry=RetryPolicy(cap_seconds=1.0))
    sends = h.poll(*(post(f"stuck {i}") for i in range(12)))
    for send in sends:
        h.answer(send, 503)
    assert h.machine.snapshot().held_by == ""
    assert h.tick(2.0) == []
    assert h.machine.snapshot().held_by == "breaker"
    h.poll(post("fine", b"fine"))
    (probe,) = h.tick(5.0)
    assert probe.bodies == [b"fine"]
    assert len(h.answer(probe)) == 12, "it is well: everything goes on"


def test_a_reset_ends_a_refusal_that_came_with_it():
    h = Harness()
    sends = h.poll(*(post(str(i)) for i in range(20)))
    for send in sends[:3]:
        h.answer(send, 403)
    h.poll(*[UNDECODABLE] * 30)
    assert {"dead_letter_ratio", "webhook_refused"} == {reason for reason in HaltReason if reason in h.machine._halts}
    h.do(Reset())
    assert h.machine.snapshot().state == "running"
    for send in sends[3:]:
        h.answer(send, 200)
    assert h.machine.snapshot().state == "running"
    assert h.machine._paused == frozenset()


def test_the_deadline_of_a_revocation_is_met_where_nothing_else_happens():
    h = Harness(commit_interval_seconds=5.0)
    h.poll(post())
    h.do(Revoking([P], h.now + 10.0))
    (timer,) = h.get(Timer)
    assert timer.at == h.now + 10.0, "nothing is committed meanwhile: the commit interval must not hide it"


def test_a_timer_that_comes_too_early_is_asked_for_again():
    """asyncio may call a moment before the time asked for."""
    h = Harness(commit_interval_seconds=1000.0)
    (send,) = h.poll(post())
    h.answer(send, 503)
    (timer,) = h.get(Timer)
    h.now = timer.at - 1e-9
    h.do(Tick())
    assert h.get(Send) == []
    assert h.get(Timer) == [timer]
    h.now = timer.at
    h.do(Tick())
    assert len(h.get(Send)) == 1


def test_a_partition_that_comes_back_while_it_is_being_revoked_starts_anew():
    """The Kafka side does not wait for ever; the event loop may have stood still and hear of both at once."""
    h = Harness()
    (old,) = h.poll(post("a", b"old"))
    h.do(Revoking([P], h.now + 10.0))
    h.do(Assigned({P: Position(0)}, {"t": 1}))
    assert h.get(Release) == [Release({})]
    h.offset = 0
    (new,) = h.poll(post("a", b"new"))
    h.tick(10.0)
    assert h.get(Release) == []
    h.answer(old)
    assert h.committed() is None, "its own answer counts"
    h.answer(new)
    assert h.committed() == Position(1)
    assert h.ended() == {("released", ""): 1, ("delivered", ""): 1}


def test_a_partition_revoked_twice_or_lost_meanwhile_is_given_up_once():
    h = Harness()
    h.poll(post())
    h.do(Revoking([P], h.now + 10.0))
    h.do(Revoking([P], h.now + 10.0))
    assert h.get(Release) == []
    h.do(Lost([P]))
    assert h.get(Release) == [Release({})], "what is lost is not committed"
    assert h.ended() == {("released", ""): 1}


def test_an_old_commit_says_nothing_about_a_new_assignment():
    h = Harness()
    (send,) = h.poll(post())
    h.answer(send)
    (commit,) = h.get(Commit)
    h.do(Lost([P]))
    h.do(Assigned({P: Position(0)}, {"t": 1}))
    h.do(Committed(commit.positions, ok=True))
    assert h.machine.snapshot().partitions[0].committed == 0


def test_one_fetch_of_undecodable_records_is_not_dead_lettered_whole():
    h = Harness(gate=GateSettings(requests_per_second=None))
    h.poll(*[UNDECODABLE] * 500)
    assert len(h.get(DeadLetter)) == 20, "none is acknowledged yet, and what is written cannot be taken back"


def test_a_halt_that_only_a_person_can_end_is_the_one_that_is_shown():
    h = Harness()
    for send in h.poll(*(post(str(i)) for i in range(3))):
        h.answer(send, 403)
    h.poll(*[UNDECODABLE] * 30)
    assert h.get(HaltChanged) == [HaltChanged(HaltReason.DEAD_LETTER_RATIO, "decode: invalid_json")]
    assert h.machine.snapshot().halt_reason == "dead_letter_ratio"


def test_what_the_lane_policy_has_given_up_waits_for_nothing():
    h, _ = fill_with_a_failing_lane(LanePolicy.DEAD_LETTER_EVENT)
    assert h.machine.snapshot().parked == 0
    h.tick(300.0)
    assert h.machine.snapshot().waiting == 0
