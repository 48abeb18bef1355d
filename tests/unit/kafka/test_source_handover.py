from __future__ import annotations

from consumer.kafka.handover import PATIENCE_SECONDS, HandOver


def test_behind_from_the_bound_on_until_half_of_it():
    hand_over = HandOver(100)
    hand_over.handed(100)
    assert not hand_over.behind(1.0)
    hand_over.handed(20)
    assert hand_over.behind(2.0)
    hand_over.took(69)
    assert hand_over.behind(3.0)
    hand_over.took(1)
    assert not hand_over.behind(4.0)


def test_patience_runs_from_when_it_fell_behind_and_anew_each_time():
    hand_over = HandOver(100)
    assert hand_over.patience(1.0) == 0.0
    hand_over.handed(101)
    assert hand_over.behind(2.0)
    assert hand_over.patience(2.0) == PATIENCE_SECONDS
    assert hand_over.behind(2.5)
    assert hand_over.patience(2.5) == PATIENCE_SECONDS - 0.5
    assert hand_over.patience(2.0 + PATIENCE_SECONDS) == 0.0
    hand_over.took(101)
    assert not hand_over.behind(4.0)
    hand_over.handed(101)
    assert hand_over.behind(5.0)
    assert hand_over.patience(5.0) == PATIENCE_SECONDS
