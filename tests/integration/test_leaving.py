"""What a stopped process says by its exit code about what it leaves behind."""

from __future__ import annotations

import pytest

from consumer.kafka.embedded import EmbeddedBroker
from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import RunningService, identify, records, settings, wait_for
from tests.kafka.client import Broker


@pytest.fixture
def embedded():
    with EmbeddedBroker() as running:
        running.create_topic("events", 2)
        running.create_topic("dead-letters", 1)
        yield running


@pytest.mark.parametrize(("reachable", "code"), [(True, 0), (False, 3)])
def test_what_was_delivered_and_cannot_be_committed_is_work_left(embedded, tmp_path, reachable, code):
    broker = Broker("embedded", embedded.bootstrap_servers, "")
    with ThreadedSandbox(rate_per_second=None, max_parallel=None) as sandbox:
        (tmp_path / "url").write_text(sandbox.url)
        broker.produce("events", records([identify(n, f"user{n}") for n in range(20)]))
        config = settings(broker, "events", "dead-letters", tmp_path / "url", kafka={"commit_interval_seconds": 60})
        with RunningService(config, tmp_path) as service:
            wait_for(lambda: sandbox.stats()["delivered"] == 20, "all is delivered")
            if not reachable:
                embedded.set_down()
            assert service.stop() == code
            (released,) = service.logged("released")
            assert released["committed"] is reachable
