"""The watchdog, on a clock of the test's own."""

from __future__ import annotations

import threading

from consumer.ops.watchdog import Heartbeat, Watchdog, stacks


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_reports_once_for_each_time_that_the_loop_hangs():
    clock, reports = Clock(), []
    heartbeat = Heartbeat(clock)
    watchdog = Watchdog(heartbeat, reports.append)
    counts = []
    for seconds, beats in ((59, False), (61, False), (120, False), (121, True), (182, False)):
        clock.now = 100.0 + seconds
        if beats:
            heartbeat.beat()
        watchdog.check()
        counts.append(len(reports))
    assert counts == [0, 1, 1, 1, 2]


def test_age_is_since_the_last_beat():
    clock = Clock()
    heartbeat = Heartbeat(clock)
    clock.now += 5
    assert heartbeat.age() == 5
    heartbeat.beat()
    assert heartbeat.age() == 0


def test_its_thread_looks_by_itself_and_ends():
    clock, reported = Clock(), threading.Event()
    heartbeat = Heartbeat(clock)
    clock.now += 61
    with Watchdog(heartbeat, lambda _: reported.set(), interval_seconds=0.001):
        assert reported.wait(5)
    assert not [thread for thread in threading.enumerate() if thread.name == "watchdog"]


def test_stacks_name_threads_and_functions_and_no_values():
    release, waiting = threading.Event(), threading.Event()

    def holds_a_customer() -> None:
        customer = "CANARY"
        waiting.set()
        release.wait(5)
        del customer

    thread = threading.Thread(target=holds_a_customer, name="stuck-one")
    thread.start()
    assert waiting.wait(5)
    try:
        text = stacks()
    finally:
        release.set()
        thread.join()
    assert "thread stuck-one:" in text
    assert "holds_a_customer" in text
    assert "test_watchdog.py" in text
    assert "CANARY" not in text
