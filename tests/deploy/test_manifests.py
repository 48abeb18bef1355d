"""What is made in deploy/ is current, and the plain manifests are as good as the chart that they come from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from consumer.config.mappings import parse_mappings
from consumer.config.settings import load_settings
from tests.deploy.policy import violations
from tests.deploy.tooling import DEPLOY, documents, only, pod_of, run, settings_text, tool, workload

MANIFESTS = DEPLOY / "manifests"
RENDERED = ("consumer.yaml", "monitoring.yaml", "autoscaling.yaml")


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEPLOY / "render.py"), "--check"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_the_charts_copies_and_schema_are_current():
    ran = check(HELM="", PATH="")
    assert ran.returncode == 0, ran.stderr


def test_the_manifests_are_current():
    ran = check(HELM=tool("helm"))
    assert ran.returncode == 0, ran.stderr
    assert "no helm" not in ran.stderr


def test_they_run_with_no_rights_and_without_a_secret():
    manifests = documents((MANIFESTS / "consumer.yaml").read_text())
    assert list(violations(pod_of(manifests))) == []
    assert not [each for each in manifests if each["kind"] == "Secret"]


def test_the_service_takes_their_settings_and_mappings(tmp_path):
    manifests = documents((MANIFESTS / "consumer.yaml").read_text())
    mappings = only(manifests, "ConfigMap", "-mappings")["data"]["mappings.yaml"]
    parse_mappings(mappings)
    (tmp_path / "mappings.yaml").write_text(mappings)
    (tmp_path / "url").write_text("https://example.com/hook")
    text = settings_text(manifests)
    for folder in ("/run/secrets/chartmogul", "/etc/chartmogul-mappings"):
        assert folder in text
        text = text.replace(folder, str(tmp_path))
    (tmp_path / "settings.yaml").write_text(text)
    load_settings(tmp_path / "settings.yaml", {})


def test_nothing_says_that_helm_manages_it():
    for name in RENDERED:
        text = (MANIFESTS / name).read_text()
        assert "helm" not in text.lower()


def test_kustomize_builds_them_with_an_image_of_ones_own(tmp_path):
    kustomize = tool("kustomize")
    shutil.copytree(MANIFESTS, tmp_path / "base")
    (tmp_path / "kustomization.yaml").write_text(
        "resources: [base]\n"
        "images: [{name: segment-chartmogul-consumer, newName: registry.example/consumer, newTag: v9}]\n"
    )
    ran = run(kustomize, "build", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    built = documents(ran.stdout)
    assert pod_of(built)["containers"][0]["image"] == "registry.example/consumer:v9"
    assert workload(built)["metadata"]["name"] == only(built, "Service")["metadata"]["name"]
