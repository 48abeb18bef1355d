"""The machine, step by step: what goes in, what comes out."""

from random import Random

import pytest
from msgspec.structs import replace

from consumer.delivery.dispatch import BatchSettings
from consumer.delivery.gate import GateSettings
from consumer.delivery.halt import HaltReason
from consumer.delivery.machine import Machine
from consumer.delivery.messages import (
    Answer,
    Assigned,
    Commit,
    Committed,
    Completed,
    CountsChanged,
    DeadLetter,
    DeadLettersWritten,
    DestinationChanged,
    HaltChanged,
    Lost,
    Partition,
    Pause,
    Polled,
    Position,
    Probe,
    Record,
    Release,
    Reset,
    Revoking,
    Send,
    Stop,
    Tick,
    Timer,
)
from consumer.delivery.offset_map import decode
from consumer.delivery.partition import OVERHEAD_BYTES
from consumer.delivery.retry import RetryPolicy
from consumer.delivery.settings import DeliverySettings, LanePolicy
from consumer.outcomes import Action, DecodeReason, FieldError, Post, Reject, RejectReason, Skip, SkipReason, Stage

P = Partition("t", 0)
FREE = GateSettings(requests_per_second=None, concurrency=20)


def post(lane="a", body=b"{}", mapping="m"):
    return Post(mapping, Action.SEND_CONTACT, lane, body, "id", "identify")


SKIP = Skip(SkipReason.NO_MATCHING_MAPPING, "", "track")
REJECT = Reject(RejectReason.INVALID_PAYLOAD, Stage.VALIDATE, "m", "identify", (FieldError("email", "no"),))
UNDECODABLE = Reject(DecodeReason.INVALID_JSON, Stage.DECODE)


class Harness:
    """A machine, its clock, and what it has said so far."""

    def __init__(self, committed=0, metadata="", **settings):
        settings = {"gate": FREE, **settings}
        self.now = 100.0
        self.machine = Machine(DeliverySettings(**settings), Random(1), self.now)
        self.offset = committed
        self.commit = None
        self.do(Assigned({P: Position(committed, metadata)}, {"t": 1}))

    def do(self, event):
        self.said = self.machine.handle(event, self.now)
        self.commit = next(iter(self.get(Commit)), self.commit)
        return self.said

    def get(self, kind):
        return [action for action in self.said if isinstance(action, kind)]

    def poll(self, *planned):
        """One record for each argument (a plan, or a list of plans)."""
        records = []
        for plans in planned:
            records.append(
                Record(P, self.offset, 1000, plans if isinstance(plans, list) else [plans], f"r{self.offset}")
            )
            self.offset += 1
        self.do(Polled(records))
        return self.get(Send)

    def answer(self, send, status=200, **kwargs):
        self.do(Completed([Answer(send, status, **kwargs)]))
        return self.get(Send)

    def tick(self, seconds):
        self.now += seconds
        self.do(Tick())
        return self.get(Send)

    def committed(self, seconds=1.0):
        """Let a commit interval pass; the position committed, or None where there was nothing to commit."""
        self.tick(seconds)
        commit, self.commit = self.commit, None
        if commit is None:
            return None
        self.do(Committed(commit.positions, ok=True))
        return commit.positions[P]

    def ended(self):
        return {key[2:]: n for key, n in self.machine.snapshot().stats.ended.items()}


def test_an_offset_is_committed_when_its_delivery_has_a_2xx():
    h = Harness()
    (send,) = h.poll(post())
    assert h.committed() is None
    h.answer(send)
    assert h.committed() == Position(1)
    assert h.committed() is None, "nothing new"


def test_a_record_is_done_when_all_its_deliveries_have_ended():
    h = Harness()
    one, two = h.poll([post("a"), post("b"), SKIP])
    h.answer(two)
    assert h.committed() is None
    h.answer(one)
    assert h.committed() == Position(1)


def test_skips_end_at_once():
    h = Harness()
    assert h.poll(SKIP, SKIP) == []
    assert h.committed() == Position(2)


def test_completions_above_the_offset_travel_in_the_metadata_and_are_not_sent_again():
    h = Harness()
    sends = h.poll(post("a"), post("b"), post("c"))
    h.answer(sends[1])
    position = h.committed()
    assert position.offset == 0
    again = Harness(position.offset, position.metadata)
    assert [send.bodies for send in again.poll(post("a", b"0"), post("b", b"1"), post("c", b"2"))] == [[b"0"], [b"2"]]
    assert again.machine.snapshot().stats.already_done == 1


