"""Apache Kafka itself, as a fixture: a KRaft cluster of one node or three on free ports of the loopback interface.

    with KafkaBroker() as broker:
        broker.create_topic("events", partitions=3)
        ...                     # broker.bootstrap_servers
        broker.kill()           # kill -9
        broker.start()          # same ports, same data

Needs ``java`` (17 or later), and ``mvn`` the first time (jars.py). Ready in about four seconds.
"""

from __future__ import annotations

import base64
import shutil
import signal
import tempfile
import time
import uuid
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.kafka.jars import find_java, kafka_jars, kafka_version
from tests.kafka.node import BrokerDiedError, KafkaNode

if TYPE_CHECKING:
    from collections.abc import Mapping

_READY_SECONDS: Final = 60

# librdkafka writes every refused connection to standard error; a broker that is down is what these tests are about.
QUIET: Final[Mapping[str, str | int]] = {
    "log_level": 0,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 250,
}


class KafkaBroker:
    """A running cluster; ``stop``, ``kill`` and ``start`` act on one node, or on all where none is named.

    Args:
        nodes: how many, each broker and controller; three tolerate the loss of one.
        config: further server properties, over those of node.py.

    Raises:
        KafkaNotToBeHadError: no Java, or the jars cannot be fetched.
        BrokerDiedError: a node ended while starting, or was not ready within a minute.
    """

    def __init__(self, nodes: int = 1, config: Mapping[str, str] | None = None) -> None:
        java, jars = find_java(), kafka_jars()
        self.version = kafka_version()
        self._folder = Path(tempfile.mkdtemp(prefix="test-kafka-"))
        self._nodes: list[KafkaNode] = []
        try:
            for node_id in range(1, nodes + 1):
                folder = self._folder / str(node_id)
                folder.mkdir()
                self._nodes.append(KafkaNode(node_id, folder, java, jars))
            voters = ",".join(f"{n.node_id}@127.0.0.1:{n.controller_port}" for n in self._nodes)
            # KRaft's own form of an id: 16 bytes, URL-safe base64 without padding.
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            for node in self._nodes:
                node.format(cluster_id, voters, nodes, config or {})
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def bootstrap_servers(self) -> str:
        """``host:port`` of every node, comma-separated; the same after every restart."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self._nodes)

    @property
    def pids(self) -> list[int]:
        """The process ids of the nodes that run."""
        return [node.pid for node in self._nodes if node.pid is not None]

    def start(self, node: int | None = None) -> None:
        """Starts what does not run, and returns when a client sees every running node and a controller."""
        for each in self._chosen(node):
            if not each.running:
                each.start()
        self._wait_until_ready()

    def stop(self, node: int | None = None) -> None:
        """An orderly end, as a rolling restart does it."""
        self._end(signal.SIGTERM, node)

    def kill(self, node: int | None = None) -> None:
        """kill -9: nothing is said to the clients or the other nodes, sessions are left open."""
        self._end(signal.SIGKILL, node)

    def create_topic(self, name: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        """Creates a topic, replicated over up to three nodes; returns when it can be written to."""
        replicas = min(3, len(self._nodes))
        create_topic(self.bootstrap_servers, name, partitions, replicas=replicas, config=config)

    def controller(self) -> int:
        """The node that leads the quorum, as the nodes have last written it down."""
        return max((node.quorum_leader() for node in self._nodes), key=itemgetter(1))[0]

    def close(self) -> None:
        """Ends every node and removes its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _chosen(self, node: int | None) -> list[KafkaNode]:
        return [each for each in self._nodes if node in (None, each.node_id)]

    def _end(self, how: signal.Signals, node: int | None) -> None:
        for each in self._chosen(node):
            each.signal(how)
        for each in self._chosen(node):
            each.wait()

    def _wait_until_ready(self) -> None:
        running = [node for node in self._nodes if node.running]
        deadline = time.monotonic() + _READY_SECONDS
        for node in running:
            while not self._answers(node, {each.port for each in running}):
                node.check()
                if time.monotonic() > deadline:
                    raise BrokerDiedError(f"Kafka node {node.node_id} was not ready within {_READY_SECONDS} s")

    def _answers(self, node: KafkaNode, ports: set[int]) -> bool:
        # Each node is asked itself, by a new client: after kill -9 the others still name it until its session ends.
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{node.port}", **QUIET})
        try:
            cluster = admin.list_topics(timeout=0.5)
        except KafkaException:
            return False
        return cluster.controller_id != -1 and ports <= {broker.port for broker in cluster.brokers.values()}


def create_topic(
    bootstrap_servers: str,
    name: str,
    partitions: int,
    *,
    replicas: int = 1,
    config: Mapping[str, str] | None = None,
) -> None:
    """Creates a topic on any Kafka and waits until each of its partitions has a leader."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, **QUIET})
    topic = NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=dict(config or {}))
    admin.create_topics([topic], operation_timeout=30)[name].result(60)
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        found = admin.list_topics(name, timeout=10).topics[name].partitions
        if len(found) == partitions and all(p.leader != -1 for p in found.values()):
            return
    raise BrokerDiedError(f"topic {name} had no leaders within {_READY_SECONDS} s")
