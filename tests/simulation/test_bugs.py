"""Every planted bug is found: the simulation can fail, by each of its rules."""

from __future__ import annotations

import pytest

from tests.simulation.bugs import BUGS, caught

SEEDS = 2000
"""Histories in which a bug must be found."""

RARE = {
    "count_the_budget_by_record",
    "fill_the_bucket_at_each_assignment",
    "halt_for_a_dead_letter_that_is_gone",
    "halt_with_nothing_left_to_try",
    "take_a_failed_commit_for_done",
    "try_a_breaker_with_what_always_fails",
}
"""Those that take some hundred histories."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in RARE)) for name in BUGS])
def test_a_planted_bug_is_found(name: str) -> None:
    found = caught(name, SEEDS)
    assert found is not None, f"{name} was not found in {SEEDS} histories"
    number, outcome = found
    assert outcome.violation is not None
    assert outcome.violation.rule != "raised", "it broke the core instead of making it wrong"
    print(f"{name}: found in history {number}: {outcome.violation}")