def test_a_lane_waits_for_its_head_and_others_do_not():
    h = Harness()
    first, other = h.poll(post("a", b"1"), post("a", b"2"), post("b", b"3"))
    assert (first.bodies, other.bodies) == ([b"1"], [b"3"])
    assert h.answer(first, 503) == []
    (again,) = h.tick(1.0)
    assert again.bodies == [b"1"]
    assert again.attempt == 2
    (second,) = h.answer(again)
    assert second.bodies == [b"2"]


def test_a_waiting_retry_holds_no_permit():
    h = Harness(gate=GateSettings(requests_per_second=None, concurrency=1))
    (first,) = h.poll(post("a", b"1"), post("b", b"2"))
    (second,) = h.answer(first, 503)
    assert second.bodies == [b"2"]


def test_a_reject_passes_only_when_its_dead_letter_is_acknowledged():
    h = Harness()
    h.poll(REJECT)
    (letter,) = h.get(DeadLetter)
    assert (letter.stage, letter.reason, letter.detail) == (Stage.VALIDATE, RejectReason.INVALID_PAYLOAD, "email: no")
    assert h.committed() is None
    h.do(DeadLettersWritten([], [letter]))
    assert h.get(HaltChanged) == [HaltChanged(HaltReason.DEAD_LETTER_UNAVAILABLE, "")]
    assert h.committed() is None
    assert h.get(DeadLetter) == [letter], "written again"
    h.do(DeadLettersWritten([letter]))
    assert h.get(HaltChanged) == [HaltChanged(None)]
    assert h.committed() == Position(1)


def test_a_final_answer_is_dead_lettered_with_what_was_answered():
    h = Harness()
    (send,) = h.poll(post())
    h.answer(send, 422, excerpt="no such field")
    (letter,) = h.get(DeadLetter)
    assert (letter.status, letter.excerpt, letter.attempts, letter.source) == (422, "no such field", 1, "r0")


def test_three_refusals_in_a_row_halt_and_nothing_is_dead_lettered():
    h = Harness()
    sends = h.poll(*(post(str(i)) for i in range(20)))
    for send in sends:
        h.answer(send, 403)
        assert not h.get(DeadLetter)
    assert h.machine.snapshot().halt_reason == "webhook_refused"
    assert h.machine.snapshot().partitions[0].paused
    assert h.tick(4.9) == []
    (probe,) = h.tick(0.2)
    assert h.said.index(Probe()) < h.said.index(probe)
    assert h.tick(3600.0) == [], "one probe at a time"
    h.answer(probe, 403)
    h.do(DestinationChanged())
    (probe,) = h.get(Send)
    h.answer(probe, 200)
    assert h.get(HaltChanged) == [HaltChanged(None)]
    assert h.get(Pause) == [Pause(frozenset())]
    sends = h.get(Send)
    while sends:
        sends = [new for send in sends for new in h.answer(send)] + h.tick(300.0)
    assert h.ended() == {("delivered", ""): 20}


def test_two_refusals_between_deliveries_do_not_halt():
    h = Harness()
    for i in range(6):
        (send,) = h.poll(post(f"{i}"))
        h.answer(send, 200 if i % 3 == 2 else 403)
    assert h.machine.snapshot().state == "running"


def test_the_budget_is_spent_only_while_others_are_delivered():
    h = Harness(retry=RetryPolicy(budget_seconds=1000, cap_seconds=50))
    (send,) = h.poll(post("stuck"))
    for _ in range(300):
        h.answer(send, 503)
        assert not h.get(DeadLetter)
        sends = h.tick(60.0)
        while not sends:
            sends = h.tick(60.0)
        (send,) = sends
    (other,) = h.poll(post("other"))
    h.answer(other)
    h.answer(send, 503)
    (letter,) = h.get(DeadLetter)
    assert letter.reason == "retry_budget_spent"


def test_the_budget_of_a_delivery_begins_with_its_own_first_attempt():
    """A sibling may have waited for its lane until the record's first attempt is hours ago."""
    h = Harness(retry=RetryPolicy(budget_seconds=1000, cap_seconds=50))
    ahead, send = h.poll(post("a", b"ahead"), [post("b", b"early"), post("a", b"late")])
    for _ in range(30):
        h.answer(send, 503)
        (send,) = h.tick(50.0)
    (late,) = h.answer(ahead)
    assert late.bodies == [b"late"]
    h.answer(late, 503)
    assert h.get(DeadLetter) == [], "it was tried once"
    h.answer(send, 503)
    (letter,) = h.get(DeadLetter)
    assert letter.body == b"early"


