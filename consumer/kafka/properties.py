"""How the Kafka clients are set up: our settings become librdkafka's properties.

librdkafka's: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from confluent_kafka import Consumer, KafkaException
from msgspec import Struct, field

from consumer import __version__
from consumer.config.owned import OWNED
from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from confluent_kafka import KafkaError, TopicPartition

Client = TypeVar("Client")
StartFrom = Literal["earliest", "latest"] | datetime
OnOutOfRange = Literal["halt", "earliest", "latest"]

_CLIENT_ID: Final = "segment-chartmogul-consumer"
_COOPERATIVE: Final = "cooperative-sticky"
_MAX_POLL_MS: Final = 300_000
_FETCH_BYTES: Final = 1_048_576
_PARTITION_FETCH_BYTES: Final = 262_144
_FEW_CHARACTERS: Final = 3
_logger: Final = logging.getLogger("consumer.kafka.librdkafka")


class SourceConfig(Struct, frozen=True):
    """Which records are read, as whom, from where; the ``kafka`` section of the settings.

    Attributes:
        topics: names, or patterns that begin with ``^``.
        start_from: where a partition starts that the group has committed nothing for; a time has a zone.
        on_out_of_range: what to do about a committed offset that the topic no longer has.
        buffer_bytes: records in memory, librdkafka's own queue (a quarter) included.
        properties: further librdkafka properties; none of `owned_properties`.
        drain_timeout_seconds: how long a revoke waits for what is under way.

    Raises:
        ValueError: a time without a zone, an owned property, or no topics.
    """

    bootstrap_servers: str
    group_id: str
    topics: tuple[str, ...]
    start_from: StartFrom
    on_out_of_range: OnOutOfRange = "halt"
    buffer_bytes: int = 33_554_432
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    drain_timeout_seconds: float = 20.0

    __repr__ = object.__repr__  # fields may be secrets

    def __post_init__(self) -> None:
        if not self.topics:
            raise ValueError("there must be topics")
        if isinstance(self.start_from, datetime) and self.start_from.tzinfo is None:
            raise ValueError("start_from must have a zone")
        if owned := sorted(self.properties.keys() & owned_properties()):
            raise ValueError(f"the service owns {', '.join(owned)}")

    @property
    def next_generation(self) -> bool:
        """Whether the group is one of KIP-848's, balanced by the broker."""
        return self.properties.get("group.protocol", "classic").lower() == "consumer"

    @property
    def cooperative(self) -> bool:
        """Whether partitions come and go one by one, or (eager) all are given up at each rebalance."""
        strategy = self.properties.get("partition.assignment.strategy", _COOPERATIVE)
        return self.next_generation or _COOPERATIVE in strategy

    @property
    def drain_seconds(self) -> float:
        """The drain's time-out; the group would expel a member that is silent for max.poll.interval.ms."""
        return min(self.drain_timeout_seconds, int(self.properties.get("max.poll.interval.ms", _MAX_POLL_MS)) / 2000)


def owned_properties() -> frozenset[str]:
    """Properties that the service sets by itself; anybody else's value is refused."""
    return frozenset(OWNED)


