"""The guard over dead letters, beside a naive one that keeps everything."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.guard import MINIMUM, WINDOW, DeadLetterGuard


@given(
    ratio=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
    runs=st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=12),
)
def test_it_agrees_with_one_that_keeps_everything(ratio, runs):
    guard, outcomes = DeadLetterGuard(ratio), []
    for number, failure in runs:
        guard.count_many(number, failure=failure)
        outcomes += [failure] * number
        last = [*outcomes[-WINDOW:], True]
        assert guard.trips() == (len(last) > MINIMUM and sum(last) > ratio * len(last))


def test_a_handful_at_the_start_is_no_stream():
    guard = DeadLetterGuard(0.5)
    for _ in range(MINIMUM):
        assert not guard.trips()
        guard.count(failure=True)
    assert guard.trips()


def test_half_is_allowed_and_more_is_not():
    guard = DeadLetterGuard(0.5)
    guard.count_many(50)
    guard.count_many(49, failure=True)
    assert not guard.trips()
    guard.count(failure=True)
    assert guard.trips()


def test_one_switches_it_off():
    guard = DeadLetterGuard(1.0)
    guard.count_many(1000, failure=True)
    assert not guard.trips()


def test_after_a_reset_it_knows_nothing():
    guard = DeadLetterGuard(0.5)
    guard.count_many(1000, failure=True)
    guard.reset()
    assert not guard.trips()
    guard.count_many(MINIMUM, failure=True)
    assert guard.trips()
