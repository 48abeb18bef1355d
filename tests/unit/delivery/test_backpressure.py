"""Which partitions are paused: by their own share, and by the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from consumer.delivery.backpressure import Backpressure
from consumer.delivery.rate import NEVER

WHOLE = 1_000


@dataclass(eq=False)
class State:
    buffered_bytes: int = 0
    admits: bool = True
    touched: bool = False
    full_since: float | None = None
    ledger: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = SimpleNamespace(admits=lambda: self.admits)


@pytest.fixture
def four():
    """Partitions, each with a share of 250."""
    return {name: State() for name in "abcd"}


@pytest.fixture
def paused(four):
    """Asks with these bytes held, and says which are paused."""
    backpressure = Backpressure(WHOLE)
    backpressure.set_partitions(four)

    def ask(now, *held, busy=True):
        for state, number in zip(four.values(), held, strict=True):
            if state.buffered_bytes != number or state.touched:
                state.buffered_bytes, state.touched = number, False
                backpressure.touched.add(state)
        answer = "".join(sorted(backpressure.paused(now, busy=busy)))
        return answer, backpressure.wake_at

    return ask


def test_a_full_share_pauses_its_partition_alone_until_half_of_it_is_free(paused):
    assert paused(1.0, 249, 0, 0, 0) == ("", NEVER)
    assert paused(2.0, 250, 249, 0, 0) == ("a", NEVER)
    assert paused(3.0, 125, 0, 0, 0) == ("a", NEVER)
    assert paused(4.0, 124, 0, 0, 0) == ("", NEVER)


def test_a_full_map_pauses_its_partition_and_since_when_is_known(four, paused):
    four["c"].admits, four["c"].touched = False, True
    assert paused(1.0, 0, 0, 0, 0)[0] == "c"
    assert paused(2.0, 0, 0, 0, 0)[0] == "c"
    assert four["c"].full_since == 1.0
    four["c"].admits, four["c"].touched = True, True
    assert paused(3.0, 0, 0, 0, 0)[0] == ""
    assert four["c"].full_since is None


def test_batches_that_overflow_their_shares_pause_all_until_half_of_the_whole_is_free(four, paused):
    assert paused(1.0, 900, 99, 0, 0)[0] == "a"
    assert paused(2.0, 900, 100, 0, 0)[0] == "abcd"
    assert paused(3.0, 500, 0, 0, 0)[0] == "abcd"
    assert four["b"].full_since is None, "it is not what fills the memory"
    assert paused(4.0, 499, 0, 0, 0)[0] == "a"


def test_where_all_that_is_held_waits_the_shares_alone_count_a_second_later(paused):
    assert paused(1.0, 1_000, 0, 0, 0)[0] == "abcd"
    assert paused(1.5, 1_000, 0, 0, 0, busy=False) == ("abcd", 2.0)
    assert paused(2.0, 1_000, 0, 0, 0, busy=False) == ("a", NEVER)
    assert paused(3.0, 1_000, 100, 0, 0, busy=False) == ("a", NEVER)
    assert paused(4.0, 1_000, 100, 0, 0)[0] == "abcd", "there is something to send again"


def test_a_moment_with_nothing_to_send_changes_nothing(paused):
    assert paused(1.0, 1_000, 0, 0, 0)[0] == "abcd"
    assert paused(1.9, 1_000, 0, 0, 0, busy=False)[0] == "abcd"
    assert paused(1.95, 1_000, 0, 0, 0)[0] == "abcd"
    assert paused(2.9, 1_000, 0, 0, 0, busy=False) == ("abcd", 2.95)


def test_without_partitions_none_is_paused():
    assert not Backpressure(WHOLE).paused(1.0, busy=True)


def test_partitions_that_go_take_what_they_hold_along_and_those_that_stay_have_larger_shares():
    backpressure, one, other = Backpressure(WHOLE), State(500), State(600)
    backpressure.set_partitions({"a": one, "b": other})
    assert backpressure.paused(1.0, busy=True) == {"a", "b"}
    backpressure.set_partitions({"a": one})
    one.buffered_bytes = 499
    backpressure.touched |= {one, other}
    assert backpressure.paused(2.0, busy=True) == set(), "500 is half of all that there is now"


def test_a_partition_that_comes_back_starts_anew():
    backpressure, one = Backpressure(WHOLE), State(1_000)
    backpressure.set_partitions({"a": one})
    assert backpressure.paused(1.0, busy=True) == {"a"}
    backpressure.set_partitions({"a": State()})
    assert backpressure.paused(2.0, busy=True) == set()


def test_what_is_paused_is_the_same_object_until_it_changes(four):
    backpressure = Backpressure(WHOLE)
    backpressure.set_partitions(four)
    four["a"].buffered_bytes = 300
    first = backpressure.paused(1.0, busy=True)
    four["b"].buffered_bytes = 200
    backpressure.touched.add(four["b"])
    assert backpressure.paused(2.0, busy=True) is first
