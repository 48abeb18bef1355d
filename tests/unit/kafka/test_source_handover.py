from __future__ import annotations

from consumer.kafka.handover import PATIENCE_SECONDS, HandOver, Patience


def test_behind_from_the_bound_on_until_half_of_it():
    hand_over = HandOver(100)
    hand_over.handed(100)
    assert not hand_over.behind()
    hand_over.handed(20)
    assert hand_over.behind()
    hand_over.took(69)
    assert hand_over.behind()
    hand_over.took(1)
    assert not hand_over.behind()


def test_patience_runs_from_when_nothing_may_come_in_and_anew_each_time():
    patience = Patience()
    assert patience.left(1.0, still=False) == 0.0
    assert patience.left(2.0, still=True) == PATIENCE_SECONDS
    assert patience.left(2.5, still=True) == PATIENCE_SECONDS - 0.5
    assert patience.left(2.0 + PATIENCE_SECONDS, still=True) == 0.0
    assert patience.left(4.0, still=False) == 0.0
    assert patience.left(5.0, still=True) == PATIENCE_SECONDS
