"""Tells when the event loop no longer turns: the stacks of all threads once, and /healthz red.

A loop that hangs neither polls nor commits, and the broker will take its partitions away; what is needed then is where
it hangs, seen from outside. Stacks are files, lines and functions; local variables, which hold events, are never
written.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

LIMIT_SECONDS: Final = 60.0
"""Far above any turn of a healthy loop, far below max.poll.interval.ms (300 s)."""


class Heartbeat:
    """When the loop last turned. `beat` from the loop, `age` from anywhere: one float, no lock."""

    __slots__ = ("_clock", "_last")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """The loop turns."""
        self._last = self._clock()

    def age(self) -> float:
        """Seconds since."""
        return max(0.0, self._clock() - self._last)


class Watchdog:
    """Looks at a heartbeat from a thread of its own.

    Args:
        heartbeat: the loop's.
        report: what to do with the stacks; called once for each time that the loop hangs.
        interval_seconds: between two looks.
    """

    def __init__(
        self,
        heartbeat: Heartbeat,
        report: Callable[[str], None],
        *,
        limit_seconds: float = LIMIT_SECONDS,
        interval_seconds: float = 5.0,
    ) -> None:
        self._heartbeat = heartbeat
        self._report = report
        self._limit = limit_seconds
        self._interval = interval_seconds
        self._reported = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def check(self) -> None:
        """One look: report if the loop has just been found hanging."""
        hangs = self._heartbeat.age() > self._limit
        if hangs and not self._reported:
            self._report(stacks())
        self._reported = hangs

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self.check()


def stacks() -> str:
    """Where every thread is: files, lines, functions."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    # The only way to see another thread's stack; documented for this purpose: "useful for debugging deadlock".
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - as above
        parts.append(f"thread {names.get(ident, ident)}:")
        for place, line in traceback.walk_stack(frame):
            parts.append(f"  {place.f_code.co_filename}:{line} in {place.f_code.co_qualname}")
    return "\n".join(parts)
