"""The values that the chart is rendered with in tests."""

from __future__ import annotations

from tests.deploy.tooling import CHART, values

CI = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").iterdir())

MATRIX = {
    **{name: values(name) for name in CI},
    "one replica, no budget": values("minimal", "replicas=1", "podDisruptionBudget.enabled=false"),
    "own names": values("minimal", "fullnameOverride=crm", "serviceAccount.name=crm"),
    "pod monitor": values("full", "metrics.serviceMonitor.enabled=false", "metrics.podMonitor.enabled=true"),
    "static and scaled": values("full", "kind=StatefulSet"),
    "share of a budget": values("minimal", "podDisruptionBudget.maxUnavailable=25%"),
    "network policy": values("static", "networkPolicy.enabled=true", "networkPolicy.kafkaPorts={9095}"),
    "own spread": values(
        "minimal",
        "topologySpreadConstraints[0].topologyKey=rack",
        "topologySpreadConstraints[0].maxSkew=2",
        "topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule",
    ),
    "environment from a secret": values("minimal", "extraEnvFrom[0].secretRef.name=kafka"),
    "dashboard": values("minimal", "metrics.dashboard.enabled=true", "metrics.dashboard.annotations.folder=Data"),
}
