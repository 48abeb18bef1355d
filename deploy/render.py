"""Makes what is made in deploy/: the chart's copies (alerts, dashboard, settings' schema) and the plain manifests.

    python deploy/render.py            write them (the manifests only where Helm is found)
    python deploy/render.py --check    name those that are not current, and exit 1

Helm reads nothing outside a chart, hence the copies. Helm is looked for on the PATH, or is what HELM names.
"""
# ruff: noqa: INP001 - a script; deploy is no package

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[1]
DEPLOY: Final = ROOT / "deploy"
CHART: Final = DEPLOY / "chart"
MANIFESTS: Final = DEPLOY / "manifests"

COPIES: Final = {
    CHART / "files/alerts.yaml": DEPLOY / "prometheus/alerts.yaml",
    CHART / "files/dashboard.json": DEPLOY / "grafana/dashboard.json",
}
KUBE_VERSION: Final = "1.34"
"""For rendering: Helm asks no cluster, and one built by Go alone takes itself for a very old one."""

_NOTE: Final = "# Rendered from deploy/chart by deploy/render.py: change it there.\n"
_OF_HELM: Final = re.compile(r"^( *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*|# Source: .*)\n", re.MULTILINE)
_CHART_SETS: Final = {"Settings": ("mappings_file",), "Destination": ("webhook_url", "webhook_url_file", "proxy")}
"""What settings in the values may not say: the chart does, or it is a secret."""


def copies() -> Iterator[tuple[Path, str]]:
    """What the chart holds a copy of."""
    for copy, original in COPIES.items():
        yield copy, original.read_text(encoding="utf-8")


def values_schema() -> str:
    """The chart's schema with the settings' definitions as they are now; the rest of it is kept."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    settings = json.loads((ROOT / "schemas/json/settings.schema.json").read_text(encoding="utf-8"))
    definitions: dict[str, Any] = settings.pop("$defs")
    definitions["Settings"] = {key: value for key, value in settings.items() if key != "$schema"}
    for name, fields in _CHART_SETS.items():
        for field in fields:
            definitions[name]["properties"].pop(field)
    definitions["Settings"]["required"] = [each for each in settings["required"] if each != "destination"]
    own = {name: schema["$defs"][name] for name in ("Texts", "Ports", "Monitor")}
    schema["$defs"] = own | definitions
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def manifests(helm: str) -> Iterator[tuple[Path, str]]:
    """The plain manifests."""
    parts: dict[str, list[str]] = {"consumer.yaml": [], "monitoring.yaml": [], "autoscaling.yaml": []}
    for document in _documents(helm):
        monitoring = "apiVersion: monitoring.coreos.com" in document or "-dashboard\n" in document
        parts["monitoring.yaml" if monitoring else "consumer.yaml"].append(document)
    scaled = _documents(helm, "--set", "autoscaling.enabled=true", "--show-only", "templates/scaledobject.yaml")
    parts["autoscaling.yaml"] += scaled
    for name, documents in parts.items():
        yield MANIFESTS / name, _NOTE + "---\n".join(documents)


def _documents(helm: str, *arguments: str) -> list[str]:
    command = [helm, "template", "chartmogul-consumer", str(CHART), "--kube-version", KUBE_VERSION]
    command += ["--values", str(MANIFESTS / "values.yaml"), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, no outsider's text
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr)
    # Nothing that Helm manages: without it these labels would be untrue.
    text = _OF_HELM.sub("", ran.stdout)
    return [
        document.strip("\n") + "\n" for document in re.split(r"^---\n", text, flags=re.MULTILINE) if document.strip()
    ]


def main() -> int:
    """Write or compare; the exit code."""
    made = [*copies(), (CHART / "values.schema.json", values_schema())]
    helm = os.environ.get("HELM") or shutil.which("helm")
    if helm:
        if "--check" not in sys.argv:
            _write(made)  # Helm reads them
        made += manifests(helm)
    else:
        print("no helm: the manifests are left as they are", file=sys.stderr)  # noqa: T201 - a command's output
    if "--check" not in sys.argv:
        _write(made)
        return 0
    stale = [path for path, text in made if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"not current: {path.relative_to(ROOT)}; run deploy/render.py", file=sys.stderr)  # noqa: T201 - as above
    return 1 if stale else 0


def _write(made: list[tuple[Path, str]]) -> None:
    for path, text in made:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
