"""The dashboard as it is written: current, laid out, asking for metrics that there are; and no metric that nobody sees."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from consumer.ops.catalogue import CATALOGUE, PREFIX
from tests.deploy_metrics.shipped import (
    DASHBOARD,
    ROOT,
    RUNBOOK,
    dashboard,
    known_metrics,
    metrics_in,
    panels,
    queries,
    rules,
)

DOCUMENT = dashboard()
QUERIES = queries(DOCUMENT)
EACH_QUERY = pytest.mark.parametrize("query", QUERIES, ids=[query.where for query in QUERIES])


def test_the_json_is_what_the_code_makes():
    made = subprocess.run([sys.executable, DASHBOARD.with_name("dashboard.py"), "--check"], check=False)
    assert made.returncode == 0, "run: python deploy/grafana/dashboard.py"


@EACH_QUERY
def test_a_panel_asks_for_metrics_that_there_are_of_the_chosen_deployment(query):
    assert metrics_in(query.expr) - set(known_metrics()) == set()
    for selector in re.findall(rf"{PREFIX}\w+(\{{[^}}]*\}})?", query.expr):
        for label, variable in (("namespace", "namespace"), ("job", "job"), ("instance", "replica")):
            assert f'{label}=~"${variable}"' in selector, selector


def test_every_metric_is_seen_by_somebody():
    """One that neither the dashboard nor an alert asks for is there for nobody."""
    known = known_metrics()
    asked = {known[name] for query in QUERIES for name in metrics_in(query.expr)}
    asked |= {known[name] for rule in rules() for name in metrics_in(rule["expr"])}
    names = {metric.name for metric in CATALOGUE}
    assert names - asked == set()


def test_variables_of_the_queries_are_those_of_the_dashboard():
    variables = {variable["name"] for variable in DOCUMENT["templating"]["list"]}
    used = set(re.findall(r"\$([a-z_]\w*)", " ".join(query.expr for query in QUERIES)))
    used |= set(re.findall(r"\$\{(\w+)\}", str(DOCUMENT["panels"])))
    assert used - {"__rate_interval", "__range"} == variables
    for variable in DOCUMENT["templating"]["list"]:
        if variable["type"] == "query":
            assert metrics_in(variable["query"]["query"].partition("(")[2]) <= set(known_metrics())
            assert variable["allValue"] == ".*", "a label that nobody sets has to match"


def test_panels_are_within_the_grid_and_none_lies_on_another():
    for row in [panel for panel in DOCUMENT["panels"] if panel.get("collapsed")] + [DOCUMENT]:
        taken = [panel["gridPos"] for panel in row["panels"]]
        assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in taken)
        for one, other in itertools.combinations(taken, 2):
            across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
            down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
            assert not (across and down), (one, other)


def test_numbers_and_titles_are_each_of_one_panel():
    everything = [*DOCUMENT["panels"], *(panel for row in DOCUMENT["panels"] for panel in row.get("panels") or [])]
    numbers = [panel["id"] for panel in everything]
    assert len(set(numbers)) == len(numbers)
    rows = [(row["title"], panel["title"]) for row in DOCUMENT["panels"] for panel in row.get("panels") or []]
    assert len(set(rows)) == len(rows)
    assert all(panel["title"] for panel in panels(DOCUMENT))


def test_what_a_panel_names_of_the_docs_is_there():
    named = re.findall(r"docs/[\w/-]+\.md", DASHBOARD.read_text(encoding="utf-8"))
    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_panels_that_the_runbook_names_are_there():
    pages = [path.read_text(encoding="utf-8") for path in sorted(RUNBOOK.glob("*.md"))]
    named = [title for page in pages for title in re.findall(r"dashboard's\s+\*([^*]+)\*", page)]
    assert len(named) >= 3
    assert set(named) <= {panel["title"] for panel in panels(DOCUMENT)}


def test_the_picture_is_of_this_dashboard_and_light():
    """Made anew by: python deploy/grafana/picture.py"""
    text = (ROOT / "docs" / "images" / "dashboard.svg").read_text(encoding="utf-8")
    drawn = {element.text for element in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}text")}
    open_rows = itertools.takewhile(lambda panel: not panel["title"].startswith("Funnel"), DOCUMENT["panels"])
    assert {panel["title"] for panel in open_rows} <= drawn
    assert len(text) < 100_000
    assert "<script" not in text
