"""Simulated deployments keep the promise; a planted bug breaks it, or the simulator would prove nothing."""

from __future__ import annotations

import os

import pytest

from tests.simulation.bugs import BUGS, planted
from tests.simulation.history import simulate
from tests.simulation.plan import make
from tests.simulation.run import explain

HISTORIES = int(os.environ.get("SIMULATE_HISTORIES", "30"))
FIRST_SEED = int(os.environ.get("SIMULATE_SEED", "0"))
WITHIN_SEEDS = 2000


def test_histories_keep_the_promise():
    for seed in range(FIRST_SEED, FIRST_SEED + HISTORIES):
        outcome = simulate(make(seed))
        assert outcome.violation is None, f"seed {seed}: {outcome.violation}\n{explain(make(seed))}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", sorted(BUGS))
def test_a_planted_bug_is_caught(bug):
    with planted(bug):
        for seed in range(WITHIN_SEEDS):
            if simulate(make(seed)).violation is not None:
                print(f"{bug}: caught by seed {seed}")
                return
    pytest.fail(f"{bug} was not caught within {WITHIN_SEEDS} histories")
