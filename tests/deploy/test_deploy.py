"""What is shipped beside the code: manifests against the rules they have to keep."""

from __future__ import annotations

from pathlib import Path

import yaml

from consumer.config.model import Delivery

ROOT = Path(__file__).parents[2]
MANIFESTS = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/consumer.yaml").read_text()))


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
