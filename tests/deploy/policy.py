"""What a pod may not do: Kubernetes' "restricted" pod security standard and this project's own rules, in plain Python.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VOLUMES: Final = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(pod: Mapping[str, Any]) -> Iterator[str]:
    """A line for each rule that a pod's specification breaks."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{field} is on"
    if pod.get("automountServiceAccountToken") is not False:
        yield "the service account's token is mounted"
    if pod.get("enableServiceLinks") is not False:
        yield "Services' variables are put into the environment, where they look like settings"
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "it may run as root"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "system calls are not filtered"
    for volume in pod.get("volumes", []):
        if not _VOLUMES & volume.keys():
            yield f"volume {volume['name']} is of a kind that is not allowed"
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        yield from (f"container {container['name']}: {line}" for line in _of_container(container))


def _of_container(container: Mapping[str, Any]) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("privileged"):
        yield "is privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain rights"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "its root can be written"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities"
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield "runs as root"
    resources = container.get("resources", {})
    for what in ("limits", "requests"):
        if not {"cpu", "memory"} <= resources.get(what, {}).keys():
            yield f"has no {what}"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if probe not in container:
            yield f"has no {probe}"
    for mount in container.get("volumeMounts", []):
        if mount.get("readOnly") is not True:
            yield f"mount {mount['name']} can be written"
        if "subPath" in mount:
            yield f"mount {mount['name']} is by subPath, which never changes"
    if container["image"].endswith(":latest") or ":" not in container["image"].rpartition("/")[2]:
        yield "its image is not fixed"
