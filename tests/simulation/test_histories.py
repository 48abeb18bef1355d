"""Whole deployments on virtual time: every history keeps the promise, and one that would not is found and made small.

More of them: ``make simulate N=100000``, or ``SIMULATE_HISTORIES=5000`` in the environment of the tests.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from consumer.delivery.messages import Partition, Position
from tests.simulation.bugs import planted
from tests.simulation.history import simulate
from tests.simulation.plan import FaultKind, Plan, make
from tests.simulation.promise import Promise, Tenure
from tests.simulation.run import explain, report, run
from tests.simulation.shrink import shrink

HISTORIES = int(os.environ.get("SIMULATE_HISTORIES", "100"))
FIRST_SEED = int(os.environ.get("SIMULATE_SEED", "0"))


@pytest.mark.timeout(60 + HISTORIES)
def test_no_history_breaks_the_promise():
    coverage: Counter[str] = Counter()
    violations: list[tuple[int, str]] = []
    for _, seen, found in run(FIRST_SEED, HISTORIES):
        coverage.update(seen)
        violations += found
    if violations:
        said = "\n".join(f"seed {seed}: {text}" for seed, text in violations)
        pytest.fail(f"{said}\n{explain(make(violations[0][0]))}")
    # What never happened was not tested.
    assert [kind for kind in FaultKind if not coverage[kind]] == []
    assert coverage["duplicates prevented by the map"] > 0
    assert coverage["maps left out"] > 0
    assert coverage["repeats skipped"] > 0
    assert coverage["dead letters retry_budget_spent"] > 0
    for reason in ("webhook_refused", "dead_letter_ratio", "dead_letter_unavailable"):
        assert coverage[f"halt {reason}"] > 0, reason


def test_a_history_is_large_enough_to_mean_something():
    for seed in range(200):
        plan = make(seed)
        assert len(plan.records) >= 200
        assert plan.replicas >= 2
        assert len(plan.faults) >= 3
        assert max(len(record.deliveries) for record in plan.records) == 3
        by_partition = {(record.partition, lane) for record in plan.records for _, lane in record.deliveries if lane}
        assert len(by_partition) >= 2 * plan.partitions


def test_a_seed_gives_the_same_history_again():
    one, two = (simulate(make(7), trace=True) for _ in range(2))
    assert one.trace == two.trace
    assert one.coverage == two.coverage


def test_what_breaks_the_promise_is_made_small_and_shown():
    with planted("forget_sibling_deliveries"):
        plan = make(0)
        small = shrink(plan)
        violation = simulate(small).violation
        text = explain(plan)
    assert violation is not None
    assert violation.rule == "passed"
    assert len(small.records) <= 3
    assert small.faults == ()
    assert "VIOLATION passed" in text
    assert text.startswith("seed 0: ")


def test_a_plan_that_keeps_the_promise_is_left_as_it_is():
    plan: Plan = replace(make(1), faults=())
    assert shrink(plan) == plan


def test_the_report_names_every_fault():
    text = "\n".join(report(10, 2.0, Counter({"crash": 3, "requests": 5}), 0))
    assert "10 histories in 2 s, 300 a minute: 0 violations" in text
    assert "3  crash\n" in text
    assert all(kind in text for kind in FaultKind)


def test_what_a_take_over_repeats_is_not_unbilled_by_a_commit_that_comes_too_late():
    # Seed 7,099,375: a process stood still, another repeated what it had not committed, and then its commit was taken.
    promise, partition = Promise(make(0), {}), Partition("segment", 0)
    slow, quick = (Tenure(partition, Position(0), 0.0) for _ in range(2))
    promise.assigned(slow)
    slow.ends += [SimpleNamespace(entry=offset) for offset in range(3)]
    promise.assigned(quick)
    promise.took(slow, 3, None)
    promise.handed_over(slow)
    assert promise.allowance["since the last commit"] == 3
