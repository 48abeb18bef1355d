"""librdkafka properties that the service owns: ``kafka.properties`` may not set them.

Plain data, shared by the settings (which refuse them) and by the Kafka clients (which set them).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMIT: Final = "the service commits by itself, after delivery; committing earlier would lose events"

OWNED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bootstrap.servers": "set kafka.bootstrap_servers",
        "metadata.broker.list": "set kafka.bootstrap_servers",
        "group.id": "set kafka.group_id",
        "auto.offset.reset": "set kafka.start_from and kafka.on_out_of_range",
        "enable.auto.commit": _COMMIT,
        "auto.commit.enable": _COMMIT,
        "auto.commit.interval.ms": "set kafka.commit_interval_seconds",
        "enable.auto.offset.store": _COMMIT,
        "offset.store.method": "the service commits to the broker only",
        "enable.partition.eof": "the service reads on at the end of a partition",
        "queued.max.messages.kbytes": "set kafka.buffer_bytes, of which librdkafka's queue is a part",
        "queued.min.messages": "set kafka.buffer_bytes, of which librdkafka's queue is a part",
        "enable.idempotence": "dead letters are written idempotently, or an offset could pass without its dead letter",
        "acks": "dead letters are acknowledged by all replicas, or an offset could pass without its dead letter",
        "request.required.acks": "dead letters are acknowledged by all replicas; see acks",
        "transactional.id": "the service uses no transactions",
        "plugin.library.paths": "libraries are not loaded from settings",
        "test.mock.num.brokers": "use the command demo for an embedded broker",
    }
)
"""Name → what to do instead, or why it is refused."""
