"""Finds an Apache Kafka for the tests, and says why there is none.

In order: the cluster that KAFKA_BOOTSTRAP_SERVERS names; a container, where a Docker engine answers; Apache Kafka itself
from Maven Central, where ``java`` and ``mvn`` are.

    python -m tests.kafka.discover      fetches what the last way needs, beforehand: no test waits for a download
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.kafka.broker import QUIET, KafkaBroker
from tests.kafka.client import Broker
from tests.kafka.jars import KafkaNotToBeHadError, find_java, in_cache, kafka_jars, kafka_version

if TYPE_CHECKING:
    from collections.abc import Iterator

_IMAGE: Final = "confluentinc/cp-kafka:8.0.0"  # Apache Kafka 4.0, the first whose KIP-848 groups are on by default
_DOCKER_SECONDS: Final = 2
_CONTAINER_SECONDS: Final = 60


@contextmanager
def real_kafka() -> Iterator[Broker]:
    """An Apache Kafka for as long as the context lasts.

    Raises:
        KafkaNotToBeHadError: none can be had here; the message has each way's reason.
    """
    if named := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield _named(named)
        return
    reason = "no Docker engine answers"
    if docker_answers():
        # Imported here: it takes a third of a second, and most machines have no engine.
        from testcontainers.community.kafka import KafkaContainer

        container = KafkaContainer(_IMAGE).with_kraft()
        try:
            container.start(timeout=_CONTAINER_SECONDS)
        except Exception as error:  # noqa: BLE001 - an engine that cannot pull or run it fails in many ways; Maven is next
            container.stop()
            reason = f"the Docker engine could not start {_IMAGE} ({type(error).__name__})"
        else:
            try:
                yield Broker("real", container.get_bootstrap_server(), f"Apache Kafka in a container, {_IMAGE}")
            finally:
                container.stop()
            return
    try:
        broker = KafkaBroker()
    except KafkaNotToBeHadError as error:
        raise KafkaNotToBeHadError(f"KAFKA_BOOTSTRAP_SERVERS is not set; {reason}; {error}") from error
    with broker:
        yield Broker("real", broker.bootstrap_servers, f"Apache Kafka {broker.version} from Maven Central, KRaft")


def docker_answers() -> bool:
    """Whether a Docker engine answers; the client program alone, as many machines have it, answers nothing."""
    # The socket first: the docker package leaves it unclosed when nothing answers there, which is a warning, so an error.
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_DOCKER_SECONDS)
            try:
                probe.connect(host.removeprefix("unix://"))
            except OSError:
                return False
    import docker  # type: ignore[import-untyped]  # ships no types

    try:
        engine = docker.from_env(timeout=_DOCKER_SECONDS)  # asks the engine for its API version at once
    except (docker.errors.DockerException, OSError):
        return False
    engine.close()
    return True


def _named(bootstrap_servers: str) -> Broker:
    # Whoever names a cluster means it: one that does not answer is an error, not a reason to test something else.
    try:
        AdminClient({"bootstrap.servers": bootstrap_servers, **QUIET}).list_topics(timeout=30)
    except KafkaException as error:
        raise AssertionError(f"KAFKA_BOOTSTRAP_SERVERS is set, but no Kafka answers there: {error}") from error
    return Broker("real", bootstrap_servers, "Apache Kafka named by KAFKA_BOOTSTRAP_SERVERS")


def main() -> None:
    if os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or in_cache() or docker_answers():
        return
    try:
        find_java()
        print(f"Fetching Apache Kafka {kafka_version()} for the tests, once (45 MB)", file=sys.stderr)
        kafka_jars()
    except KafkaNotToBeHadError as error:
        # No failure: the tests that need it skip, or fail, with the reason.
        print(f"No Apache Kafka for the tests: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
