"""What an attempt's end means, when it is tried again, and what Retry-After says."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.retry import RetryPolicy, Verdict, retry_after_seconds
from consumer.outcomes import FailureKind

POLICY = RetryPolicy()
RETRIED = {408, 423, 429, 500, 502, 503, 504, 505, 507, 508, 511, 520, 521, 522, 524, 529, 599}
HALTING = {300, 301, 302, 303, 304, 307, 308, 401, 403, 404, 410}
REJECTED = {400, 402, 405, 406, 409, 411, 412, 413, 414, 415, 418, 421, 422, 424, 426, 428, 431, 451, 499, 501}


@pytest.mark.parametrize("size", [1, 7])
def test_every_status_has_its_verdict(size):
    for status in (200, 201, 202, 204, 299):
        assert POLICY.verdict(status, None, size) is Verdict.DELIVERED
    for status in RETRIED:
        assert POLICY.verdict(status, None, size) is Verdict.RETRY, status
    for status in HALTING:
        assert POLICY.verdict(status, None, size) is Verdict.HALT, status
    for status in REJECTED:
        several = size > 1 and status in (400, 413, 422)
        assert POLICY.verdict(status, None, size) is (Verdict.BISECT if several else Verdict.REJECT), status


@pytest.mark.parametrize("kind", list(FailureKind))
def test_without_an_answer_it_is_tried_again_but_for_a_certificate(kind):
    expected = Verdict.HALT if kind is FailureKind.CERTIFICATE else Verdict.RETRY
    assert POLICY.verdict(0, kind, 1) is expected
    assert POLICY.verdict(200, kind, 1) is expected, "an answer that broke off is none"


def test_settings_put_a_verdict_in_the_table_s_place_but_a_2xx_is_delivered():
    policy = RetryPolicy(statuses={404: Verdict.RETRY, 400: Verdict.REJECT, 200: Verdict.REJECT})
    assert policy.verdict(404, None, 1) is Verdict.RETRY
    assert policy.verdict(400, None, 5) is Verdict.REJECT
    assert policy.verdict(200, None, 1) is Verdict.DELIVERED


@given(st.integers(1, 5000), st.integers(0, 2**32))
def test_delays_are_full_jitter_below_the_cap(attempt, seed):
    policy = RetryPolicy(base_seconds=1.0, cap_seconds=300.0)
    most = min(300.0, 2.0 ** min(attempt - 1, 20))
    delays = [policy.delay(attempt, Random(seed + i)) for i in range(20)]
    assert all(0.0 <= delay <= most for delay in delays)
    assert len(set(delays)) > 1


def test_delays_grow_with_the_attempts():
    def mean(attempt):
        return sum(POLICY.delay(attempt, Random(i)) for i in range(2000)) / 2000

    assert mean(1) == pytest.approx(0.5, rel=0.1)
    assert mean(4) == pytest.approx(4.0, rel=0.1)
    assert mean(30) == pytest.approx(150.0, rel=0.1)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 40, 999_999_999_999.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 60.0),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2015 07:20:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 09:28:00 +0200", 60.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("١٢", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert retry_after_seconds(header, 1_445_412_420.0) == seconds


@given(st.text(max_size=60))
def test_no_header_raises(header):
    seconds = retry_after_seconds(header, 0.0)
    assert seconds is None or seconds >= 0.0
