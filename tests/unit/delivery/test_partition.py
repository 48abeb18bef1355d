"""A partition's lanes and records, beside naive ones."""

from collections import defaultdict
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.ledger import Ledger
from consumer.delivery.messages import Partition, Position, Record
from consumer.delivery.offset_map import decode
from consumer.delivery.partition import ELAPSED_COMMIT_SECONDS, OVERHEAD_BYTES, Delivery, PartitionState
from consumer.outcomes import Action, Post

P = Partition("t", 0)


class Harness:
    """One partition."""

    def __init__(self, position=None, elapsed=0.0):
        position = position or Position(0)
        self.state = PartitionState(P, Ledger(position.offset), position, elapsed, 100.0)
        self.offset = position.offset

    def open(self, *lanes, open_seconds=0.0, size=100):
        """A record with a delivery in each lane."""
        plans = [Post("m", Action.SEND_CONTACT, lane, b"{}", "", "identify") for lane in lanes]
        self.state.ledger.poll(self.offset)
        record = Record(P, self.offset, size, plans, None)
        opened = self.state.admit(record, len(plans), 100.0, open_seconds, self.offset)
        self.offset += 1
        return [Delivery(opened, plan) for plan in plans]

    def elapsed(self, open_seconds):
        position, _ = self.state.position(open_seconds, with_map=True)
        return decode(position.offset, position.metadata).elapsed_seconds


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["join", "leave", "release"])), max_size=80))
def test_lanes_agree_with_lists(steps):
    h, naive = Harness(), defaultdict(list)
    released = []
    for lane, step in steps:
        waiting = naive[lane]
        if step == "join":
            (delivery,) = h.open(lane)
            assert h.state.join_lane(delivery, lane) == (not waiting)
            waiting.append(delivery)
        elif waiting:
            first = waiting.pop(0)
            following = waiting[0] if waiting else None
            if step == "release" and following is not None:
                assert h.state.release_lane(first) is following
                released.append((first, lane))
            else:
                assert h.state.leave_lane(first, lane) is following
        elif released:
            first, its_lane = released.pop()
            assert h.state.leave_lane(first, its_lane) is None, "those behind it went on long ago"
        assert h.state.lanes == {lane: waiting[-1] for lane, waiting in naive.items() if waiting}


def test_memory_is_counted_while_a_record_is_open():
    h = Harness()
    (one,), (two,) = h.open("a", size=1000), h.open("b", size=10)
    assert h.state.buffered_bytes == 1010 + 2 * OVERHEAD_BYTES
    h.state.finish(two.of)
    assert h.state.buffered_bytes == 1000 + OVERHEAD_BYTES
    h.state.finish(one.of)
    assert h.state.buffered_bytes == 0
    assert h.state.ledger.base == 2


def test_it_has_changed_until_a_commit_of_all_that_is_acknowledged():
    h = Harness()
    assert not h.state.changed
    (one,), (two,) = h.open("a"), h.open("b")
    h.state.finish(one.of)
    assert h.state.changed
    h.state.committing(101.0)
    h.state.finish(two.of)
    h.state.committed_at(Position(1), ok=True)
    assert h.state.changed, "the second has ended since"
    h.state.committing(102.0)
    h.state.committed_at(Position(2), ok=False)
    assert h.state.changed
    h.state.committing(103.0)
    h.state.committed_at(Position(2), ok=True)
    assert not h.state.changed
    assert h.state.committed == Position(2)


def test_the_age_is_that_of_the_record_at_the_committable_offset():
    h = Harness()
    (one,), (two,) = h.open("a"), h.open("b")
    assert h.elapsed(50.0) == 0
    assert h.state.commit_at == inf, "there is nothing to say"
    one.starts(10.0)
    two.starts(40.0)
    assert h.state.commit_at == h.state.stamped_at + ELAPSED_COMMIT_SECONDS
    assert h.elapsed(50.9) == 40
    h.state.finish(one.of)
    assert h.elapsed(50.9) == 10
    h.state.finish(two.of)
    assert h.elapsed(50.9) == 0


def test_a_restored_age_is_taken_up_by_its_record_alone():
    h = Harness(Position(7), elapsed=300.0)
    assert h.elapsed(0.0) == 300, "before it comes, too"
    (mine,), (other,) = h.open("a", open_seconds=5.0), h.open("b", open_seconds=5.0)
    assert mine.of.first_attempt == -295.0
    assert other.of.first_attempt is None
    assert h.elapsed(15.0) == 310
    h.state.finish(mine.of)
    assert h.elapsed(15.0) == 0


def test_a_restored_age_whose_record_is_gone_is_nobody_s():
    h = Harness(Position(7), elapsed=300.0)
    h.offset = 9
    (other,) = h.open("a")
    assert other.of.first_attempt is None
    assert h.elapsed(0.0) == 0


def test_it_sends_while_it_is_alive_and_not_being_revoked():
    h = Harness()
    assert h.state.sends
    h.state.deadline = 5.0
    assert not h.state.sends
    h.state.deadline, h.state.alive = None, False
    assert not h.state.sends
