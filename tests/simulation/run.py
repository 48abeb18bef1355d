"""Run many histories: ``python -m tests.simulation.run --histories 10000 --seed 0 --workers 2``.

Prints what happened in them, by kind of fault, and every violation: its seed, and the smallest history that still
shows it. Ends with 1 where there was one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from contextlib import nullcontext
from multiprocessing import Pool
from typing import TYPE_CHECKING

from tests.simulation.bugs import BUGS, planted
from tests.simulation.history import simulate
from tests.simulation.plan import FaultKind, make
from tests.simulation.shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.simulation.plan import Plan

_CHUNK = 20
_PROGRESS_SECONDS = 30.0
_TRACE_LINES = 25


def _chunk(seeds: range, bug: str | None = None) -> tuple[int, Counter[str], list[tuple[int, str]]]:
    """Run these: how many they were, what happened in them, the violations."""
    coverage: Counter[str] = Counter()
    violations = []
    with planted(bug) if bug else nullcontext():
        for seed in seeds:
            outcome = simulate(make(seed))
            coverage.update(outcome.coverage)
            coverage["virtual seconds"] += int(outcome.seconds)
            if outcome.violation is not None:
                violations.append((seed, str(outcome.violation)))
    return len(seeds), coverage, violations


def _chunks(first: int, count: int) -> list[range]:
    return [range(at, min(at + _CHUNK, first + count)) for at in range(first, first + count, _CHUNK)]


def run(
    first: int, count: int, workers: int = 1, bug: str | None = None
) -> Iterator[tuple[int, Counter[str], list[tuple[int, str]]]]:
    """Run this many histories, in any order; yields as they come."""
    chunks = _chunks(first, count)
    if workers <= 1:
        yield from (_chunk(chunk, bug) for chunk in chunks)
        return
    with Pool(workers) as pool:
        yield from pool.imap_unordered(_chunk, chunks)


def explain(plan: Plan) -> str:
    """A failing plan, made small, with its last turns."""
    small = shrink(plan)
    outcome = simulate(small, trace=True)
    assert outcome.trace is not None
    lines = outcome.trace
    if len(lines) > 2 * _TRACE_LINES:
        lines = [*lines[:_TRACE_LINES], "...", *lines[-_TRACE_LINES:]]
    return "\n".join([small.describe(), *lines])


def report(histories: int, seconds: float, coverage: Counter[str], violations: int) -> Iterable[str]:
    """What happened, for a person."""
    per_minute = histories / seconds * 60.0 if seconds else 0.0
    yield f"{histories} histories in {seconds:.0f} s, {per_minute:.0f} a minute: {violations} violations"
    yield "faults:"
    for kind in FaultKind:
        yield f"  {coverage[kind]:>9}  {kind}"
    yield "what came of them:"
    faults = set(FaultKind)
    for what, number in sorted(coverage.items(), key=lambda item: -item[1]):
        if what not in faults:
            yield f"  {number:>9}  {what}"


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="Simulate whole deployments and check each against the promise.")
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--trace", action="store_true", help="print every turn of the history of --seed, and end")
    parser.add_argument("--bug", choices=sorted(BUGS), help="plant this one (with one worker)")
    arguments = parser.parse_args()
    if arguments.trace:
        with planted(arguments.bug) if arguments.bug else nullcontext():
            outcome = simulate(make(arguments.seed), trace=True)
        print(outcome.plan.describe(), *(outcome.trace or ()), sep="\n")
        return int(outcome.violation is not None)
    started = said = time.monotonic()
    histories, coverage, violations = 0, Counter[str](), 0
    for number, seen, found in run(arguments.seed, arguments.histories, arguments.workers, arguments.bug):
        histories += number
        coverage.update(seen)
        for seed, text in found:
            violations += 1
            print(f"seed {seed}: {text}", flush=True)
            if violations <= 3:
                with planted(arguments.bug) if arguments.bug else nullcontext():
                    print(explain(make(seed)), flush=True)
        if time.monotonic() - said > _PROGRESS_SECONDS:
            said = time.monotonic()
            print(f"  {histories} histories, {violations} violations", file=sys.stderr, flush=True)
    print(*report(histories, time.monotonic() - started, coverage, violations), sep="\n")
    return int(violations > 0)


if __name__ == "__main__":
    sys.exit(main())
