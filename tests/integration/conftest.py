"""The broker that an integration test runs on: each test that takes ``broker`` runs twice, embedded and real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumer.kafka.embedded import EmbeddedBroker
from tests.kafka.client import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture
def embedded_kafka() -> Iterator[Broker]:
    """A mock cluster of the test's own; it keeps 5 MiB a partition and knows no topic settings."""
    with EmbeddedBroker() as embedded:

        def create(name: str, partitions: int, config: Mapping[str, str]) -> None:
            assert not config, "the embedded broker knows no topic settings: such a test is for the real one"
            embedded.create_topic(name, partitions)

        yield Broker("embedded", embedded.bootstrap_servers, "librdkafka's mock cluster", create)


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real_kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    """The test runs on both; ``broker.kind`` says which where they are known to differ."""
    chosen: Broker = request.getfixturevalue("embedded_kafka" if request.param == "embedded" else "real_kafka")
    return chosen
