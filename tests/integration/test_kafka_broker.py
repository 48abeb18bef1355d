"""The Kafka fixture keeps what crash tests need of it: data and ports over a kill, and no process after its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kafka.broker import KafkaBroker
from tests.kafka.client import Broker, Record
from tests.kafka.or_skip import or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def kafka(request: pytest.FixtureRequest) -> Iterator[KafkaBroker]:
    """A cluster of the test's own, with as many nodes as the test's parameter says."""
    with or_skip():
        started = KafkaBroker(getattr(request, "param", 1))
    with started:
        yield started


def _broker(kafka: KafkaBroker) -> Broker:
    return Broker("real", kafka.bootstrap_servers, "")


@pytest.mark.real_kafka
def test_data_and_address_survive_kill_9(kafka: KafkaBroker) -> None:
    address = kafka.bootstrap_servers
    kafka.create_topic("events", partitions=2)
    _broker(kafka).produce("events", [Record(b"1", partition=0), Record(b"2", partition=1)])
    kafka.kill()
    assert kafka.pids == []
    kafka.start()
    assert address == kafka.bootstrap_servers
    assert [record.value for record in _broker(kafka).consume_all("events")] == [b"1", b"2"]


@pytest.mark.slow
@pytest.mark.real_kafka
@pytest.mark.parametrize("kafka", [3], indirect=True)
def test_three_nodes_go_on_without_one(kafka: KafkaBroker) -> None:
    kafka.create_topic("events", partitions=3, config={"min.insync.replicas": "2"})
    kafka.kill(1)
    _broker(kafka).produce("events", [Record(b"x", partition=n) for n in range(3)])
    assert len(_broker(kafka).consume_all("events")) == 3
    kafka.start(1)
    assert len(kafka.pids) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a process with its parent")
def test_the_launched_process_dies_with_its_parent() -> None:
    # `cat` stands in for java: it keeps its standard output open for as long as it lives, which the read end sees.
    launcher = ROOT / "tests" / "kafka" / "die_with_parent.py"
    parent_code = (
        "import os, subprocess, sys, signal\n"
        f"child = subprocess.Popen([sys.executable, '-I', {str(launcher)!r}, str(os.getpid()), 'cat'],\n"
        "                         stdin=subprocess.PIPE, start_new_session=True)\n"
        "child.stdin.write(b'ready'); child.stdin.flush()\n"
        "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n"
        "os.set_inheritable(child.stdin.fileno(), True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.read(5) == b"ready"
        os.kill(parent.pid, signal.SIGKILL)
        assert parent.stdout.read() == b"", "the end of file comes when the last holder, the child, is gone"
