"""The Helm chart: what it refuses, what it makes, and that the API, the policy and the service itself take that."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from consumer import __version__
from consumer.app import GRACE_SECONDS
from consumer.config.environment import read_environment
from consumer.config.mappings import parse_mappings
from consumer.config.model import Delivery, Http, Kafka, Settings
from consumer.config.settings import load_settings
from consumer.config.shape import descriptions
from tests.deploy.matrix import CI, MATRIX
from tests.deploy.policy import violations
from tests.deploy.tooling import (
    CHART,
    DEPLOY,
    KUBE_VERSION,
    helm_template,
    only,
    pod_of,
    rendered,
    run,
    settings_text,
    tool,
    values,
    workload,
)

if TYPE_CHECKING:
    from pathlib import Path

REFUSED = {
    "no image": (values("minimal", "image.repository="), "image.repository is required"),
    "no webhook": (values("minimal", "webhook.existingSecret="), "webhook.existingSecret is required"),
    "no topics": (values("minimal", "settings.kafka.topics=null"), "topics"),
    "a setting that is none": (values("minimal", "settings.kafka.comit_interval_seconds=1"), "comit_interval_seconds"),
    "a setting of another type": (values("minimal", "settings.delivery.concurrency=many"), "concurrency"),
    "a value that is none": (values("minimal", "replicaCount=3"), "replicaCount"),
    "the webhook's URL": (values("minimal", "settings.destination.webhook_url=https://x.example"), "webhook_url"),
    "a password": (values("minimal", r"settings.kafka.properties.sasl\.password=hunter2"), "give sasl.password_file"),
    "a key": (values("minimal", r"settings.kafka.properties.ssl\.key\.pem=x"), "give ssl.key.pem_file"),
    "two kinds of mappings": (values("static", "mappings.content=x"), "keep one"),
    "two monitors": (values("full", "metrics.podMonitor.enabled=true"), "keep one"),
    "scaling on a pattern": (values("static", "autoscaling.enabled=true"), "KEDA knows no patterns"),
    "scaling downwards": (values("full", "autoscaling.minReplicas=13"), "is above autoscaling.maxReplicas"),
    "a job": (values("minimal", "kind=Job"), "kind"),
}


@pytest.mark.parametrize("name", CI)
def test_helm_lints_it(name):
    ran = run(tool("helm"), "lint", "--strict", "--kube-version", KUBE_VERSION, *values(name), str(CHART))
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("arguments", MATRIX.values(), ids=MATRIX)
def test_its_pods_have_no_rights(arguments):
    assert list(violations(pod_of(rendered(*arguments)))) == []


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("automountServiceAccountToken", True, "token is mounted"),
        ("enableServiceLinks", True, "Services' variables"),
        ("hostNetwork", True, "hostNetwork is on"),
        ("securityContext", {"runAsUser": 0, "runAsNonRoot": True}, "may run as root"),
        ("securityContext", {"runAsUser": 1}, "may run as root"),
        ("securityContext", {}, "not filtered"),
        ("volumes", [{"name": "x", "hostPath": {"path": "/"}}], "not allowed"),
        ("containers.0.securityContext", {}, "may gain rights"),
        ("containers.0.securityContext", {"readOnlyRootFilesystem": False}, "root can be written"),
        ("containers.0.securityContext", {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}, "capabilities"),
        ("containers.0.securityContext", {"privileged": True}, "is privileged"),
        ("containers.0.resources", {"requests": {"cpu": 1, "memory": 1}}, "has no limits"),
        ("containers.0.readinessProbe", None, "has no readinessProbe"),
        ("containers.0.volumeMounts", [{"name": "x", "mountPath": "/x", "subPath": "y"}], "subPath"),
        ("containers.0.image", "registry.example:5000/consumer", "not fixed"),
    ],
)
def test_a_right_too_many_is_seen(path, value, complaint):
    pod = copy.deepcopy(pod_of(rendered(*values("minimal"))))
    place = pod
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    assert complaint in "\n".join(violations(pod))


@pytest.mark.parametrize(("arguments", "complaint"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused_with_a_remedy(arguments, complaint):
    ran = helm_template(*arguments)
    assert ran.returncode != 0
    assert complaint in ran.stderr
    assert "hunter2" not in ran.stderr


def load(manifests, folder: Path) -> Settings:
    """The settings as the pods would read them, with what is mounted under ``folder``."""
    pod = pod_of(manifests)
    text = settings_text(manifests)
    for mount in pod["containers"][0]["volumeMounts"]:
        here = folder / mount["name"]
        here.mkdir(exist_ok=True)
        text = text.replace(mount["mountPath"] + "/", f"{here}/")
        volume = next(each for each in pod["volumes"] if each["name"] == mount["name"])
        for item in volume.get("secret", volume.get("configMap")).get("items", []):
            (here / item["path"]).write_text("https://example.com/hook")
    (folder / "kafka-tls").mkdir(exist_ok=True)
    for name in ("ca.crt", "passphrase"):
        (folder / "kafka-tls" / name).write_text("x")
    (folder / "settings.yaml").write_text(text)
    return load_settings(folder / "settings.yaml", {})


@pytest.mark.parametrize("name", CI)
def test_the_service_takes_its_settings(name, tmp_path):
    settings = load(rendered(*values(name)), tmp_path)
    given = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())["settings"]
    assert settings.kafka.bootstrap_servers == given["kafka"]["bootstrap_servers"]
    assert list(settings.kafka.topics) == given["kafka"]["topics"]
    assert (settings.mappings_file is not None) == (name in ("full", "static"))
    assert (settings.destination.webhook_url_file is None) == (name == "shadow")


def test_numbers_and_times_stay_what_they_are(tmp_path):
    # Helm keeps every number as a float: 134217728 may come out as 1.34217728e+08, which is no whole number.
    settings = load(rendered(*values("full", "settings.delivery.dedupe.max_entries=10000000")), tmp_path)
    assert settings.kafka.buffer_bytes == 134_217_728
    assert settings.delivery.dedupe.max_entries == 10_000_000
    assert settings.kafka.start_from.isoformat() == "2026-01-31T00:00:00+00:00"
    assert load(rendered(*values("shadow")), tmp_path).delivery.requests_per_second is None


@pytest.mark.parametrize(
    ("override", "seconds"), [(None, Delivery().drain_timeout_seconds), ("45.5", 46), ("0", 0), ("600", 600)]
)
def test_the_grace_period_covers_the_drain(override, seconds):
    changed = [] if override is None else ["--set-json", f"settings.delivery.drain_timeout_seconds={override}"]
    assert pod_of(rendered(*values("minimal"), *changed))["terminationGracePeriodSeconds"] == seconds + GRACE_SECONDS


def test_what_the_settings_reference_says_of_it():
    said = descriptions(Delivery)["drain_timeout_seconds"]
    assert f"Keep terminationGracePeriodSeconds {GRACE_SECONDS:g} above it." in said


def test_what_is_not_said_is_the_settings_default():
    manifests = rendered(*values("minimal", "autoscaling.enabled=true"))
    assert only(manifests, "Service")["spec"]["ports"][0]["port"] == Http().port
    (trigger,) = only(manifests, "ScaledObject")["spec"]["triggers"]
    assert trigger["metadata"]["consumerGroup"] == Kafka.model_fields["group_id"].default
    notes = (CHART / "templates/NOTES.txt").read_text()
    assert set(re.findall(r'"requests_per_second" (\S+) ', notes)) == {f"{Delivery().requests_per_second:g}"}


def test_settings_roll_the_pods_and_mappings_and_the_secret_do_not():
    def template(*changed):
        return workload(rendered(*values("full", *changed)))["spec"]["template"]

    assert template("settings.delivery.concurrency=3") != template()
    assert template("mappings.content.mappings[0].name=Other") == template()
    assert "checksum/settings" in template()["metadata"]["annotations"]


def test_mappings_arrive_as_they_are(tmp_path):
    text = (DEPLOY.parent / "schemas/examples/engage-mappings.yaml").read_text()
    assert "{{" in text, "Helm must not take the mappings' templates for its own"
    file = tmp_path / "mappings.yaml"
    file.write_text(text)
    manifests = rendered(*values("minimal"), "--set-file", f"mappings.content={file}")
    assert only(manifests, "ConfigMap", "-mappings")["data"] == {"mappings.yaml": text}
    as_yaml = only(rendered(*values("full")), "ConfigMap", "-mappings")["data"]["mappings.yaml"]
    assert [spec.name for spec in parse_mappings(as_yaml).specs] == ["Identify Calls"]


def test_a_static_member_is_called_as_its_pod():
    (variable,) = pod_of(rendered(*values("static")))["containers"][0]["env"]
    assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    data, _, problems = read_environment({variable["name"]: "r-0"}, Settings)
    assert (data, problems) == ({"kafka": {"properties": {"group.instance.id": "r-0"}}}, [])


@pytest.mark.parametrize("arguments", MATRIX.values(), ids=MATRIX)
def test_everything_points_at_the_pods(arguments):
    manifests = rendered(*arguments)
    own = workload(manifests)
    labels = own["spec"]["template"]["metadata"]["labels"]
    selectors = [own["spec"]["selector"]["matchLabels"], only(manifests, "Service")["spec"]["selector"]]
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "ServiceMonitor":
            assert spec["selector"]["matchLabels"].items() <= only(manifests, "Service")["metadata"]["labels"].items()
        elif manifest["kind"] in ("PodDisruptionBudget", "PodMonitor"):
            selectors.append(spec["selector"]["matchLabels"])
        elif manifest["kind"] == "NetworkPolicy":
            selectors.append(spec["podSelector"]["matchLabels"])
        elif manifest["kind"] == "ScaledObject":
            target = {"apiVersion": "apps/v1", "kind": own["kind"], "name": own["metadata"]["name"]}
            assert spec["scaleTargetRef"] == target
            assert "replicas" not in own["spec"], "Helm and the scaler would fight over it"
    assert all(selector and selector.items() <= labels.items() for selector in selectors)
    accounts = [each["metadata"]["name"] for each in manifests if each["kind"] == "ServiceAccount"]
    assert pod_of(manifests)["serviceAccountName"] in (accounts or ["default"])


def test_the_port_is_the_settings_everywhere():
    manifests = rendered(*values("full"))
    (container,) = pod_of(manifests)["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    assert only(manifests, "Service")["spec"]["ports"][0]["port"] == 8080
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert [(each["path"], each["port"]) for each in probes] == [
        ("/healthz", "http"),
        ("/healthz", "http"),
        ("/readyz", "http"),
    ]


def ports(manifests) -> list[list[int]]:
    rules = only(manifests, "NetworkPolicy")["spec"]["egress"]
    return [[port["port"] for port in rule["ports"]] for rule in rules]


def test_the_network_policy_lets_out_what_is_needed_and_nothing_else():
    assert ports(rendered(*values("full"))) == [[53, 53], [9093, 9094], [443], [8081]]
    assert ports(rendered(*values("shadow"))) == [[53, 53], [9092]]  # a broker without a port; no webhook
    assert ports(rendered(*MATRIX["network policy"])) == [[53, 53], [9095], [443]]


def test_the_scaler_asks_for_the_lag_of_each_topic():
    spec = only(rendered(*values("full")), "ScaledObject")["spec"]
    asked = [trigger["metadata"] for trigger in spec["triggers"]]
    assert [each["topic"] for each in asked] == ["segment-events", "segment-groups"]
    assert {each["consumerGroup"] for each in asked} == {"chartmogul-eu"}
    assert {each["allowIdleConsumers"] for each in asked} == {"false"}
    assert {each["lagThreshold"] for each in asked} == {"10000"}
    assert {each["sasl"] for each in asked} == {"scram_sha512"}


def test_pods_that_are_not_ready_are_scraped_too():
    service = only(rendered(*values("minimal")), "Service")["spec"]
    assert service["publishNotReadyAddresses"] is True
    assert service["clusterIP"] == "None"


def test_the_alerts_are_those_of_the_project():
    alerts = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())
    assert only(rendered(*values("full")), "PrometheusRule")["spec"] == alerts


def test_the_dashboard_is_that_of_the_project():
    (text,) = only(rendered(*MATRIX["dashboard"]), "ConfigMap", "-dashboard")["data"].values()
    assert json.loads(text) == json.loads((DEPLOY / "grafana/dashboard.json").read_text())


def test_alerts_find_the_labels_that_the_monitors_give():
    text = (DEPLOY / "prometheus/alerts.yaml").read_text()
    spec = only(rendered(*values("full")), "ServiceMonitor")["spec"]
    given = {re.sub(r"[./-]", "_", label) for label in spec["targetLabels"]}
    assert set(re.findall(r"app_kubernetes_io_\w+", text)) <= given
    job = only(rendered(*values("full")), "Service")["metadata"]["labels"][spec["jobLabel"]]
    for pattern in re.findall(r'job=~"([^"]+)"', text):
        assert re.fullmatch(pattern, job)


def test_the_chart_is_of_this_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_every_value_is_in_the_schema_and_every_one_of_the_schema_in_the_values():
    known = json.loads((CHART / "values.schema.json").read_text())["properties"]
    given = yaml.safe_load((CHART / "values.yaml").read_text())
    assert given.keys() == known.keys() - {"global"}
    for name, schema in known.items():
        if schema.get("additionalProperties") is False:
            assert given[name].keys() == schema["properties"].keys(), name
