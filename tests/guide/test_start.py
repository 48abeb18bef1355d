"""Walks docs/guide/start.md from an empty environment: its commands and files as they stand there, in their order.

What is not the reader's is put in: the address of a broker, free ports, the wheel of this checkout (for a package index),
a second for Prometheus' fifteen. Programs that run until they are stopped are left running, as in terminals of their own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.canary import watch
from tests.deploy_metrics.shipped import ALERTS, program, rules
from tests.integration.harness import identify, records, wait_for
from tests.kafka.node import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kafka.client import Broker

ROOT: Final = Path(__file__).parents[2]
GUIDE: Final = ROOT / "docs" / "guide" / "start.md"
EVENTS: Final = 30

SUBSCRIPTIONS: Final = {
    "data": {
        "subscriptions": [
            {
                "id": "sub1",
                "name": "People",
                "actionSlug": "sendContact",
                "enabled": True,
                "trigger": 'type = "identify"',
                "settings": {
                    "type": "Send Contact",
                    "message_id": {"@path": "$.messageId"},
                    "timestamp": {"@path": "$.timestamp"},
                    "sent_at": {"@path": "$.sentAt"},
                    "event_type": {"@path": "$.type"},
                    "user_id": {"@path": "$.userId"},
                    "email": {"@path": "$.traits.email"},
                },
            }
        ]
    }
}


def steps(text: str) -> list[tuple[str, str]]:
    """The page's blocks: language and contents."""
    return re.findall(r"```(sh|yaml)\n(.*?)```", text, re.DOTALL)


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Walk:
    """A reader: a folder, an environment, and terminals in which something runs."""

    def __init__(self, folder: Path, wheel: Path, words: dict[str, str], ports: dict[str, int]) -> None:
        self.folder = folder
        self.ports = ports
        self.terminals: dict[str, subprocess.Popen[bytes]] = {}
        self._wheel = wheel
        self._words = words
        # Nothing of this checkout or of the environment that the tests run in.
        self._environment = {
            "PATH": os.pathsep.join(
                [str(folder / "venv" / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
            ),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "CHARTMOGUL_CONSUMER_HTTP__PORT": str(ports["service"]),
            "CHARTMOGUL_CONSUMER_HTTP__HOST": "127.0.0.1",
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))},
        }
        self._ready = {
            "sandbox": f"http://127.0.0.1:{ports['sandbox']}/stats",
            "run": f"http://127.0.0.1:{ports['service']}/readyz",
            "prometheus": f"http://127.0.0.1:{ports['prometheus']}/-/ready",
        }

    def take(self, language: str, block: str) -> None:
        """Do what a block shows."""
        for word, own in self._words.items():
            block = block.replace(word, own)
        if language == "yaml":
            name = re.match(r"# (\S+\.yaml)\n", block)
            assert name, "a file on the page says its name"
            (self.folder / name[1]).write_text(block)
            return
        for line in block.replace("\\\n", " ").splitlines():
            self._command(line)

    def _command(self, line: str) -> None:
        if line == ". venv/bin/activate":
            return  # on the path already
        if line == "pip install segment-chartmogul-consumer":
            lock = f"pip install --quiet --require-hashes --only-binary :all: -r {ROOT / 'requirements.lock'}"
            line = f"{lock} && pip install --quiet --no-deps --no-index {self._wheel} && pip check"
        if line.startswith("prometheus "):
            line += f" --storage.tsdb.path=tsdb --web.listen-address=127.0.0.1:{self.ports['prometheus']}"
        stays = next((name for name in self._ready if re.match(rf"(chartmogul-consumer )?{name}\b", line)), None)
        if stays is None:
            done = subprocess.run(["bash", "-euc", line], **self._at(), capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            return
        with (self.folder / f"{stays}.log").open("wb") as log:
            self.terminals[stays] = subprocess.Popen(
                ["bash", "-euc", f"exec {line}"], **self._at(), stdout=log, stderr=log
            )
        wait_for(lambda: self.running(stays) and answer(self._ready[stays])[0] == 200, f"{line} is ready")

    def running(self, name: str) -> bool:
        assert self.terminals[name].poll() is None, self.log(name)
        return True

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _at(self) -> dict[str, Any]:
        return {"cwd": self.folder, "env": self._environment}

    def query(self, path: str) -> Any:
        return json.loads(answer(f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/{path}")[1])["data"]

    def close(self) -> None:
        for process in self.terminals.values():
            process.kill()
            process.wait()


@pytest.fixture
def walk(real_kafka: Broker, tmp_path: Path) -> Iterator[Walk]:
    program("prometheus")
    program("promtool")
    built, folder = tmp_path / "built", tmp_path / "reader"
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(built), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    folder.mkdir()
    topic = real_kafka.unique("segment-events")
    real_kafka.create_topic(topic, 2)
    events = [identify(n, f"user{n}") for n in range(EVENTS)]
    real_kafka.produce(topic, records(events))
    shutil.copy(ALERTS, folder / "alerts.yaml")
    (folder / "subscriptions.json").write_text(json.dumps(SUBSCRIPTIONS))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    ports = {name: free_port() for name in ("sandbox", "service", "prometheus")}
    words = {
        "broker:9092": real_kafka.bootstrap_servers,
        "segment-events": topic,
        "chartmogul-trial": real_kafka.unique("trial"),
        "8080": str(ports["sandbox"]),
        "9464": str(ports["service"]),
        "15s": "1s",
    }
    walk = Walk(folder, wheel, words, ports)
    yield walk
    walk.close()


@pytest.mark.slow
@pytest.mark.real_kafka
@pytest.mark.timeout(400)
def test_the_guide_leads_from_nothing_to_a_service_that_is_watched(walk):
    for language, block in steps(GUIDE.read_text(encoding="utf-8")):
        walk.take(language, block)

    stand_in = f"http://127.0.0.1:{walk.ports['sandbox']}/stats"
    wait_for(lambda: json.loads(answer(stand_in)[1])["delivered"] == EVENTS, "every event has arrived")

    def evaluated() -> bool:
        """Prometheus has scraped the service, and evaluated each alert since."""
        healths = [target["health"] for target in walk.query("targets")["activeTargets"]]
        known = [rule for group in walk.query("rules")["groups"] for rule in group["rules"]]
        assert [rule["name"] for rule in known] == [rule["alert"] for rule in rules()]
        return healths == ["up"] and all(rule["health"] == "ok" for rule in known)

    wait_for(evaluated, "the service is scraped and the alerts are evaluated")
    delivered = 'query?query=sum(chartmogul_consumer_deliveries_ended_total{outcome="delivered"})'
    wait_for(lambda: [each["value"][1] for each in walk.query(delivered)["result"]] == [str(EVENTS)], "all are counted")
    assert [alert for alert in walk.query("alerts")["alerts"] if alert["state"] == "firing"] == []

    service = walk.terminals["run"]
    service.send_signal(signal.SIGTERM)
    assert service.wait(30) == 0, walk.log("run")
    watch("the log", walk.log("run"))


def test_the_guide_has_steps():
    page = steps(GUIDE.read_text(encoding="utf-8"))
    assert [language for language, _ in page].count("yaml") == 2
    assert sum("chartmogul-consumer run" in block for _, block in page) == 1