def test_the_age_in_the_commit_is_that_of_a_delivery_that_has_not_ended():
    h = Harness()
    early, late = h.poll([post("a", b"early"), post("b", b"late"), post("a", b"later")])
    h.now += 500.0
    (later,) = h.answer(early)
    h.answer(late)
    h.now += 100.0
    h.answer(later, 503)
    assert [decode(0, h.committed(0.0).metadata).elapsed_seconds for _ in range(2)] == [500, 100]


def test_the_age_of_the_oldest_travels_and_the_budget_goes_on_after_a_restart():
    h = Harness(retry=RetryPolicy(budget_seconds=1000))
    (send,) = h.poll(post("stuck"))
    h.answer(send, 503)
    position = None
    for _ in range(8):
        sends = h.tick(100.0)
        for commit in h.get(Commit):
            position = commit.positions[P]
            h.do(Committed(commit.positions, ok=True))
        for send in sends:
            h.answer(send, 503)
    again = Harness(0, position.metadata, retry=RetryPolicy(budget_seconds=1000))
    sends = again.poll(post("stuck"), post("other"))
    again.answer(sends[1])
    again.answer(sends[0], 503)
    assert not again.get(DeadLetter)
    again.now += 590
    (send,) = [s for s in again.tick(0.0) if s.bodies] or again.tick(1.0)
    (other,) = again.poll(post("another"))
    again.answer(other)
    again.answer(send, 503)
    assert [letter.reason for letter in again.get(DeadLetter)] == ["retry_budget_spent"]


def test_revoking_waits_for_what_is_under_way_and_drops_the_rest():
    h = Harness(gate=GateSettings(requests_per_second=None, concurrency=1))
    (send,) = h.poll(post("a"), post("b"))
    h.do(Revoking([P], h.now + 10))
    assert not h.get(Release)
    h.answer(send)
    assert h.get(Send) == []
    assert h.get(Release) == [Release({P: Position(1)})]
    assert h.ended() == {("delivered", ""): 1, ("released", ""): 1}


def test_revoking_ends_at_its_deadline_and_fences_what_comes_later():
    h = Harness()
    (send,) = h.poll(post())
    h.do(Revoking([P], h.now + 10))
    h.tick(10.0)
    (release,) = h.get(Release)
    assert release.positions[P].offset == 0
    h.do(Assigned({P: Position(0)}, {"t": 1}))
    h.offset = 0
    h.answer(send)
    assert h.committed() is None, "a completion from before the revocation changes nothing"
    assert h.machine.snapshot().stats.stale == 1


def test_lost_partitions_are_fenced_without_a_commit():
    h = Harness()
    (send,) = h.poll(post())
    h.do(Lost([P]))
    assert not h.get(Release)
    h.answer(send)
    assert h.committed() is None


def test_stop_sends_nothing_more_and_pauses():
    h = Harness(gate=GateSettings(requests_per_second=None, concurrency=1))
    (send,) = h.poll(post("a"), post("b"))
    h.do(Stop())
    assert h.get(Pause) == [Pause(frozenset({P}))]
    assert h.answer(send) == []
    h.do(Revoking([P], h.now + 5))
    assert h.get(Release) == [Release({P: Position(1)})]


def test_a_full_share_of_memory_pauses_the_partition_until_half_is_free():
    h = Harness(buffer_bytes=10 * (1_000 + OVERHEAD_BYTES))
    sends = h.poll(*(post(str(i)) for i in range(9)))
    assert h.get(Pause) == []
    sends += h.poll(post("9"))
    assert h.get(Pause) == [Pause(frozenset({P}))]
    for send in sends[:5]:
        h.answer(send)
        assert h.get(Pause) == []
    h.answer(sends[5])
    assert h.get(Pause) == [Pause(frozenset())]


def test_a_stream_of_undecodable_records_halts_instead_of_being_dead_lettered():
    h = Harness()
    h.poll(*[UNDECODABLE] * 30)
    letters = h.get(DeadLetter)
    h.do(DeadLettersWritten(letters))
    h.poll(*[UNDECODABLE] * 30)
    assert len(letters) + len(h.get(DeadLetter)) < 60
    assert h.machine.snapshot().halt_reason == "dead_letter_ratio"
    written = h.get(DeadLetter)
    h.do(DeadLettersWritten(written))
    h.do(Reset())
    rest = h.get(DeadLetter)
    assert len(letters) + len(written) + len(rest) == 60
    assert h.committed() is not None
    h.do(DeadLettersWritten(rest))
    assert h.committed() == Position(60)


