"""What the gate makes of a webhook's moods: each scenario's figures lie in the ranges that its file names."""

from __future__ import annotations

import pytest

from tests.simulation.bugs import planted
from tests.simulation.scenario import FOLDER, Bench, figures, load

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def outside(name: str, seed: int = 1) -> list[str]:
    """The figures that lie outside of their ranges."""
    scenario = load(name)
    assert scenario.expect
    found = figures(scenario, Bench(scenario, seed).run())
    return [
        f"{figure} is {found[figure]:.3f}, not {low:g} to {high:g}"
        for figure, (low, high) in scenario.expect.items()
        if not low <= found[figure] <= high
    ]


@pytest.mark.parametrize("name", NAMES)
def test_figures_lie_in_their_ranges(name: str) -> None:
    assert outside(name) == [], load(name).about


def test_every_mood_has_its_scenario() -> None:
    assert set(NAMES) >= {
        "steady",
        "jitter",
        "random_503",
        "rate_limited",
        "rate_limited_with_retry_after",
        "connection_limited",
        "drops",
        "slow",
        "hang",
        "down",
        "recovery",
    }


@pytest.mark.parametrize(
    ("bug", "name"),
    [
        ("hold_the_permit_in_backoff", "random_503_unlimited"),
        ("ignore_retry_after", "rate_limited_with_retry_after"),
    ],
)
def test_a_scenario_can_fail(bug: str, name: str) -> None:
    with planted(bug):
        assert outside(name) != []
