"""Finds the real tools that the tests of deploy/ ask, and runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
CHART: Final = DEPLOY / "chart"
KUBE_VERSION: Final = "1.34"

_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_TOOLS: Final = _CACHE / "segment-chartmogul-consumer" / "tools"

Manifest = dict[str, Any]


def tool(name: str) -> str:
    """The program of this name, on the PATH or where ``tests/deploy/install-tools`` puts it; skips the test without."""
    for place in (None, _TOOLS / "bin", _TOOLS / "venv" / "bin"):
        found = shutil.which(name, path=place and str(place))
        # The pip of some machine's Python may bring a "helm" of another kind; python itself must be the tools' own.
        if found and not (place is None and name == "python"):
            return found
    reason = f"no {name} here: tests/deploy/install-tools installs it"
    if os.environ.get("DEPLOY_TOOLS") == "required" and name != "promtool":  # the one that install-tools leaves out
        pytest.fail(reason)
    # `make test` needs nothing but Python and make; `.ci/run` sets DEPLOY_TOOLS, and there it is a failure.
    pytest.skip(reason)


def run(*command: str, cwd: Path = ROOT, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end; the caller looks at how it ended."""
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True, check=False)


def helm_template(*arguments: str, release: str = "r") -> subprocess.CompletedProcess[str]:
    """``helm template`` of the chart."""
    return run(tool("helm"), "template", release, str(CHART), "--kube-version", KUBE_VERSION, *arguments)


@cache
def rendered(*arguments: str, release: str = "r") -> tuple[Manifest, ...]:
    """What the chart makes of these arguments; the caller must not change it."""
    ran = helm_template(*arguments, release=release)
    assert ran.returncode == 0, ran.stderr
    assert "warning" not in ran.stderr.lower(), ran.stderr
    return documents(ran.stdout)


def documents(text: str) -> tuple[Manifest, ...]:
    """The documents of a YAML stream that are not empty."""
    return tuple(each for each in yaml.safe_load_all(text) if each)


def values(name: str, *overrides: str) -> tuple[str, ...]:
    """Arguments for helm: one of the chart's ``ci`` files, and ``--set`` for each ``path=value``."""
    return ("--values", str(CHART / "ci" / f"{name}-values.yaml"), *(x for each in overrides for x in ("--set", each)))


def only(manifests: Sequence[Manifest], kind: str, suffix: str = "") -> Manifest:
    """The one document of a kind (whose name ends so)."""
    (found,) = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"].endswith(suffix)]
    return found


def workload(manifests: Sequence[Manifest]) -> Manifest:
    """The Deployment or StatefulSet."""
    (found,) = [each for each in manifests if each["kind"] in ("Deployment", "StatefulSet")]
    return found


def pod_of(manifests: Sequence[Manifest]) -> Mapping[str, Any]:
    """The workload's pod specification."""
    spec: Mapping[str, Any] = workload(manifests)["spec"]["template"]["spec"]
    return spec


def settings_text(manifests: Sequence[Manifest]) -> str:
    """The settings file that the pods get."""
    text: str = only(manifests, "ConfigMap", "-settings")["data"]["settings.yaml"]
    return text


def schema_complaints(sets: Mapping[str, Sequence[Manifest]], *versions: str) -> dict[str, list[str]]:
    """What the API's schemas (of these Kubernetes versions) and the operators' models have against each set."""
    ran = run(
        tool("python"),
        str(Path(__file__).with_name("schemas.py")),
        stdin=json.dumps({"versions": versions, "sets": sets}),
    )
    assert ran.returncode == 0, ran.stderr
    result: dict[str, dict[str, Any]] = json.loads(ran.stdout)
    for name, manifests in sets.items():
        assert result[name]["checked"] == len(manifests) > 0, f"a document of {name} was not looked at"
    return {name: each["complaints"] for name, each in result.items()}
