"""Requests: what travels together, in which order, and what waits."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.dispatch import BatchSettings, Dispatcher, Request
from consumer.delivery.gate import Gate, GateSettings, Held
from consumer.delivery.ledger import Ledger
from consumer.delivery.messages import Answer, Partition, Position, Probe, Record, Send
from consumer.delivery.partition import Delivery, PartitionState
from consumer.delivery.rate import NEVER
from consumer.delivery.ready import ReadyQueue
from consumer.delivery.retry import Verdict
from consumer.delivery.snapshot import Stats
from consumer.outcomes import Action, Post


class Harness:
    """A dispatcher behind an open gate."""

    def __init__(self, concurrency=100, **batch):
        self.now = 50.0
        self.gate = Gate(GateSettings(requests_per_second=None, concurrency=concurrency), Random(1), self.now)
        self.out = []
        self.stats = Stats()
        self.dispatcher = Dispatcher(BatchSettings(**batch), self.gate, self.stats, self.out, self.now)
        self.states = [PartitionState(Partition("t", n), Ledger(0), Position(0), 0.0, self.now) for n in range(2)]
        self.offset = 0

    def delivery(self, body=b"{}", partition=0, mapping="m"):
        state = self.states[partition]
        plan = Post(mapping, Action.SEND_CONTACT, f"lane {self.offset}", body, "", "identify")
        record = Record(state.partition, self.offset, 10, (plan,), None)
        self.offset += 1
        return Delivery(state.admit(record, 1, self.now, 0.0, self.offset), plan)

    def ready(self, *deliveries):
        for delivery in deliveries:
            self.dispatcher.ready(delivery, self.now)

    def run(self, seconds=0.0):
        """The requests started, after so long."""
        self.now += seconds
        self.gate.advance(self.now)
        self.out.clear()
        self.dispatcher.run(self.now)
        return [action for action in self.out if isinstance(action, Send)]

    def answer(self, send, status=200, verdict=Verdict.DELIVERED, statuses=None):
        answer = Answer(send, status, statuses=statuses)
        self.gate.finish(answer, verdict)
        return self.dispatcher.answered(answer)


def bodies(sends):
    return [list(send.bodies) for send in sends]


def test_one_a_request_by_default():
    h = Harness()
    h.ready(h.delivery(b"1"), h.delivery(b"2"))
    assert bodies(h.run()) == [[b"1"], [b"2"]]


def test_a_request_holds_as_many_as_fit_by_number_and_bytes():
    h = Harness(max_events=3, max_bytes=10)
    h.ready(*(h.delivery(body) for body in (b"1", b"2", b"3", b"4444444", b"55555", b"x" * 50, b"6")))
    assert bodies(h.run()) == [[b"1", b"2", b"3"], [b"4444444"], [b"55555"], [b"x" * 50], [b"6"]]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 6), st.integers(1, 60))
def test_nothing_is_lost_or_reordered_by_batching(sizes, max_events, max_bytes):
    h = Harness(concurrency=1000, max_events=max_events, max_bytes=max_bytes)
    every = [b"%d " % i + b"x" * size for i, size in enumerate(sizes)]
    h.ready(*(h.delivery(body) for body in every))
    sends = bodies(h.run())
    assert [body for send in sends for body in send] == every
    assert all(len(send) == 1 or (len(send) <= max_events and sum(map(len, send)) <= max_bytes) for send in sends)


def test_what_is_not_full_lingers():
    h = Harness(max_events=3, linger_seconds=0.5)
    h.ready(h.delivery(b"1"))
    assert h.run() == []
    assert h.dispatcher.wake_at == h.now + 0.5
    assert h.gate.held is None, "nothing holds it: it waits for company"
    h.ready(h.delivery(b"2"))
    assert bodies(h.run(0.5)) == [[b"1", b"2"]]
    h.ready(*(h.delivery(b"%d" % i) for i in range(3)))
    assert bodies(h.run()) == [[b"0", b"1", b"2"]], "what is full does not wait"


def test_what_is_due_again_goes_first_and_keeps_its_company():
    h = Harness(concurrency=1, max_events=2)
    h.ready(h.delivery(b"1"), h.delivery(b"2"), h.delivery(b"3"))
    (send,) = h.run()
    assert h.run() == []
    assert h.gate.held is Held.CONCURRENCY
    request, _ = h.answer(send, 503, Verdict.RETRY)
    h.dispatcher.park(request, h.now + 5.0)
    assert h.dispatcher.parked == 2
    (other,) = h.run()
    assert list(other.bodies) == [b"3"]
    h.ready(h.delivery(b"4"))
    h.answer(other)
    h.now += 5.0
    (again,) = h.run()
    assert (list(again.bodies), again.attempt) == ([b"1", b"2"], 2)
    assert h.dispatcher.waiting == 1
    assert h.dispatcher.parked == 0


def test_it_wakes_for_what_is_parked():
    h = Harness()
    h.ready(h.delivery())
    (send,) = h.run()
    assert h.dispatcher.wake_at == NEVER
    request, _ = h.answer(send, 503, Verdict.RETRY)
    h.dispatcher.park(request, h.now + 5.0)
    h.run(1.0)
    assert h.dispatcher.wake_at == h.now + 4.0


def test_two_parked_until_the_same_moment_are_no_trouble():
    h = Harness()
    h.ready(h.delivery(b"1"), h.delivery(b"2"))
    for send in h.run():
        h.dispatcher.park(h.answer(send, 503, Verdict.RETRY)[0], 99.0)
    assert len(h.run(49.0)) == 2


def test_deliveries_given_up_leave_their_request_and_are_not_sent():
    h = Harness(max_events=2)
    h.ready(h.delivery(b"1"), h.delivery(b"2", partition=1))
    (send,) = h.run()
    assert [state.in_flight for state in h.states] == [1, 1]
    h.states[0].alive = False
    request, statuses = h.answer(send, 207, Verdict.DELIVERED, statuses=[200, 503])
    assert [delivery.plan.body for delivery in request.deliveries] == [b"2"]
    assert statuses == [503]
    assert h.states[1].in_flight == 0
    assert h.stats.stale == 1


def test_nothing_is_sent_for_a_partition_that_is_being_revoked():
    h = Harness()
    h.ready(h.delivery(b"1"), h.delivery(b"2", partition=1))
    h.states[0].deadline = 99.0
    assert bodies(h.run()) == [[b"2"]]


def test_the_halves_of_a_batch_go_before_everything():
    h = Harness(max_events=4)
    one, two = h.delivery(b"1"), h.delivery(b"2")
    h.ready(h.delivery(b"3"))
    h.dispatcher.again((Request([one]), Request([two])))
    assert bodies(h.run()) == [[b"1"], [b"2"], [b"3"]]


def test_a_probe_is_announced():
    h = Harness()
    for _ in range(3):
        h.ready(h.delivery())
        (send,) = h.run()
        h.answer(send, 403, Verdict.HALT)
    h.ready(h.delivery())
    assert h.run() == []
    assert h.gate.held is Held.HALT
    (send,) = h.run(5.0)
    assert h.out == [Probe(), send]


def test_a_key_is_the_same_in_every_process_and_another_for_everything_else():
    def key(group="g", body=b"1", mapping="m", skip=0):
        h = Harness(idempotency_group=group)
        h.offset = skip
        h.ready(h.delivery(body, mapping=mapping))
        (send,) = h.run()
        return send.idempotency_key

    assert key() == key()
    assert len({key(), key(group="other"), key(body=b"2"), key(mapping="other"), key(skip=1)}) == 5
    assert len(key()) == 32
    h = Harness()
    h.ready(h.delivery())
    assert h.run()[0].idempotency_key == "", "only where it is asked for"


@given(st.lists(st.one_of(st.integers(0, 30), st.none()), max_size=60))
def test_ready_deliveries_come_oldest_first(steps):
    """Beside a sorted list."""
    h, queue, naive = Harness(), ReadyQueue(), []
    everything = [h.delivery() for _ in range(31)]
    for step in steps:
        if step is not None:
            queue.append(everything[step])
            naive.append(everything[step].of.sequence)
        elif naive:
            oldest = min(naive)
            assert queue.first().of.sequence == oldest
            assert queue.pop().of.sequence == oldest
            naive.remove(oldest)
        assert len(queue) == len(naive)
    odd = [sequence for sequence in naive if sequence % 2]
    queue.keep(lambda delivery: delivery.of.sequence % 2 == 1)
    assert [queue.pop().of.sequence for _ in range(len(queue))] == sorted(odd)
