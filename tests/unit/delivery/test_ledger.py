"""The ledger against a naive model: a set of offsets for what is done, a set for what is open."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from consumer.delivery.ledger import ADMIT_SHARE, Ledger
from consumer.delivery.offset_map import MAX_CHARS, Restored, decode


class LedgerAgainstModel(RuleBasedStateMachine):
    """A log that grows, with gaps, and is compacted; a reader that finishes in any order, commits and crashes."""

    def __init__(self):
        super().__init__()
        self.log: list[int] = []
        self.end = 100
        self.ledger = Ledger(100)
        self.cursor = 100
        self.done: set[int] = set()
        self.open: set[int] = set()
        self.committed = (100, "", frozenset())

    @rule(gap=st.integers(0, 3), n=st.integers(1, 8))
    def produce(self, gap, n):
        self.log += range(self.end + gap, self.end + gap + n)
        self.end += gap + n

    @precondition(lambda self: any(o >= self.cursor for o in self.log))
    @rule(n=st.integers(1, 8))
    def poll(self, n):
        for offset in [o for o in self.log if o >= self.cursor][:n]:
            fresh = self.ledger.poll(offset)
            assert fresh == (offset not in self.done)
            if fresh:
                self.open.add(offset)
            self.cursor = offset + 1

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data):
        offset = data.draw(st.sampled_from(sorted(self.open)))
        self.open.remove(offset)
        self.done.add(offset)
        self.ledger.done(offset)

    @precondition(lambda self: any(o >= self.cursor for o in self.log))
    @rule(data=st.data())
    def compact(self, data):
        self.log.remove(data.draw(st.sampled_from([o for o in self.log if o >= self.cursor])))

    @rule()
    def commit(self):
        text, whole = self.ledger.metadata()
        assert whole
        self.committed = (self.ledger.base, text, frozenset(self.done))

    @rule()
    def crash(self):
        """What is polled again after a restart is exactly what was not done at the commit."""
        base, text, done = self.committed
        self.ledger = Ledger(base, decode(base, text))
        self.cursor = base
        self.open = set()
        self.done = set(done)

    @invariant()
    def nothing_open_is_passed_and_nothing_else_holds(self):
        # Ahead of the cursor lies what a restored map may have as open.
        unfinished = [o for o in self.log if o >= self.cursor and o not in self.done]
        assert self.ledger.base <= min([*self.open, *unfinished], default=self.end)
        if self.open:
            assert self.ledger.base >= min(self.open) or self.ledger.base == self.committed[0]
        elif not self.ledger.span:
            assert self.ledger.base >= self.ledger.cursor, "a restored map may reach ahead of what was polled"

    @invariant()
    def runs_are_ascending_and_hold_nothing_open(self):
        at = self.ledger.base
        for first, end in self.ledger.runs:
            assert at < first < end
            assert not {o for o in self.open if first <= o < end}
            at = end


TestLedgerAgainstModel = LedgerAgainstModel.TestCase
TestLedgerAgainstModel.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_base_never_moves_back_and_reaches_the_end():
    ledger = Ledger(0)
    bases = []
    for offset in range(50):
        assert ledger.poll(offset)
    for offset in [*range(49, 0, -2), *range(0, 50, 2)]:
        ledger.done(offset)
        bases.append(ledger.base)
    assert sorted(bases) == bases
    assert ledger.base == 50
    assert ledger.span == 0


def test_a_gap_at_any_distance_is_admitted_while_nothing_is_open():
    ledger = Ledger(0)
    assert ledger.poll(10**9)
    assert ledger.base == 10**9
    assert ledger.admits()


def test_one_stuck_record_lets_others_pass_up_to_the_distance_then_holds(monkeypatch):
    monkeypatch.setattr("consumer.delivery.ledger.MAX_DISTANCE", 1000)
    ledger = Ledger(0)
    ledger.poll(0)
    for offset in range(1, 1000):
        assert ledger.admits()
        ledger.poll(offset)
        ledger.done(offset)
    assert ledger.base == 0
    assert not ledger.admits()
    ledger.done(0)
    assert ledger.base == 1000
    assert ledger.admits()


def test_scattered_holes_stop_admission_before_the_map_is_full():
    ledger = Ledger(0)
    offset = 0
    while ledger.admits():
        ledger.poll(offset)
        for other in range(offset + 1, offset + 70):
            ledger.poll(other)
            ledger.done(other)
        offset += 70
    text, whole = ledger.metadata()
    assert whole
    assert ADMIT_SHARE * MAX_CHARS - 10 < len(text) < MAX_CHARS


def test_a_map_that_does_not_fit_is_left_out_and_said_so():
    ledger = Ledger(0, decode(0, ""))
    ledger.started_at_ms = 5
    for offset in range(0, 200_000, 40):
        ledger.poll(offset)
        ledger.poll(offset + 20)
        ledger.done(offset + 20)
        for i in (1, 2, 3):
            ledger.poll(offset + 20 + i)
    text, whole = ledger.metadata(7)
    assert not whole
    assert decode(0, text).runs == ()
    assert decode(0, text).elapsed_seconds == 7
    assert decode(0, text).started_at_ms == 5


def test_restored_offsets_that_no_longer_exist_are_counted_and_pass():
    first = Ledger(10)
    for offset in range(10, 20):
        first.poll(offset)
    for offset in (12, 13, 17):
        first.done(offset)
    text, _ = first.metadata()
    again = Ledger(10, decode(10, text))
    assert again.poll(15)
    assert again.base == 15, "10, 11 and 14 were compacted away; 12 and 13 were done"
    assert again.restored_holes_closed == 3
    assert again.poll(16)
    assert not again.poll(17)
    again.done(15)
    again.done(16)
    assert again.base == 18


@given(st.lists(st.integers(0, 400), unique=True, min_size=1, max_size=120), st.randoms(use_true_random=False))
def test_any_order_of_completion_ends_at_the_same_place(offsets, random):
    ledger = Ledger(0)
    polled = sorted(offsets)
    for offset in polled:
        ledger.poll(offset)
    random.shuffle(offsets)
    for i, offset in enumerate(offsets):
        remaining = set(offsets[i:])
        assert ledger.base <= min(remaining)
        ledger.done(offset)
    assert ledger.base == polled[-1] + 1
    assert list(ledger.runs) == []


def test_what_the_restored_map_has_as_done_is_no_hole_when_it_is_compacted_away():
    ledger = Ledger(5, Restored(((6, 10), (15, 20))))
    assert ledger.poll(5)
    ledger.done(5)
    assert ledger.base == 10
    assert ledger.poll(12)
    assert ledger.restored_holes_closed == 2, "10 and 11; 6 to 9 were done"
    ledger.done(12)
    assert ledger.poll(30)
    assert ledger.base == 30
    assert ledger.restored_holes_closed == 4, "13 and 14 too; above the map nothing was known"


def test_what_lies_within_a_restored_map_is_taken_in_however_large_that_is():
    """Written with the last characters of its limit, it would leave its partition paused for ever."""
    runs = tuple((n, n + 1) for n in range(1, 40_000, 20))
    ledger = Ledger(0, Restored(runs))
    assert len(ledger.metadata()[0]) < MAX_CHARS or not ledger.metadata()[1]
    assert ledger.admits()
    for offset in range(39_981):
        ledger.poll(offset)
        assert ledger.admits()
    ledger.poll(39_981)
    assert not ledger.admits(), "beyond it, it is too large as it is"
