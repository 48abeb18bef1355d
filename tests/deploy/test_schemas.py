"""Everything that is rendered against the schemas of the Kubernetes API, of the oldest version taken and of a new one."""

from __future__ import annotations

import copy

import pytest

from tests.deploy.matrix import MATRIX
from tests.deploy.tooling import (
    DEPLOY,
    Manifest,
    documents,
    only,
    pod_of,
    rendered,
    schema_complaints,
    values,
    workload,
)

pytestmark = pytest.mark.slow  # the models of the operators take seconds to import


def planted() -> dict[str, tuple[Manifest, ...]]:
    """What the API would refuse, a fault each."""

    def full() -> tuple[Manifest, ...]:
        return copy.deepcopy(rendered(*values("full")))

    faults = {name: full() for name in ("'livenessProb'", "'soon'", "intervall is no field", "lagThreshold")}
    pod_of(faults["'livenessProb'"])["containers"][0]["livenessProb"] = {}
    workload(faults["'soon'"])["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = "soon"
    only(faults["intervall is no field"], "ServiceMonitor")["spec"]["endpoints"][0]["intervall"] = "30s"
    only(faults["lagThreshold"], "ScaledObject")["spec"]["triggers"][0]["metadata"]["lagThreshold"] = 5
    return faults


def test_the_api_takes_what_is_rendered_and_would_refuse_faults():
    sets = {name: rendered(*arguments) for name, arguments in MATRIX.items()}
    for path in sorted((DEPLOY / "manifests").glob("*.yaml")):
        if path.name not in ("values.yaml", "kustomization.yaml"):
            sets[path.name] = documents(path.read_text())
    assert len(sets) == len(MATRIX) + 3
    faults = planted()
    complaints = schema_complaints(sets | faults, "1.27", "1.37")
    assert {name: complaints[name] for name in sets} == {name: [] for name in sets}
    for name in faults:
        assert name in "\n".join(complaints[name])
