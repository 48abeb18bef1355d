"""A Kafka broker inside this process: librdkafka's mock cluster, for the demo and for tests.

It speaks Kafka's protocol over TCP on the loopback interface, so any client of this or another process takes it for a
broker; it dies with this process. Made for librdkafka's own tests, it is no Kafka: it keeps 5 MiB or 100,000 message
sets a partition and silently drops the oldest, hides no aborted transactions, answers no look-up by time and knows no
topic settings.

Theory of operation
    librdkafka's C functions are reached through ctypes and the extension module that confluent-kafka has loaded: a
    cluster built by them has topics with any number of partitions and groups that join without the three seconds a
    broker waits for further members. Where those functions cannot be found (a build that hides them), the cluster is
    a producer's with ``test.mock.num.brokers``: then topics always have four partitions, and joining takes 3 s.
    https://github.com/confluentinc/librdkafka/blob/master/src/rdkafka_mock.h
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final, Protocol, Self

import confluent_kafka.cimpl
from confluent_kafka import Producer

if TYPE_CHECKING:
    from types import TracebackType

DEFAULT_PARTITIONS: Final = 4
"""What a topic gets that is made by writing to it."""

_PRODUCER: Final = 0  # rd_kafka_type_t
_REPLICAS: Final = 1
_ERROR_CHARS: Final = 512
_ALREADY_EXISTS: Final = 36


class EmbeddedBroker:
    """A mock cluster; use it as a context manager, or call `close`.

    Args:
        brokers: how many; their addresses are joined by commas in ``bootstrap_servers``.

    Attributes:
        bootstrap_servers: ``host:port`` of each broker.

    Raises:
        RuntimeError: librdkafka could not make the cluster; the message is its own.
    """

    def __init__(self, brokers: int = 1) -> None:
        if brokers < 1:
            raise ValueError("brokers must be at least 1")
        library = _library()
        self._cluster: _Cluster = _ByProducer(brokers) if library is None else _ByFunctions(library, brokers)
        self.bootstrap_servers = self._cluster.bootstrap_servers

    def create_topic(self, name: str, partitions: int = DEFAULT_PARTITIONS) -> None:
        """Make a topic that can be written to at once.

        Raises:
            RuntimeError: it exists with another number of partitions, or this build makes only topics of four.
        """
        self._cluster.create_topic(name, partitions)

    def set_down(self, *, broker: int = 1) -> None:
        """Close a broker's connections and refuse new ones.

        Raises:
            RuntimeError: this build of confluent-kafka cannot do it.
        """
        self._cluster.set_up(broker, up=False)

    def set_up(self, *, broker: int = 1) -> None:
        """Take connections again; the topics and offsets are as they were."""
        self._cluster.set_up(broker, up=True)

    def close(self) -> None:
        """End the cluster; clients that are still connected lose their connections."""
        self._cluster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Cluster(Protocol):
    bootstrap_servers: str

    def create_topic(self, name: str, partitions: int) -> None: ...
    def set_up(self, broker: int, *, up: bool) -> None: ...
    def close(self) -> None: ...


class _ByFunctions:
    """Built by librdkafka's own functions, on a client handle that belongs to nobody else."""

    def __init__(self, library: ctypes.CDLL, brokers: int) -> None:
        self._library = library
        self._topics: dict[str, int] = {}
        conf = library.rd_kafka_conf_new()
        error = ctypes.create_string_buffer(_ERROR_CHARS)
        for name, value in ((b"log_level", b"0"), (b"client.id", b"embedded-broker")):
            library.rd_kafka_conf_set(conf, name, value, error, _ERROR_CHARS)
        self._handle = library.rd_kafka_new(_PRODUCER, conf, error, _ERROR_CHARS)
        if not self._handle:
            library.rd_kafka_conf_destroy(conf)
            raise RuntimeError(f"librdkafka made no client: {error.value.decode()}")
        self._mock = library.rd_kafka_mock_cluster_new(self._handle, brokers)
        if not self._mock:
            library.rd_kafka_destroy(self._handle)
            raise RuntimeError("librdkafka made no mock cluster: no port could be listened on")
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._mock, 0)
        # Its own default is a broker that does not exist: administrative questions then wait for their time-outs.
        library.rd_kafka_mock_set_controller_id(self._mock, 1)
        self.bootstrap_servers = library.rd_kafka_mock_cluster_bootstraps(self._mock).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        code = self._library.rd_kafka_mock_topic_create(self._mock, name.encode(), partitions, _REPLICAS)
        if code == _ALREADY_EXISTS:
            if partitions != (existing := self._topics.get(name, DEFAULT_PARTITIONS)):
                raise RuntimeError(f"the topic exists with {existing} partitions")
        elif code:
            raise RuntimeError(f"librdkafka made no topic: error {code}")
        else:
            self._topics[name] = partitions

    def set_up(self, broker: int, *, up: bool) -> None:
        call = self._library.rd_kafka_mock_broker_set_up if up else self._library.rd_kafka_mock_broker_set_down
        if code := call(self._mock, broker):
            raise RuntimeError(f"librdkafka did not switch the broker: error {code}")

    def close(self) -> None:
        if self._mock:
            self._library.rd_kafka_mock_cluster_destroy(self._mock)
            self._library.rd_kafka_destroy(self._handle)
            self._mock = None


class _ByProducer:
    """Built by a producer's configuration; lives as long as the producer."""

    def __init__(self, brokers: int) -> None:
        self._owner: Producer | None = Producer(
            {"bootstrap.servers": "mock", "test.mock.num.brokers": brokers, "log_level": 0}
        )
        found = self._owner.list_topics(timeout=10).brokers.values()
        self.bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in found)

    def create_topic(self, name: str, partitions: int) -> None:
        assert self._owner is not None
        found = len(self._owner.list_topics(name, timeout=10).topics[name].partitions)
        if found != partitions:
            raise RuntimeError(f"this build of confluent-kafka makes topics of {found} partitions only")

    def set_up(self, broker: int, *, up: bool) -> None:
        raise RuntimeError(f"this build of confluent-kafka cannot switch broker {broker} {'on' if up else 'off'}")

    def close(self) -> None:
        self._owner = None


def _library() -> ctypes.CDLL | None:
    """The C functions: those of the extension module and of the library it is linked with."""
    try:
        library = ctypes.CDLL(confluent_kafka.cimpl.__file__)
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        for name, result, arguments in (
            ("rd_kafka_conf_new", pointer, []),
            ("rd_kafka_conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
            ("rd_kafka_conf_destroy", None, [pointer]),
            ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
            ("rd_kafka_destroy", None, [pointer]),
            ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
            ("rd_kafka_mock_cluster_destroy", None, [pointer]),
            ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
            ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
            ("rd_kafka_mock_set_controller_id", None, [pointer, ctypes.c_int32]),
            ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
            ("rd_kafka_mock_broker_set_down", number, [pointer, ctypes.c_int32]),
            ("rd_kafka_mock_broker_set_up", number, [pointer, ctypes.c_int32]),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library
