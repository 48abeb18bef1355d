"""The rate: no second sees more than the whole of all replicas' parts, whatever becomes of their shares."""

import math
from bisect import bisect_right

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
        member.set_share(0.0, skew, rounds_up=False)
    now, starts, had_first = 2.0, [], {}
    for seconds, owners in steps:
        # As in a rebalance: who gives something up has a smaller share before anybody has a larger one.
        shares = [(owners.count(i) / PARTITIONS, owners[0] == i) for i in range(MEMBERS)]
        of = dict(zip(members, shares, strict=True))
        for before_others_grow in (True, False):
            for member, (share, first) in of.items():
                kept = min(member.share, share), first and had_first.get(member, False)
                part = kept if before_others_grow else (share, first)
                if (member.share, had_first.get(member)) != part:
                    member.set_share(part[0], now + skew, rounds_up=part[1])
                    had_first[member] = part[1]
        for member in members:
            starts += [at - skew for at in started(member, now + skew, now + seconds + skew)]
        now += seconds
    fewest = per_second / PARTITIONS
    assert fewest >= 1.0, "else each may start one"
    assert most_in_a_second(sorted(starts)) <= per_second + burst


@settings(max_examples=60, deadline=None)
@given(
    per_second=st.sampled_from([8.0, 40.0, 500.0, 5000.0]),
    burst=st.sampled_from([1, 3]),
    turns=st.lists(st.sampled_from([0.0002, 0.001, 0.001, 0.003, 0.02]), min_size=1, max_size=20),
    late=st.lists(st.booleans(), min_size=1, max_size=7),
)
def test_no_second_sees_more_leave_however_long_after_its_turn_it_does(per_second, burst, turns, late):
    """Of one turn, some requests leave at once and others at its end."""
    rate = Rate(per_second, burst)
    rate.set_share(1.0, 0.0, rounds_up=True)
    now, left, turn = 10.0, [], 0
    while now < 12.5:
        started = 0
        while rate.free_at(now) <= now:
            rate.start(now)
            left.append((now, late[len(left) % len(late)]))
            started += 1
        now += turns[turn % len(turns)]
        turn += 1
        rate.written(now)
        left[len(left) - started :] = [(now if waits else at, False) for at, waits in left[len(left) - started :]]
    times = sorted(at for at, _ in left)
    in_a_second = max(place + 1 - bisect_right(times, at - 1.0) for place, at in enumerate(times))
    assert in_a_second <= per_second + burst


def test_thousands_a_second_lose_less_than_two_in_a_hundred_to_turns_that_take_long():
    """Ten times a second a batch comes in, and what a turn starts leaves after it."""
    rate = Rate(5000.0, 1)
    rate.set_share(1.0, 0.0, rounds_up=True)
    now, starts, turn = 10.0, 0, 0
    while now < 20.0:
        before = starts
        while rate.free_at(now) <= now:
            rate.start(now)
            starts += 1
        turn += 1
        now += 0.001 + 40e-6 * (starts - before) + (0.01 if turn % 80 == 0 else 0.0)
        rate.written(now)
    assert starts >= 0.98 * 50_000


def test_a_share_that_grows_counts_a_second_later_and_one_that_shrinks_at_once():
    rate = Rate(40.0, 1)
    rate.set_share(0.0, 0.0, rounds_up=False)
    assert rate.free_at(50.0) == NEVER
    rate.set_share(0.25, 100.0, rounds_up=False)
    first = started(rate, 100.0, 102.0)
    assert first[0] > 101.0
    rate.set_share(0.5, 200.0, rounds_up=False)
    assert len(started(rate, 200.0, 201.0)) == 10
    assert len(started(rate, 201.01, 202.0)) >= 19
    rate.set_share(0.25, 202.0, rounds_up=False)
    assert started(rate, 202.0, 202.5) == [], "what it has just sent counts"


def test_a_whole_share_loses_nothing():
    rate = Rate(40.0, 1)
    rate.set_share(1.0, 0.0, rounds_up=True)
    assert 3960 <= len(started(rate, 10.0, 110.0)) <= 4001


def test_three_replicas_lose_less_than_two_in_a_hundred():
    """13 + 13 + 13 of the 41 that a second may see, and what is left for the one that rounds up."""
    total = 0
    for number in range(3):
        rate = Rate(40.0, 1)
        rate.set_share(1 / 3, 0.0, rounds_up=number == 0)
        total += len(started(rate, 10.0, 110.0))
    assert 0.982 * 4000 <= total <= 4003


@given(
    whole=st.one_of(st.integers(2, 60), st.floats(2.0, 60.0)),
    parts=st.lists(st.integers(1, 50), min_size=1, max_size=8),
)
def test_parts_make_up_the_whole_at_most(whole, parts):
    """However many there are, and whatever the others have; two lose nothing."""
    rates = [Rate(whole - 1, 1) for _ in parts]
    for number, (rate, part) in enumerate(zip(rates, parts, strict=True)):
        rate.set_share(part / sum(parts), 0.0, rounds_up=number == 0)
    most = [rate._part for rate in rates]
    raised_to_one = sum(rate._part == 1 and rate.share * whole < 1.0 for rate in rates)
    assert sum(most) <= whole + 1e-9 + raised_to_one
    if len(parts) <= 2:
        assert sum(most) >= math.floor(whole + 1e-9)


def test_a_share_of_less_than_one_a_second_still_moves():
    rate = Rate(1.0, 1)
    rate.set_share(0.1, 0.0, rounds_up=False)
    assert len(started(rate, 10.0, 109.0)) == 10


def test_without_a_rate_everything_may_start():
    rate = Rate(None, 1)
    rate.set_share(0.0, 0.0, rounds_up=False)
    assert rate.free_at(5.0) == 5.0
    rate.start(5.0)
    assert rate.per_second is None
