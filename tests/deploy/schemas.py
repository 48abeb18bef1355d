"""Holds manifests to the API's schemas; run by the tools' own Python (install-tools), which has them bundled.

Reads ``{"versions": [...], "sets": {name: [document, ...]}}`` from standard input, and prints
``{name: {"checked": number of documents, "complaints": [...]}}``; all in one process, for its imports take seconds.
Kubernetes' own kinds: kubernetes-validate, strict, so that a field that does not exist is a complaint. The Prometheus
operator's and KEDA's: models generated from their CRDs; those let unknown fields pass, hence the comparison afterwards.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import kubernetes_validate
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

MODELS = {
    "ServiceMonitor": prometheus.ServiceMonitor,
    "PodMonitor": prometheus.PodMonitor,
    "PrometheusRule": prometheus.PrometheusRule,
    "ScaledObject": keda.ScaledObject,
}


def complaints(document: dict[str, Any], versions: list[str]) -> Iterator[str]:
    """What is wrong with a document, a line each."""
    kind = document["kind"]
    if kind in MODELS:
        try:
            model = MODELS[kind].model_validate(document)
        except ValidationError as error:
            yield f"{kind}: {error}"
            return
        known = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
        yield from (f"{kind}: {path} is no field" for path in lost(document, known))
        return
    for version in versions:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{kind} of {version}: {'.'.join(map(str, error.path))}: {error.message}"


def lost(given: Any, kept: Any, path: str = "") -> Iterator[str]:
    """What of ``given`` is not in ``kept``."""
    if isinstance(given, dict):
        for key, value in given.items():
            where = f"{path}.{key}"
            if not isinstance(kept, dict) or key not in kept:
                yield where
            else:
                yield from lost(value, kept[key], where)
    elif isinstance(given, list):
        for index, value in enumerate(given):
            yield from lost(value, kept[index], f"{path}[{index}]")


def main() -> None:
    asked = json.load(sys.stdin)
    answer = {}
    for name, documents in asked["sets"].items():
        found = [list(complaints(document, asked["versions"])) for document in documents]
        answer[name] = {"checked": len(found), "complaints": [line for lines in found for line in lines]}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
