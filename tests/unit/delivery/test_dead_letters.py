"""Dead letters until they are acknowledged."""

import pytest

from consumer.delivery.dead_letters import DeadLetters
from consumer.delivery.ledger import Ledger
from consumer.delivery.messages import DeadLetter, Partition, Position, Record
from consumer.delivery.partition import Delivery, PartitionState
from consumer.delivery.rate import NEVER
from consumer.outcomes import DecodeReason, DeliverReason, Reject, RejectReason, Stage

P = Partition("t", 0)


class Harness:
    """Letters of one partition."""

    def __init__(self, ratio=0.5):
        self.out = []
        self.letters = DeadLetters(ratio, self.out)
        self.state = PartitionState(P, Ledger(0), Position(0), 0.0, 0.0)
        self.number = 0

    def add(self, stage=Stage.VALIDATE, reason=RejectReason.INVALID_PAYLOAD):
        plan = Reject(reason, stage, "m", "identify")
        record = Record(P, self.number, 10, (plan,), None)
        delivery = Delivery(self.state.admit(record, 1, 0.0, 0.0, self.number), plan)
        self.number += 1
        letter = DeadLetter(self.number, P, record.offset, None, stage, reason, "m", "")
        return delivery, letter, self.letters.add(delivery, letter)


def test_a_delivery_ends_when_its_letter_is_acknowledged():
    h = Harness()
    delivery, letter, written = h.add()
    assert written
    assert h.out == [letter]
    assert h.state.in_flight == 1, "what is revoked waits for it"
    assert h.letters.acknowledged(letter) is delivery
    assert h.state.in_flight == 0
    assert h.letters.waiting == 0


def test_what_fails_is_written_again_ever_more_slowly():
    h = Harness()
    _, letter, _ = h.add()
    now = 100.0
    for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        assert h.letters.failed(letter, now)
        assert h.state.in_flight == 0
        assert h.letters.wake_at == now + pause
        assert h.letters.failing
        h.out.clear()
        h.letters.run(now + pause - 0.01)
        assert h.out == []
        now += pause
        h.letters.run(now)
        assert h.out == [letter]
        assert h.state.in_flight == 1
        assert not h.letters.failing
    assert h.letters.acknowledged(letter) is not None
    assert h.letters.wake_at == NEVER


def test_of_a_partition_given_up_nothing_is_written_again_and_nothing_counts():
    h = Harness()
    _, under_way, _ = h.add()
    _, waiting, _ = h.add()
    h.letters.failed(waiting, 0.0)
    h.state.alive = False
    h.letters.forget_given_up()
    assert not h.letters.failing
    h.out.clear()
    h.letters.run(1000.0)
    assert h.out == []
    assert h.letters.acknowledged(under_way) is None
    assert h.letters.waiting == 0


def test_while_a_partition_is_being_revoked_nothing_is_written_again():
    h = Harness()
    _, letter, _ = h.add()
    h.letters.failed(letter, 0.0)
    h.state.deadline = 99.0
    h.out.clear()
    h.letters.run(10.0)
    assert h.out == []
    assert h.state.in_flight == 0


@pytest.mark.parametrize(
    ("stage", "reason"), [(Stage.DECODE, DecodeReason.INVALID_JSON), (Stage.DELIVER, DeliverReason.HTTP_REJECTED)]
)
def test_too_many_are_held_back_until_a_person_has_looked(stage, reason):
    h = Harness()
    written = [h.add(stage, reason)[2] for _ in range(30)]
    assert written == [True] * 20 + [False] * 10
    assert h.add(Stage.VALIDATE)[2], "validation is everyday business"
    assert h.letters.waiting == 31
    h.out.clear()
    h.letters.reset()
    assert [letter.ident for letter in h.out] == list(range(21, 31))


def test_what_is_held_back_goes_with_its_partition():
    h = Harness()
    for _ in range(30):
        h.add(Stage.DECODE, DecodeReason.INVALID_JSON)
    h.state.alive = False
    h.letters.forget_given_up()
    h.out.clear()
    h.letters.reset()
    assert h.out == []


def test_a_ratio_of_one_holds_nothing_back():
    h = Harness(ratio=1.0)
    assert all(h.add(Stage.DECODE, DecodeReason.INVALID_JSON)[2] for _ in range(300))
