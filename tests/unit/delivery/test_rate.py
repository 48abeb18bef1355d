"""The rate: no second sees more than the whole of all replicas' parts, whatever becomes of their shares."""

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.delivery.rate import NEVER, Rate

MEMBERS = 4
PARTITIONS = 8


def most_in_a_second(starts):
    """Of sorted times."""
    return max((sum(first <= at < first + 1.0 for at in starts[i:]) for i, first in enumerate(starts)), default=0)


def started(rate, now, until):
    """Start whatever may start, as soon as it may."""
    starts = []
    while (at := max(now, rate.free_at(now))) <= until:
        if at == now:
            rate.start(now)
            starts.append(now)
        now = at
    return starts


@settings(max_examples=150, deadline=None)
@given(
    per_second=st.sampled_from([8.0, 20.0, 40.0, 41.7]),
    burst=st.sampled_from([1, 1, 3, 10]),
    steps=st.lists(
        st.tuples(
            st.floats(0.01, 1.3), st.lists(st.integers(0, MEMBERS - 1), min_size=PARTITIONS, max_size=PARTITIONS)
        ),
        min_size=2,
        max_size=12,
    ),
    skew=st.sampled_from([0.0, 86_400.123, 1e6]),
)
def test_no_second_sees_more_than_rate_and_burst_of_all_members(per_second, burst, steps, skew):
    members = [Rate(per_second, burst) for _ in range(MEMBERS)]
    for member in members:
        member.set_share(0.0, skew)
    now, starts = 2.0, []
    for seconds, owners in steps:
        # As in a rebalance: who gives something up has a smaller share before anybody has a larger one.
        shares = [owners.count(i) / PARTITIONS for i in range(MEMBERS)]
        for member, share in sorted(zip(members, shares, strict=True), key=lambda each: each[1] - each[0].share):
            if member.share != share:
                member.set_share(share, now + skew)
        for member in members:
            starts += [at - skew for at in started(member, now + skew, now + seconds + skew)]
        now += seconds
    fewest = per_second / PARTITIONS
    assert fewest >= 1.0, "else each may start one"
    assert most_in_a_second(sorted(starts)) <= per_second + burst


def test_a_share_that_grows_counts_a_second_later_and_one_that_shrinks_at_once():
    rate = Rate(40.0, 1)
    rate.set_share(0.0, 0.0)
    assert rate.free_at(50.0) == NEVER
    rate.set_share(0.25, 100.0)
    first = started(rate, 100.0, 102.0)
    assert first[0] > 101.0
    rate.set_share(0.5, 200.0)
    assert len(started(rate, 200.0, 201.0)) == 10
    assert len(started(rate, 201.01, 202.0)) >= 19
    rate.set_share(0.25, 202.0)
    assert started(rate, 202.0, 202.5) == [], "what it has just sent counts"


def test_a_whole_share_loses_nothing():
    rate = Rate(40.0, 1)
    rate.set_share(1.0, 0.0)
    assert 3960 <= len(started(rate, 10.0, 110.0)) <= 4001


def test_a_third_of_forty_is_thirteen():
    rate = Rate(40.0, 1)
    rate.set_share(1 / 3, 0.0)
    assert len(started(rate, 10.0, 110.0)) >= 0.97 * 4000 / 3


def test_a_share_of_less_than_one_a_second_still_moves():
    rate = Rate(1.0, 1)
    rate.set_share(0.1, 0.0)
    assert len(started(rate, 10.0, 109.0)) == 10


def test_without_a_rate_everything_may_start():
    rate = Rate(None, 1)
    rate.set_share(0.0, 0.0)
    assert rate.free_at(5.0) == 5.0
    rate.start(5.0)
    assert rate.per_second is None
