"""The alerts as they are written: promtool takes them, each fires and is quiet, and each has its page."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from consumer.config.model import Settings
from consumer.delivery.halt import HaltReason
from consumer.ops.catalogue import CATALOGUE, PREFIX
from tests.deploy_metrics.live import hastened
from tests.deploy_metrics.scenarios import FACTORS, SCENARIOS
from tests.deploy_metrics.shipped import ALERTS, RULE_TESTS, RUNBOOK, known_metrics, metrics_in, program, rules

RULES = {rule["alert"]: rule for rule in rules()}
TESTS = {path.stem: path for path in sorted(RULE_TESTS.glob("*.yaml"))}
PAGES = {path.stem: path for path in sorted(RUNBOOK.glob("*.md"))}
EACH_RULE = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def promtool(*arguments: object) -> tuple[int, str]:
    ran = subprocess.run(
        [program("promtool"), *map(str, arguments)], cwd=RULE_TESTS, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


def page_of(rule) -> str:
    return rule["annotations"]["runbook_url"].removeprefix("docs/runbook/").removesuffix(".md")


def test_promtool_takes_the_rules():
    assert promtool("check", "rules", ALERTS) == (0, f"Checking {ALERTS}\n  SUCCESS: {len(RULES)} rules found\n\n")


@pytest.mark.parametrize("path", TESTS.values(), ids=TESTS)
def test_an_alert_fires_and_is_quiet(path):
    code, said = promtool("test", "rules", path.name)
    assert code == 0, said


@pytest.mark.slow
@EACH_RULE
def test_an_alert_that_never_fires_and_one_that_always_does_are_found_out(rule, tmp_path):
    """The tests of each alert fail where its expression is gone, and where it is always true."""
    text = (RULE_TESTS / f"{page_of(rule)}.yaml").read_text(encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test.yaml").write_text(text)
    for expr in ("vector(1) == 0", "vector(1)"):
        changed = {"groups": [{"name": "g", "rules": [rule | {"expr": expr}]}]}
        (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(changed))
        code, said = promtool("test", "rules", tmp_path / "tests" / "test.yaml")
        assert code == 1, said
        assert "FAILED" in said


@EACH_RULE
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule):
    assert rule["alert"].startswith("ChartmogulConsumer")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert "\n" not in rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")


@EACH_RULE
def test_an_alert_asks_for_metrics_that_there_are(rule):
    assert metrics_in(rule["expr"]) - set(known_metrics()) == set()


@EACH_RULE
def test_a_sum_over_replicas_is_of_one_deployment(rule):
    """Two releases in one Prometheus must not be added up."""
    for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", rule["expr"]):
        assert {"namespace", "job"} <= {label.strip() for label in labels.split(",")}, labels
        assert "app_kubernetes_io_instance" in labels or "instance" in labels


def test_each_alert_has_a_page_and_tests_of_its_own_and_the_other_way_round():
    assert sorted(map(page_of, RULES.values())) == sorted(PAGES)
    assert sorted(PAGES) == sorted(TESTS)


@EACH_RULE
def test_a_page_names_its_alert_and_answers_the_four_questions(rule):
    text = PAGES[page_of(rule)].read_text(encoding="utf-8")
    assert f"`{rule['alert']}`, {rule['labels']['severity']}." in text
    places = [
        text.index(head) for head in ("**What it means.**", "**What is safe.**", "**What to look at", "**What to do.**")
    ]
    assert places == sorted(places)
    assert len(text.splitlines()) <= 40, "a page fits a screen"


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_what_a_page_names_is_there(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (path.parent / target).is_file(), target
    known = {metric.name for metric in CATALOGUE}
    for name in re.findall(rf"\b{PREFIX}\w+", text):
        assert name in known, name
    for setting in re.findall(r"`((?:kafka|source|destination|delivery|dead_letter)\.[\w.]+)", text):
        model = Settings
        for name in setting.split("."):
            assert name in model.model_fields, setting
            model = model.model_fields[name].annotation


def test_the_page_of_the_halt_has_every_reason():
    text = PAGES["halted"].read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)`", text, re.MULTILINE) == [reason.value for reason in HaltReason]


def test_metrics_are_found_in_expressions():
    """What the tests above rest on."""
    expr = f'sum by (job) (rate({PREFIX}nonsense_total{{a="b"}}[5m])) / up{{job="x"}} > process_start_time_seconds[1h]'
    assert metrics_in(expr) == {f"{PREFIX}nonsense_total", "process_start_time_seconds"}
    assert len(CATALOGUE) > 40


def test_a_hastened_rule_is_the_same_but_for_its_durations():
    """What the tests against a real Prometheus rest on."""
    rule = {"alert": "A", "expr": "delta(x[15m]) > 1800 unless last_over_time(y[6h] offset 1h)", "for": "10m"}
    expr = "delta(x[15000ms]) > 1800 unless last_over_time(y[360000ms] offset 60000ms)"
    assert hastened(rule, 60) == {"alert": "A", "expr": expr, "for": "10000ms"}


def test_the_hastened_rules_are_rules(tmp_path):
    path = tmp_path / "rules.yaml"
    groups = [{"name": "hastened", "rules": [hastened(rule, 60) for rule in RULES.values()]}]
    path.write_text(yaml.safe_dump({"groups": groups}))
    assert promtool("check", "rules", path)[0] == 0
    durations = re.compile(r"[\[ ]\d+[mhd]\b")
    assert [rule["alert"] for rule in groups[0]["rules"] if durations.search(rule["expr"])] == []


def test_every_alert_has_a_scenario_against_a_real_prometheus():
    assert set(TESTS) <= set(SCENARIOS)
    assert set(FACTORS) <= set(RULES)