def test_a_handful_of_bad_records_at_the_start_does_not_halt():
    h = Harness()
    h.poll(*[UNDECODABLE] * 9)
    assert len(h.get(DeadLetter)) == 9


def test_batches_fill_linger_and_are_halved_at_a_refusal():
    h = Harness(batch=BatchSettings(max_events=4, linger_seconds=0.5))
    assert h.poll(post("a", b"0"), post("b", b"1"), post("c", b"2")) == []
    (send,) = h.tick(0.5)
    assert send.bodies == [b"0", b"1", b"2"]
    one, two = h.answer(send, 422)
    assert (one.bodies, two.bodies) == ([b"0"], [b"1", b"2"])
    h.answer(one)
    three, four = h.answer(two, 422)
    h.answer(three)
    assert h.answer(four, 422) == []
    assert [letter.offset for letter in h.get(DeadLetter)] == [2]


def test_a_failed_commit_is_tried_again():
    h = Harness()
    h.poll(SKIP)
    (commit,) = h.get(Commit)
    h.tick(5.0)
    assert not h.get(Commit), "one at a time"
    h.do(Committed(commit.positions, ok=False))
    h.tick(1.0)
    assert h.get(Commit) == [commit]


def test_what_ends_after_a_quiet_time_is_committed_at_once_and_the_next_an_interval_later():
    h = Harness(commit_interval_seconds=5.0)
    assert h.get(Timer) == [], "nothing to wake for"
    h.poll(SKIP)
    (commit,) = h.get(Commit)
    h.do(Committed(commit.positions, ok=True))
    assert h.get(Timer) == []
    h.now += 1.0
    h.poll(SKIP)
    assert h.get(Commit) == []
    assert h.get(Timer) == [Timer(h.now + 4.0)]
    h.tick(4.0)
    (commit,) = h.get(Commit)
    assert commit.positions == {P: Position(2)}


def test_the_rate_and_the_bucket_that_starts_empty():
    h = Harness(gate=GateSettings(requests_per_second=10, concurrency=20))
    assert h.poll(*(post(str(i)) for i in range(40))) == []
    assert not any(h.tick(0.01) for _ in range(100)), "a second's worth may just have been sent by who had it before"
    sent = 0
    for _ in range(200):
        sent += len(h.tick(0.01))
    assert 20 <= sent <= 21
    assert h.machine.snapshot().stats.gate_seconds["rate"] > 1.9


def test_planned_is_ended_plus_in_progress():
    h = Harness()
    sends = h.poll(post("a", mapping="x"), post("a", mapping="x"), SKIP, REJECT, post("b", mapping="y"))
    h.answer(sends[0])
    snapshot = h.machine.snapshot()
    for mapping in ("x", "y", "m", ""):
        planned = sum(n for (m, _), n in snapshot.stats.planned.items() if m == mapping)
        ended = sum(n for (m, *_), n in snapshot.stats.ended.items() if m == mapping)
        assert planned == ended + snapshot.in_progress.get(mapping, 0)


def fill_with_a_failing_lane(policy):
    """A partition whose memory is full of deliveries behind one that fails, while another lane delivers."""
    h = Harness(buffer_bytes=17_000, lane_policy=policy, lane_patience_seconds=60.0)
    sends = h.poll(*(post("stuck", b"%d" % i) for i in range(11)), post("other"))
    h.answer(sends[1])
    assert h.machine.snapshot().partitions[0].paused
    (send,) = sends[:1]
    for _ in range(70):
        h.answer(send, 503)
        again = []
        while not again:
            again = h.tick(1.0)
            if h.get(DeadLetter) or len(again) > 1 or (again and again[0].bodies != send.bodies):
                return h, again
        (send,) = again
    return h, []


def test_a_lane_that_fills_its_partition_blocks_by_default():
    h, sends = fill_with_a_failing_lane(LanePolicy.BLOCK)
    assert sends == []
    assert h.machine.snapshot().partitions[0].paused


def test_a_lane_that_fills_its_partition_can_give_up_its_oldest_event():
    h, _ = fill_with_a_failing_lane(LanePolicy.DEAD_LETTER_EVENT)
    (letter,) = h.get(DeadLetter)
    assert (letter.reason, letter.offset) == ("lane_policy", 0)
    h.do(DeadLettersWritten([letter]))
    (send,) = h.get(Send)
    assert send.bodies == [b"1"]


