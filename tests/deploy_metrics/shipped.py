"""What is shipped for Prometheus and Grafana, as the tests read it: rules, the dashboard, and the metrics they ask for."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from consumer.ops.catalogue import CATALOGUE, PREFIX, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
RULE_TESTS = ALERTS.parent / "tests"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
RUNBOOK = ROOT / "docs" / "runbook"

SELF_MADE = {"up", "ALERTS"}
"""Series that Prometheus makes by itself."""


def program(name: str) -> str:
    """The path of ``prometheus`` or ``promtool``; the test skips where it is not installed."""
    path = shutil.which(name)
    if path is None:
        # `make test` needs nothing but Python and make; `.ci/run` installs it.
        pytest.skip(f"{name} is not here (Debian: apt install prometheus)")
    return path


def rules() -> list[dict[str, Any]]:
    """The alerts, as the file says them."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@dataclass(frozen=True, slots=True)
class Query:
    """One expression of the dashboard: of a panel, a variable or an annotation."""

    where: str
    expr: str


def dashboard() -> dict[str, Any]:
    """The dashboard's JSON."""
    document: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return document


def panels(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel that is no row, those within collapsed rows too."""
    for panel in document["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def queries(document: dict[str, Any]) -> list[Query]:
    """Every expression of every panel."""
    return [
        Query(f"{panel['title']} / {target['refId']}", target["expr"])
        for panel in panels(document)
        for target in panel.get("targets", [])
    ]


def substituted(expr: str, **chosen: str) -> str:
    """As Grafana asks: variables in place; All where none is chosen."""
    for name, value in {"__rate_interval": "5s", "__range": "60s", **chosen}.items():
        expr = expr.replace(f"${name}", value)
    return re.sub(r'"\$[a-z]+"', '".*"', expr)


def metrics_in(expr: str) -> set[str]:
    """Names of metrics that an expression asks for: what stands before a selector, or looks like one of ours."""
    ours = re.findall(rf"\b{PREFIX}\w+", expr)
    selected = re.findall(r"\b([a-zA-Z_:][\w:]*)\s*(?:\{|\[)", expr)
    return {*ours, *selected} - SELF_MADE


def known_metrics() -> dict[str, str]:
    """Every name that can be queried → the catalogue's name for it; those of the process stand for themselves."""
    known = {name: name for name in process_metrics()}
    for metric in CATALOGUE:
        suffixes = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        known |= {metric.name + suffix: metric.name for suffix in suffixes}
    return known


def process_metrics() -> set[str]:
    """What the exposition's library says of the process by itself."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return {sample.name for family in registry.collect() for sample in family.samples}