def consumer_properties(config: SourceConfig) -> dict[str, Any]:
    """Everything that the consumer is made with, but its callbacks."""
    queue_bytes = config.buffer_bytes // 4
    properties: dict[str, Any] = {
        "client.id": _CLIENT_ID,
        "client.software.name": _CLIENT_ID,
        "client.software.version": __version__,
        # Events of transactions that were rolled back never happened.
        "isolation.level": "read_committed",
        # A fetch starts while the queue is not full: what it may bring comes on top, so it is a part of the queue.
        "fetch.max.bytes": max(queue_bytes // 4, _FETCH_BYTES),
        # A partition is paused once its share of memory is full. With many partitions that is little, and what their
        # fetches bring beyond it adds up. A larger record is fetched in any case.
        "max.partition.fetch.bytes": min(queue_bytes, _PARTITION_FETCH_BYTES),
        # A broker answers one connection's requests in turn: every question waits behind the fetch that waits there.
        "fetch.wait.max.ms": 100,
        # How long a fetch waits that finds the queue full: the default, a second, would make the queue's size the
        # most that is read in a second.
        "fetch.queue.backoff.ms": 20,
        "statistics.interval.ms": 0,
    }
    if not config.next_generation:
        properties["partition.assignment.strategy"] = _COOPERATIVE
    properties.update(config.properties)
    properties.update(
        {
            "bootstrap.servers": config.bootstrap_servers,
            "group.id": config.group_id,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": False,
            # An offset that is not there is ours to judge: librdkafka would skip to one end and say nothing.
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": max(queue_bytes // 1024, 1),
        }
    )
    return properties


def producer_properties(bootstrap_servers: str, properties: Mapping[str, str]) -> dict[str, Any]:
    """Everything that the dead-letter producer is made with, but its callbacks.

    Args:
        bootstrap_servers: as the consumer's.
        properties: the settings' ``kafka.properties``; those that only a consumer has are left out.
    """
    result: dict[str, Any] = {
        "client.id": f"{_CLIENT_ID}-dead-letter",
        "compression.type": "zstd",
        # A key's dead letters go where the Java clients would put them.
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        # The broker decides what is too large: its limit is the topic's, not this client's guess.
        "message.max.bytes": 1_000_000_000,
        "batch.size": 1_000_000,
        # A write that fails is reported in time, for the machine to stall and to try again.
        "message.timeout.ms": 30_000,
    }
    result.update({name: value for name, value in properties.items() if not _consumer_only(name)})
    result.update(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "acks": "all",
            "allow.auto.create.topics": False,
        }
    )
    return result


def open_consumer(
    config: SourceConfig,
    *,
    on_error: Callable[[KafkaError], None],
    on_commit: Callable[[KafkaError | None, Sequence[TopicPartition]], None],
) -> Consumer:
    """Make the consumer; it connects in the background.

    Raises:
        ConfigurationError: librdkafka does not take a property, or its value.
    """
    properties = consumer_properties(config) | {"error_cb": on_error, "on_commit": on_commit, "logger": _logger}
    return make_client(Consumer, properties, config.properties)


def make_client(kind: Callable[[dict[str, Any]], Client], properties: dict[str, Any], own: Mapping[str, str]) -> Client:
    """A Kafka client.

    Args:
        kind: confluent-kafka's class.
        properties: everything it is made with.
        own: those of them that the settings say; their values may be secrets.

    Raises:
        ConfigurationError: librdkafka does not take a property, or its value.
    """
    try:
        return kind(properties)
    except (KafkaException, TypeError, ValueError) as error:
        raise refused(error, own) from None


def refused(error: Exception, properties: Mapping[str, str]) -> ConfigurationError:
    """What librdkafka has against ``kafka.properties``, without their values: one may be a password."""
    message = error.args[0].str() if isinstance(error, KafkaException) else str(error)
    for value in sorted(filter(None, properties.values()), key=len, reverse=True):
        # A few characters are no secret, but stand in words and in the property's own name.
        alone = rf"(?<![\w.-]){re.escape(value)}(?![\w.-])"
        message = re.sub(re.escape(value) if len(value) > _FEW_CHARACTERS else alone, "…", message)
    return ConfigurationError([Problem("kafka.properties", f"librdkafka refuses them: {message}")])


def _consumer_only(name: str) -> bool:
    return name in _CONSUMER_NAMES or name.startswith(("fetch.", "group.", "auto.commit.", "auto.offset."))


# The C column of librdkafka's CONFIGURATION.md; a producer warns of each.
_CONSUMER_NAMES: Final = frozenset(
    {
        "check.crcs",
        "consume.callback.max.messages",
        "coordinator.query.interval.ms",
        "heartbeat.interval.ms",
        "isolation.level",
        "max.partition.fetch.bytes",
        "max.poll.interval.ms",
        "max.poll.records",
        "partition.assignment.strategy",
        "session.timeout.ms",
    }
)
