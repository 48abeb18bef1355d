"""One Apache Kafka process: a KRaft node, broker and controller in one, with its own ports and data.

The settings are a test's, not an operator's: small heap, few threads, waits cut short (group joins, sessions, elections)
so that a rebalance or a restart takes moments. What decides about data, acknowledgement and offsets is left as
Kafka has it.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping

_LAUNCHER: Final = Path(__file__).with_name("die_with_parent.py")
_JVM: Final = ("-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
# The last nodes of a cluster that is stopped as a whole have no quorum left to say good-bye to, and would wait for one.
_STOP_SECONDS: Final = 10
_TAIL_LINES: Final = 15
_given: Final[set[int]] = set()


class BrokerDiedError(Exception):
    """A Kafka process ended by itself; the message has the end of its log."""


def free_port() -> int:
    """A port that nothing listens on, below the ephemeral range; in one process never the same again.

    Whoever asks listens there later: two that ask at once must not be given one port.

    A port of the ephemeral range could go to somebody's outgoing connection while the node is down between ``kill``
    and ``start``; a client that keeps trying may even connect to itself there.
    """
    while True:
        port = random.randint(15_000, 31_000)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


class KafkaNode:
    """A node of a cluster: format once, then start, stop and kill as often as a test likes; ports and data stay.

    Call ``start`` on a thread that lives as long as the node is to live (pytest's own): when that thread ends, so does
    the node (see die_with_parent.py).
    """

    def __init__(self, node_id: int, folder: Path, java: str, jars: Path) -> None:
        self.node_id = node_id
        self.port = free_port()
        self.controller_port = free_port()
        self._folder = folder
        self._java = [java, *_JVM, "-Dlog4j2.level=WARN", "-cp", f"{jars}/*"]
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id of the running node."""
        return self._process.pid if self._process is not None and self.running else None

    def format(self, cluster_id: str, voters: str, nodes: int, extra: Mapping[str, str]) -> None:
        """Writes the settings and an empty, formatted data folder.

        Args:
            voters: ``id@host:port``, comma-separated.
            nodes: how many the cluster has.
            extra: further settings; ``{own}`` in a value is what the node sets there by itself.
        """
        own = self._properties(voters, min(nodes, 3))
        properties = own | {name: value.replace("{own}", own.get(name, "")) for name, value in extra.items()}
        self._settings.write_text("".join(f"{k}={v}\n" for k, v in properties.items()), encoding="utf-8")
        # One word: an id may begin with a dash.
        cluster = f"--cluster-id={cluster_id}"
        command = [*self._java, "kafka.tools.StorageTool", "format", cluster, "--config", str(self._settings)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise BrokerDiedError(f"formatting node {self.node_id} failed:\n{done.stdout}{done.stderr}")

    def start(self, max_heap: str = "512m") -> None:
        """Starts the process; returns at once. Whether it is ready, a client has to ask."""
        assert not self.running, f"node {self.node_id} runs already"
        java = [*self._java[:1], f"-Xmx{max_heap}", *self._java[1:], "kafka.Kafka", str(self._settings)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_LAUNCHER), str(os.getpid()), *java],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the test run must reach the fixtures, not the broker under them
            )

    def quorum_leader(self) -> tuple[int, int]:
        """The controller quorum's leader and its epoch, as this node knows them."""
        state = json.loads((self._folder / "data/__cluster_metadata-0/quorum-state").read_text(encoding="utf-8"))
        return state["leaderId"], state["leaderEpoch"]

    def check(self) -> None:
        """Raises ``BrokerDiedError`` if the process has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            tail = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
            raise BrokerDiedError("\n".join([f"Kafka node {self.node_id} ended with {code}:", *tail]))

    def signal(self, how: signal.Signals) -> None:
        """Asks it to end: SIGTERM in order, SIGKILL at once; no error if it does not run."""
        if self._process is not None:
            self._process.send_signal(how)

    def wait(self) -> None:
        """Returns when it has ended after ``signal``; by force if that takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def _settings(self) -> Path:
        return self._folder / "server.properties"

    def _properties(self, voters: str, replicas: int) -> dict[str, str]:
        own = f"PLAINTEXT://127.0.0.1:{self.port}"
        fixed = {
            "process.roles": "broker,controller",
            "node.id": self.node_id,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{own},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": own,
            "log.dirs": self._folder / "data",
            # A missing dead-letter topic has to be seen as missing.
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": 1,
            # Members join at once, and a dead one is missed soon.
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "group.consumer.min.session.timeout.ms": 1000,
            "group.consumer.session.timeout.ms": 6000,
            "group.consumer.min.heartbeat.interval.ms": 100,
            "group.consumer.heartbeat.interval.ms": 500,
            # After kill -9 a node is let back in only when its old session has ended (9 s by default).
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            "controller.quorum.election.timeout.ms": 500,
            "controller.quorum.fetch.timeout.ms": 1000,
            # Small: 128 MiB of heap would go to the log cleaner alone.
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
            "log.cleaner.backoff.ms": 500,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
        }
        return {name: str(value) for name, value in fixed.items()}
