"""Every alert and every panel against a real Prometheus that scrapes the real service, brought into each state."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.deploy_metrics.live import Deployment, Prometheus, hastened
from tests.deploy_metrics.scenarios import FACTORS, SCENARIOS
from tests.deploy_metrics.shipped import dashboard, queries, rules, substituted
from tests.integration.harness import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AT_ONCE = 5
HEALTHY = "healthy"
DOCUMENT = dashboard()
QUERIES = queries(DOCUMENT)

EMPTY_WHERE_ALL_IS_WELL = {
    "Why it waits / A": "nothing holds it",
    "Alerts that fire / A": "none does",
    "Attempts that were not taken / A": "all were",
    "Put back for another attempt / A": "none was",
    "State / B": "it has not halted",
    "Records into events / B": "no record's schema is in a registry",
    "Records into events / C": "no field is missing",
    "Duplicates prevented, and what makes some / C": "no map was ignored",
    "By mapping and reason / A": "no dead letters",
}
"""Queries that find nothing in a healthy deployment → why that is right. In the others each finds something."""


@dataclass
class World:
    """Prometheus, a deployment that nothing ever happens to, and what became of the others."""

    prometheus: Prometheus
    ended: dict[str, Future[None]]
    started_at: float


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    """All scenarios, some at once: each is another deployment of the same Prometheus."""
    folder = tmp_path_factory.mktemp("live")
    listed = [hastened(rule, FACTORS.get(rule["alert"], 60)) for rule in rules()]

    with ExitStack() as stack:
        prometheus = stack.enter_context(Prometheus(folder, listed))
        healthy = stack.enter_context(Deployment(HEALTHY, prometheus, folder))
        stack.enter_context(healthy.service(healthy.settings(delivery={"requests_per_second": 40})))
        stack.enter_context(healthy.traffic(count=4, every_seconds=0.3))

        def play(name: str) -> None:
            scenario, partitions = SCENARIOS[name]
            with Deployment(name, prometheus, folder, partitions=partitions) as deployment:
                scenario(deployment)

        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        yield World(prometheus, {name: pool.submit(play, name) for name in SCENARIOS}, time.time())
        pool.shutdown(cancel_futures=True)  # where only some were asked for


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_alert_fires_and_clears(world, name):
    world.ended[name].result()


def test_a_healthy_deployment_beside_them_has_no_alert(world):
    [future.exception() for future in world.ended.values()]
    fired = world.prometheus.history(f'ALERTS{{job="{HEALTHY}", alertstate="firing"}}')
    assert [labels["alertname"] for labels, _ in fired] == []


def test_at_every_scrape_every_delivery_is_accounted_for(world):
    """Of each deployment, mapping and scrape: planned = ended + in progress, whatever happens to it."""
    [future.exception() for future in world.ended.values()]
    by = "sum by (job, instance, mapping)"
    planned, ended = (f"{by} (chartmogul_consumer_deliveries_{name}_total)" for name in ("planned", "ended"))
    in_progress = f"{by} (chartmogul_consumer_deliveries_in_progress)"
    history = world.prometheus.history(f"{planned} - ({ended} or {planned} * 0) - {in_progress}")
    assert {labels["job"] for labels, _ in history} >= {HEALTHY, "rebalances", "dead-letters", "no-progress"}
    assert [(labels, values) for labels, values in history if any(values)] == []
    moved = world.prometheus.history(f'{planned} * on (job) group_left () (group by (job) (up{{job="{HEALTHY}"}}))')
    assert len(set(moved[0][1])) > 20, "it was under load"


def test_a_partition_that_went_to_another_has_no_series(world):
    world.ended["rebalances"].exception()
    held = world.prometheus.history('count(chartmogul_consumer_partition_lag_records{job="rebalances"})')
    assert {value for _, values in held for value in values} == {1.0, 2.0}


def finds(world: World, expr: str, **chosen: str) -> bool:
    """Whether there has been a number since the start."""
    history = world.prometheus.history(substituted(expr, **chosen))
    return any(math.isfinite(value) for _, values in history for value in values)


@pytest.mark.parametrize("query", QUERIES, ids=[query.where for query in QUERIES])
def test_a_panel_has_data(world, query):
    [future.exception() for future in world.ended.values()]
    assert finds(world, query.expr)


def test_a_healthy_deployment_has_data_in_all_panels_but_those_of_faults(world):
    [future.exception() for future in world.ended.values()]
    empty = {query.where for query in QUERIES if not finds(world, query.expr, job=HEALTHY)}
    assert empty == set(EMPTY_WHERE_ALL_IS_WELL)


def test_a_variable_offers_what_those_before_it_leave(world):
    wait_for(
        lambda: world.prometheus.query(f'chartmogul_consumer_deliveries_ended_total{{job="{HEALTHY}"}}'), "it delivers"
    )
    offered = {}
    for variable in DOCUMENT["templating"]["list"]:
        if variable["type"] == "query":
            series, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            offered[variable["name"]] = world.prometheus.values_of(label, substituted(series, job=HEALTHY))
    assert HEALTHY in offered["job"]
    assert len(offered["replica"]) == 1
    assert offered["topic"] == ["events"]
    assert len([name for name in offered["mapping"] if name]) == 1
    assert offered["namespace"] == offered["release"] == [], "nothing sets these labels here: All has to match"
