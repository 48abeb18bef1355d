"""Runs the service with a sampling profiler of its main thread; writes CPU seconds by stage where STAGES_FILE says.

    STAGES_FILE=stages.json python benchmarks/sampled.py run --config settings.yaml

From SIGUSR1 on a profiling signal comes every millisecond of the process's CPU; what the main thread has used since the
last one is booked on the stage whose code it is in. The innermost function of ours (or of asyncio) on the stack says
which stage that is, so what a stage calls in C or in a library is its own.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from types import FrameType

EVERY_SECONDS = 0.001
STAGES = (
    ("consumer/kafka/decode", "decode"),
    ("consumer/segment/", "route and map"),
    ("consumer/chartmogul/", "route and map"),
    ("consumer/planning", "records of messages"),
    ("consumer/delivery/", "lanes, gate, ledger"),
    ("consumer/sender", "sender"),
    ("consumer/webhook/", "webhook client"),
    ("consumer/service", "driver"),
    ("consumer/kafka/", "hand-over"),
    ("consumer/ops/", "metrics"),
    ("asyncio/", "event loop"),
    ("uvloop/", "event loop"),
)


class Sampler:
    """Books CPU on stages and on functions."""

    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()
        self._last = time.thread_time()

    def begin(self, *_: object) -> None:
        """SIGUSR1: book from now on; the start is over."""
        self._last = time.thread_time()
        signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)

    def __call__(self, _number: int, frame: FrameType | None) -> None:
        """The signal's handler, on the main thread."""
        now = time.thread_time()
        used, self._last = now - self._last, now
        while frame is not None:
            name = frame.f_code.co_filename
            stage = next((stage for part, stage in STAGES if part in name), None)
            if stage is not None:
                self.stages[stage] += used
                self.functions[f"{name.rpartition('/')[2]}:{frame.f_lineno} {frame.f_code.co_qualname}"] += used
                return
            frame = frame.f_back
        self.stages["rest"] += used

    def write(self, path: Path) -> None:
        """At the process's end."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        top = dict(self.functions.most_common(60))
        path.write_text(json.dumps({"stages": dict(self.stages), "functions": top}))


def main() -> None:
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler)
    signal.signal(signal.SIGUSR1, sampler.begin)
    atexit.register(sampler.write, Path(os.environ["STAGES_FILE"]))
    from consumer.cli import main as run

    run()


if __name__ == "__main__":
    main()