def test_a_lane_that_fills_its_partition_can_give_up_its_order():
    h, sends = fill_with_a_failing_lane(LanePolicy.RELEASE_ORDER)
    assert b"1" in [send.bodies[0] for send in sends]
    followers = [send for send in sends if send.bodies == [b"1"]]
    (following,) = h.answer(followers[0])
    assert following.bodies == [b"2"]
    while following:
        rest = h.answer(following)
        following = rest[0] if rest else None
    stuck = []
    while not stuck:
        stuck = h.tick(10.0)
    for send in stuck:
        h.answer(send)
    assert h.ended() == {("delivered", ""): 12}
    assert h.machine.snapshot().partitions[0].incomplete == 0


def test_repeats_of_what_was_delivered_are_skipped_and_no_others():
    h = Harness(dedupe_entries=2)
    one = Post("m", Action.SEND_CONTACT, "a", b"1", "one", "identify")
    (send,) = h.poll(one)
    (second,) = h.poll(replace(one, lane="b"))
    h.answer(send)
    assert h.poll(one) == [], "a repeat"
    assert len(h.poll(replace(one, lane="c", mapping="other"))) == 1, "another mapping's"
    assert len(h.poll(replace(one, lane="d", message_id=""))) == 1, "an event without an id is never a repeat"
    h.answer(second)
    assert h.ended() == {("delivered", ""): 2, ("skipped", "duplicate"): 1}


def test_an_idempotency_key_is_the_same_for_each_attempt_and_each_process():
    batch = BatchSettings(idempotency_group="g")
    first, again = Harness(batch=batch), Harness(batch=batch)
    (send,) = first.poll(post())
    (other,) = again.poll(post())
    assert send.idempotency_key == other.idempotency_key
    first.answer(send, 503)
    (retry,) = first.tick(1.0)
    assert retry.idempotency_key == send.idempotency_key
    (next_one,) = first.poll(post("b"))
    assert next_one.idempotency_key != send.idempotency_key
    assert Harness().poll(post())[0].idempotency_key == ""


def test_an_answer_may_say_what_became_of_each_delivery():
    h = Harness(batch=BatchSettings(max_events=4, linger_seconds=0.5))
    (send,) = h.poll(*(post(str(i), b"%d" % i) for i in range(4)))
    h.do(Completed([Answer(send, 200, statuses=[200, 422, 503, 200])]))
    (letter,) = h.get(DeadLetter)
    assert (letter.offset, letter.status) == (1, 422)
    assert h.ended() == {("delivered", ""): 2}
    (again,) = h.tick(1.0)
    assert again.bodies == [b"2"]


def test_a_revoked_partition_takes_its_part_of_the_rate_with_it():
    h = Harness(gate=GateSettings(requests_per_second=100, concurrency=20))
    other = Partition("t", 1)
    h.do(Assigned({other: Position(0)}, {"t": 4}))
    assert h.machine.snapshot().rate_per_second == 50
    h.do(Revoking([other], h.now + 1))
    assert h.get(Release)
    snapshot = h.machine.snapshot()
    assert (snapshot.rate_per_second, snapshot.concurrency_limit) == (25, 5)


def test_a_topic_that_grows_makes_our_part_of_the_rate_smaller():
    h = Harness(gate=GateSettings(requests_per_second=100))
    h.do(CountsChanged({"t": 3, "u": 1}))
    assert h.machine.snapshot().rate_per_second == 25
    assert h.machine.snapshot().share == 0.25


@pytest.mark.parametrize(("counts", "part"), [({"t": 3}, 14), ({"s": 2, "t": 1}, 13)])
def test_who_has_the_first_partition_of_the_first_topic_rounds_up(counts, part):
    h = Harness(gate=GateSettings(requests_per_second=40, burst_requests=1))
    h.do(CountsChanged(counts))
    assert h.machine._gate._rate._part == part


def test_what_waited_for_its_lane_goes_before_what_came_later():
    h = Harness(gate=GateSettings(requests_per_second=None, concurrency=1))
    (send,) = h.poll(post("a", b"0"), post("a", b"1"), post("b", b"2"), post("a", b"3"), post("c", b"4"))
    order = [send.bodies[0]]
    while sends := h.answer(send):
        (send,) = sends
        order.append(send.bodies[0])
    assert order == [b"0", b"1", b"2", b"3", b"4"]
