"""``check`` ends, whatever hangs or breaks, and says so in a line."""

from __future__ import annotations

from threading import Event

from consumer.checks import online
from consumer.checks.finding import Deadline, Finding, Verdict


def test_a_question_that_hangs_against_its_own_deadline_is_left_behind(monkeypatch):
    release = Event()

    def hang(*_, **__):
        yield Finding("versions", Verdict.PASS)
        release.wait(30)

    monkeypatch.setattr(online, "_questions", hang)
    monkeypatch.setattr(online, "_GRACE_SECONDS", 0.0)
    found = list(online.look(None, seconds=0.01, ask_webhook=False))
    release.set()
    assert [(each.name, each.verdict) for each in found] == [("versions", Verdict.PASS), ("check", Verdict.FAIL)]


def test_a_question_that_breaks_is_a_line_without_its_message(monkeypatch):
    def broken(*_, **__):
        raise KeyError("CANARY")
        yield

    monkeypatch.setattr(online, "_questions", broken)
    (found,) = online.look(None, seconds=5, ask_webhook=False)
    assert found.verdict is Verdict.FAIL
    assert "KeyError" in found.says
    assert "CANARY" not in str(found)


def test_the_deadline_is_shared_and_never_nothing():
    now = [0.0]
    deadline = Deadline(10, clock=lambda: now[0])
    assert deadline.at_most(3) == 3
    now[0] = 8.0
    assert deadline.at_most(3) == 2
    now[0] = 11.0
    assert deadline.over
    assert 0 < deadline.at_most(3) < 1
