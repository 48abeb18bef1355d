"""What is shipped beside the code: alerts against the real promtool, manifests against the rules they have to keep."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from consumer.config.model import Delivery
from consumer.ops.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
MANIFESTS = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/consumer.yaml").read_text()))


def promtool(*arguments: str) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not here (Debian: apt install prometheus)")
    ran = subprocess.run([program, *arguments], cwd=ALERTS.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_promtool_takes_the_rules():
    promtool("check", "rules", "alerts.yaml")


def test_each_alert_fires_and_does_not_fire():
    promtool("test", "rules", "tests.yaml")
    tested = set(re.findall(r'alertname="(\w+)"', (ALERTS.parent / "tests.yaml").read_text()))
    assert tested == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_its_page_and_asks_for_metrics_that_are_there(rule):
    assert (ROOT / rule["annotations"]["runbook"]).is_file()
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    known = {metric.name for metric in CATALOGUE}
    asked = set(re.findall(r"chartmogul_consumer_\w+", rule["expr"]))
    assert asked <= known, asked - known


def manifest(kind):
    (found,) = [each for each in MANIFESTS if each["kind"] == kind]
    return found


def test_the_deployment_runs_with_no_rights():
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def test_the_grace_period_covers_the_drain():
    settings = yaml.safe_load(manifest("ConfigMap")["data"]["settings.yaml"])
    drain = settings["delivery"]["drain_timeout_seconds"]
    assert drain == Delivery().drain_timeout_seconds
    assert manifest("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= drain + 10


def test_its_settings_and_mappings_are_good(tmp_path):
    from consumer.config.mappings import parse_mappings
    from consumer.config.settings import load_settings

    data = manifest("ConfigMap")["data"]
    parse_mappings(data["mappings.yaml"])
    (tmp_path / "url").write_text("https://example.com/hook")
    (tmp_path / "mappings.yaml").write_text(data["mappings.yaml"])
    text = data["settings.yaml"].replace("/run/secrets/chartmogul/url", str(tmp_path / "url"))
    (tmp_path / "settings.yaml").write_text(
        text.replace("/etc/chartmogul-consumer/mappings.yaml", str(tmp_path / "mappings.yaml"))
    )
    load_settings(tmp_path / "settings.yaml", {})
