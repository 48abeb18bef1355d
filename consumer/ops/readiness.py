"""Whether the service does its work, and if not what a person has to do: the lines of /readyz and the status page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumer.delivery.halt import HaltReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.ops.snapshot import ServiceSnapshot

REMEDIES: Final[Mapping[str, str]] = {
    HaltReason.WEBHOOK_REFUSED: (
        "ChartMogul refuses the webhook URL. Put the right one into destination.webhook_url_file; delivery then resumes"
        " by itself (a URL in the settings or the environment needs a restart)."
    ),
    HaltReason.DEAD_LETTER_RATIO: (
        "Too many records cannot be decoded or are refused. Look at the latest dead letters, put settings or mappings"
        " right, then restart; or raise dead_letter.halt_ratio."
    ),
    HaltReason.DEAD_LETTER_UNAVAILABLE: (
        "The dead-letter topic cannot be written. Check that it exists, its ACLs and its brokers; it is tried again by"
        " itself."
    ),
    HaltReason.OFFSET_OUT_OF_RANGE: (
        "Committed offsets are no longer in the topic: retention has taken records, or the topic was made anew. Decide"
        " with kafka.on_out_of_range: earliest or latest, then restart."
    ),
}
"""What to do about each reason to halt."""

STARTING: Final = "starting: nothing is known yet"


def obstacles(snapshot: ServiceSnapshot | None) -> tuple[str, ...]:
    """Why the service is not ready, a sentence each; empty if it is. An empty assignment is ready: a spare replica."""
    if snapshot is None:
        return (STARTING,)
    found = []
    delivery = snapshot.delivery
    if delivery.state == "stopping":
        found.append("stopping: it drains and leaves")
    if delivery.halt_reason:
        found.append(f"halted: {delivery.halt_reason}. {REMEDIES.get(delivery.halt_reason, '')}".rstrip())
    if not snapshot.joined:
        found.append(
            "not joined: it is no member of its group yet; check the brokers, kafka.bootstrap_servers and the ACLs"
        )
    if snapshot.out_of_range:
        where = ", ".join(f"{partition.topic}/{partition.number}" for partition in snapshot.out_of_range)
        found.append(f"{where}: {REMEDIES[HaltReason.OFFSET_OUT_OF_RANGE]}")
    return (*found, *snapshot.obstacles)
