from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.sandbox.traffic import Traffic


def test_a_steady_stream_at_the_limit_passes_for_ever():
    traffic = Traffic(rate_per_second=40, max_parallel=None)
    for index in range(4000):
        # 25 ms apart with a jitter of 10 ms: any one second may hold 41.
        assert traffic.arrive(100 + index / 40 + (index % 3) * 0.005) is None
        traffic.leave(200)


def test_above_the_limit_the_excess_is_refused_and_takes_nothing():
    traffic = Traffic(rate_per_second=10, max_parallel=None)
    answers = [traffic.arrive(50.0) for _ in range(30)]
    assert answers[:10] == [None] * 10
    assert {429} == {answer[0] for answer in answers[10:] if answer}
    assert traffic.arrive(50.1) is None


def test_parallel_requests_above_the_limit_are_refused():
    traffic = Traffic(rate_per_second=None, max_parallel=2)
    answers = [traffic.arrive(1.0), traffic.arrive(1.0), traffic.arrive(1.0)]
    assert answers[:2] == [None, None]
    assert answers[2] is not None
    assert answers[2][0] == 503
    traffic.leave(200)
    traffic.leave(503)
    assert traffic.arrive(1.0) is None
    assert traffic.max_in_flight == 3


def test_limits_change_at_run_time():
    traffic = Traffic(rate_per_second=1, max_parallel=1)
    traffic.limit(rate_per_second=None, max_parallel=None)
    assert [traffic.arrive(1.0) for _ in range(9)] == [None] * 9


def test_what_was_never_answered_is_counted_as_none():
    traffic = Traffic(rate_per_second=None, max_parallel=None)
    for status in (200, 200, 429, None):
        traffic.arrive(7.5)
        traffic.leave(status)
    assert traffic.by_status == {"200": 2, "429": 1, "none": 1}
    assert traffic.per_second == {7: 4}
    assert traffic.posts == 4


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60).map(sorted))
def test_the_busiest_second_is_the_naive_one(arrivals):
    traffic = Traffic(rate_per_second=None, max_parallel=None)
    for at in arrivals:
        traffic.arrive(at)
    naive = max(sum(1 for other in arrivals if at - 1.0 < other <= at) for at in arrivals)
    assert naive == traffic.max_in_one_second
