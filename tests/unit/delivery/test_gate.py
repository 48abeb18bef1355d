"""The gate: what holds a request back, for how long, and what an answer changes of it."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.delivery.gate import Gate, GateSettings, Held
from consumer.delivery.messages import Answer, Send
from consumer.delivery.rate import NEVER
from consumer.delivery.retry import RetryPolicy
from consumer.outcomes import FailureKind

POLICY = RetryPolicy()


class Harness:
    """A gate, its clock and the requests under way."""

    def __init__(self, now=1000.0, **limits):
        self.now = now
        self.gate = Gate(GateSettings(**{"requests_per_second": None, **limits}), Random(1), now)
        self.ident = 0

    def wait(self, seconds):
        self.now += seconds
        self.gate.advance(self.now)

    def start(self):
        assert self.gate.blocker() == (None, self.now)
        self.ident += 1
        self.gate.start(self.ident)
        return self.ident

    def finish(self, ident, status=200, **answer):
        answer = Answer(Send(ident, (b"{}",), 1), status, **answer)
        return self.gate.finish(answer, POLICY.verdict(status, answer.failure, 1))

    def request(self, status=200, **answer):
        return self.finish(self.start(), status, **answer)

    @property
    def held(self):
        return self.gate.blocker()[0]

    @property
    def seconds_left(self):
        return self.gate.blocker()[1] - self.now


# ---- rate


def test_the_bucket_starts_empty_and_fills_by_the_rate():
    h = Harness(requests_per_second=10.0)
    assert h.held is Held.RATE
    assert h.seconds_left == pytest.approx(0.1)
    h.wait(h.seconds_left)
    h.start()
    assert h.held is Held.RATE


def test_a_burst_is_earned_by_waiting():
    h = Harness(requests_per_second=10.0, burst_requests=5)
    h.wait(10.0)
    for _ in range(5):
        h.start()
    assert h.held is Held.RATE


def test_a_timer_that_fires_late_costs_no_rate_and_a_long_pause_gives_none():
    h = Harness(requests_per_second=50.0, concurrency=10**6)
    started = 0
    while h.now < 1010.0:
        h.wait(h.seconds_left + 0.005)
        while h.held is None:
            h.start()
            started += 1
    assert started > 490
    h.wait(60.0)
    h.start()
    assert h.held is Held.RATE


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from([0.5, 3.0, 40.0, 250.0]),
    burst=st.integers(1, 8),
    steps=st.lists(st.tuples(st.floats(0.0, 1.5), st.one_of(st.none(), st.floats(0.1, 1.0))), min_size=5, max_size=60),
)
def test_no_second_sees_more_than_rate_and_burst(rate, burst, steps):
    h = Harness(requests_per_second=rate, burst_requests=burst, concurrency=10**6)
    starts = []
    for wait, share in steps:
        until = h.now + wait
        while h.now + h.seconds_left <= until:
            h.wait(h.seconds_left)
            while h.held is None:
                h.start()
                starts.append(h.now)
        h.wait(max(0.0, until - h.now))
        if share is not None:
            h.gate.set_share(share, rounds_up=True)
    for i, first in enumerate(starts):
        within = sum(first <= at < first + 1.0 for at in starts[i:])
        assert within <= rate + burst


@given(parts=st.lists(st.integers(0, 8), min_size=1, max_size=6).filter(any))
def test_the_shares_of_all_replicas_are_the_whole(parts):
    gates = [Harness(requests_per_second=40.0, concurrency=20, burst_requests=7).gate for part in parts if part]
    for gate, part in zip(gates, [part for part in parts if part], strict=True):
        gate.set_share(part / sum(parts), rounds_up=False)
    assert sum(gate.rate_per_second for gate in gates) == pytest.approx(40.0)
    for whole, of in ((20, [gate.maximum for gate in gates]), (7, [gate.burst for gate in gates])):
        raised_to_one = sum(gate.share * whole < 1.0 for gate in gates)
        assert sum(of) <= whole + raised_to_one
    assert all(gate.maximum >= 1 and gate.burst >= 1 for gate in gates)


def test_a_share_empties_the_bucket_and_lowers_the_limit_at_once():
    h = Harness(requests_per_second=10.0, burst_requests=5, concurrency=20)
    h.wait(10.0)
    h.gate.set_share(0.5, rounds_up=True)
    assert h.held is Held.RATE
    assert h.seconds_left == pytest.approx(0.2)
    assert (h.gate.limit, h.gate.rate_per_second, h.gate.burst) == (10, 5.0, 2)
    h.wait(10.0)
    h.start()
    h.start()
    assert h.held is Held.RATE
    h.gate.set_share(1.0, rounds_up=True)
    assert h.gate.limit == 20


# ---- concurrency


def test_a_permit_wraps_one_attempt():
    h = Harness(concurrency=2)
    one = h.start()
    h.start()
    assert h.gate.blocker() == (Held.CONCURRENCY, NEVER)
    h.finish(one, 503)
    assert h.held is None, "a delivery that waits for its retry holds none"


def test_pressure_lowers_the_limit_and_use_of_it_raises_it_again():
    h = Harness(concurrency=20)
    for status in (200, 200, 200, 503, 503):
        h.request(status)
    h.wait(1.0)
    assert h.gate.limit == 14
    for _ in range(3):
        permits = [h.start() for _ in range(h.gate.limit)]
        assert h.held is Held.CONCURRENCY
        for permit in permits:
            h.finish(permit)
        h.wait(1.0)
    assert h.gate.limit == 17
    h.wait(100.0)
    assert h.gate.limit == 17, "what is not used is not raised"


@pytest.mark.parametrize(
    ("answers", "limit"),
    [
        ([503] * 4, 20),  # too few to say anything
        ([200] * 8 + [503] * 2, 20),  # a fifth is not more than a fifth
        ([200] * 7 + [503] * 3, 14),
        ([200] * 7 + [500] * 3, 20),  # a bug over there is no pressure
        ([200] * 7 + [FailureKind.TIMEOUT] * 3, 14),
        ([200] * 7 + [FailureKind.RESET] * 3, 14),
        ([200] * 7 + [FailureKind.DNS] * 3, 20),
        ([200] * 7 + [422] * 3, 20),
    ],
)
def test_what_counts_as_pressure(answers, limit):
    h = Harness(concurrency=20)
    for answer in answers:
        h.request(0, failure=answer) if isinstance(answer, FailureKind) else h.request(answer)
    h.wait(1.0)
    assert h.gate.limit == limit


def test_the_limit_stays_between_one_and_the_share():
    h = Harness(concurrency=20)
    for _ in range(30):
        for status in (200, 200, 200, 503, 503):
            h.request(status)
        h.wait(1.0)
        assert 1 <= h.gate.limit <= 20
    assert h.gate.limit == 1


def test_the_limit_is_looked_at_once_in_a_mean_attempt():
    h = Harness(concurrency=20)
    for _ in range(5):
        h.request(503, seconds=10.0)
    h.wait(5.0)
    assert h.gate.limit == 20
    h.wait(5.0)
    assert h.gate.limit == 14


# ---- Retry-After


def test_retry_after_closes_the_gate_with_jitter_in_proportion():
    h = Harness()
    h.request(429, retry_after=20.0)
    assert h.held is Held.RETRY_AFTER
    assert 20.0 <= h.seconds_left <= 22.0
    h.wait(h.seconds_left)
    assert h.held is None


def test_retry_after_is_capped_and_the_longest_counts():
    h = Harness(retry_after_cap_seconds=100.0)
    one, two = h.start(), h.start()
    h.finish(one, 503, retry_after=5000.0)
    assert 100.0 <= h.seconds_left <= 103.0
    left = h.seconds_left
    h.finish(two, 503, retry_after=1.0)
    assert h.seconds_left == left


def test_retry_after_of_an_answer_that_is_no_failure_is_nothing():
    h = Harness()
    h.request(200, retry_after=20.0)
    h.request(422, retry_after=20.0)
    assert h.held is None


# ---- the breaker


def test_the_breaker_opens_at_half_of_at_least_ten_and_lets_one_try():
    h = Harness()
    for _ in range(5):
        h.request(200)
    for _ in range(4):
        h.request(503)
    assert h.held is None
    h.request(503)
    assert h.held is Held.BREAKER
    assert h.seconds_left == 5.0
    h.wait(5.0)
    probe = h.start()
    assert h.gate.blocker() == (Held.BREAKER, NEVER), "one at a time"
    h.finish(probe, 503)
    assert h.seconds_left == 10.0
    for pause in (20.0, 40.0, 60.0, 60.0):
        h.wait(h.seconds_left)
        h.request(503)
        assert h.seconds_left == pause
    h.wait(60.0)
    h.request(200)
    assert h.held is None


def test_a_breaker_that_closed_starts_from_nothing():
    h = Harness()
    for _ in range(10):
        h.request(500)
    h.wait(5.0)
    h.request(200)
    for _ in range(9):
        h.request(500)
    assert h.held is None
    h.request(500)
    assert h.held is Held.BREAKER
    assert h.seconds_left == 5.0, "its first pause again"


def test_failures_of_more_than_half_a_minute_ago_do_not_count():
    h = Harness()
    for _ in range(9):
        h.request(503)
    h.wait(31.0)
    h.request(503)
    assert h.held is None


def test_any_success_closes_the_breaker_the_probe_s_or_not():
    h = Harness()
    early = h.start()
    for _ in range(10):
        h.request(503)
    assert h.held is Held.BREAKER
    h.finish(early, 200)
    assert h.held is None


# ---- halt


def test_three_refusals_in_a_row_halt_and_one_success_goes_on():
    h = Harness()
    assert h.request(403) is False
    assert h.request(404) is False
    assert h.request(200) is False
    assert h.request(401) is False
    assert h.request(302) is False
    assert h.request(0, failure=FailureKind.CERTIFICATE) is True
    assert h.gate.halted
    assert h.held is Held.HALT
    assert h.seconds_left == 5.0
    for pause in (10.0, 20.0, 40.0, 60.0, 60.0):
        h.wait(h.seconds_left)
        assert h.request(403) is False
        assert h.seconds_left == pause
    h.wait(60.0)
    assert h.request(200) is True
    assert h.held is None


def test_a_halted_gate_is_tried_at_once_when_the_destination_has_changed():
    h = Harness()
    for _ in range(3):
        h.request(410)
    h.gate.probe_now()
    assert h.held is None
    h.start()
    assert h.gate.blocker() == (Held.HALT, NEVER)


def test_a_failure_says_nothing_of_the_url():
    h = Harness()
    for _ in range(3):
        h.request(403)
    h.wait(5.0)
    assert h.request(503) is False
    assert h.gate.halted
    assert h.gate.undecided
    assert h.seconds_left == 10.0
    h.wait(10.0)
    h.request(403)
    assert not h.gate.undecided


def test_a_final_answer_to_a_probe_says_that_the_url_is_right():
    h = Harness()
    for _ in range(3):
        h.request(403)
    h.wait(5.0)
    assert h.request(422) is True
    assert not h.gate.halted


def test_a_gate_that_stands_still_is_not_tried():
    h = Harness()
    early = h.start()
    h.gate.stand_still(halted=True)
    h.wait(10_000.0)
    assert h.gate.blocker() == (Held.HALT, NEVER)
    assert h.finish(early, 200) is False
    assert h.gate.halted, "a person has to look"
    h.gate.stand_still(halted=False)
    assert h.held is None


# ---- which one, and for how long


def test_the_questions_are_asked_in_their_order():
    h = Harness(requests_per_second=10.0, concurrency=1)
    h.wait(1.0)
    h.start()
    assert h.held is Held.RATE
    h.wait(1.0)
    assert h.held is Held.CONCURRENCY
    h = Harness()
    permits = [h.start() for _ in range(13)]
    for permit in permits[:10]:
        h.finish(permit, 503, retry_after=100.0)
    assert h.held is Held.BREAKER
    h.wait(5.0)
    assert h.held is Held.RETRY_AFTER
    for permit in permits[10:]:
        h.finish(permit, 403)
    assert h.held is Held.HALT


def test_each_second_that_work_waits_is_counted_once():
    h = Harness()
    h.gate.hold(Held.RATE)
    h.wait(2.0)
    h.gate.hold(Held.BREAKER)
    h.wait(3.0)
    h.gate.hold(None)
    h.wait(4.0)
    assert {held: seconds for held, seconds in h.gate.held_seconds.items() if seconds} == {
        Held.RATE: 2.0,
        Held.BREAKER: 3.0,
    }


def test_budgets_run_while_the_gate_is_open_and_only_then():
    h = Harness()
    permits = [h.start() for _ in range(13)]
    h.wait(10.0)
    assert h.gate.open_seconds == 10.0
    h.request(503, retry_after=20.0)
    h.wait(30.0)
    assert h.gate.open_seconds == pytest.approx(19.0, abs=1.0), "closed for 20 to 22 seconds of it"
    before = h.gate.open_seconds
    for permit in permits[:3]:
        h.finish(permit, 403)
    h.wait(100.0)
    assert h.gate.open_seconds == before, "halted"
    h.request(200)
    for permit in permits[3:]:
        h.finish(permit, 503)
    h.wait(100.0)
    assert h.gate.open_seconds == before, "broken"
