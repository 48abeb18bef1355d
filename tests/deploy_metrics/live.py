"""The real Prometheus beside the real service: what is scraped, which alerts fire, what the dashboard's queries find.

A *deployment* is a service of its own with its own embedded broker and ChartMogul stand-in; Prometheus knows it by its
job's name, so that many can be watched at once, as the alerts and the dashboard promise.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

import yaml

from consumer.kafka.embedded import EmbeddedBroker
from consumer.sandbox.runner import ThreadedSandbox
from tests.deploy_metrics.shipped import program
from tests.integration.harness import RunningService, identify, records, settings, wait_for
from tests.kafka.client import Broker
from tests.kafka.node import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRAPE_SECONDS: Final = 1.0
PATIENT: Final = "hangs"
"""The job that is scraped more slowly: a loop that hangs takes a second of each scrape."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(?<=\[)(\d+)([smhd])(?=\])|(?<=offset )(\d+)([smhd])\b")


def hastened(rule: dict[str, Any], factor: float) -> dict[str, Any]:
    """The same rule with every window, offset and ``for`` shorter by ``factor``; what it compares with stays."""

    def shorter(number: str, unit: str) -> str:
        return f"{max(1, round(int(number) * _UNITS[unit] * 1000 / factor))}ms"

    def replaced(match: re.Match[str]) -> str:
        number, unit = (each for each in match.groups() if each)
        return shorter(number, unit)

    changed = rule | {"expr": _DURATION.sub(replaced, rule["expr"])}
    if "for" in rule:
        changed["for"] = shorter(rule["for"][:-1], rule["for"][-1])
    return changed


class Prometheus:
    """``prometheus`` with these rules; targets come and go while it runs."""

    def __init__(self, folder: Path, rules: list[dict[str, Any]]) -> None:
        self._folder = folder
        self._rules = rules
        self._targets: dict[str, str] = {}
        self._lock = threading.Lock()
        self.started_at = time.time()

    def __enter__(self) -> Self:
        folder = self._folder
        (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "hastened", "rules": self._rules}]}))
        scraped = [
            {
                "job_name": name,
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "file_sd_configs": [{"files": [str(folder / f"{name}.json")], "refresh_interval": "1s"}],
            }
            for name, interval in (("prompt", "1s"), (PATIENT, "3s"))
        ]
        config = {
            "global": {"evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yaml")],
            "scrape_configs": scraped,
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        self._write_targets()
        self._port = free_port()
        with (folder / "prometheus.log").open("w") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={folder / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(self._ready, "Prometheus starts")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "prometheus.log").read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def scrape(self, job: str, port: int) -> None:
        """Scrape this as ``job`` from now on."""
        with self._lock:
            self._targets[job] = f"127.0.0.1:{port}"
            self._write_targets()

    def _write_targets(self) -> None:
        for name in ("prompt", PATIENT):
            listed = [
                {"targets": [target], "labels": {"job": job}}
                for job, target in self._targets.items()
                if (job == PATIENT) == (name == PATIENT)
            ]
            swapped = self._folder / f"{name}.new"
            swapped.write_text(json.dumps(listed))
            swapped.replace(self._folder / f"{name}.json")

    def _ask(self, path: str, **parameters: object) -> Any:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expr: str) -> list[dict[str, Any]]:
        """What the expression gives now: ``metric`` and ``value`` each."""
        found: list[dict[str, Any]] = self._ask("query", query=expr)["result"]
        return found

    def points(self, expr: str, since: float) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """What it gave at each scrape since then: labels, and Unix seconds with a value each."""
        asked = self._ask("query_range", query=expr, start=since, end=time.time(), step=SCRAPE_SECONDS)
        return [(each["metric"], [(at, float(value)) for at, value in each["values"]]) for each in asked["result"]]

    def history(self, expr: str) -> list[tuple[dict[str, str], list[float]]]:
        """What it gave at each scrape since Prometheus started: labels and values."""
        found = self.points(expr, self.started_at)
        return [(labels, [value for _, value in points]) for labels, points in found]

    def values_of(self, label: str, series: str) -> list[str]:
        """What a dashboard's variable offers: ``label_values(series, label)``."""
        found: list[str] = self._ask(f"label/{label}/values", **{"match[]": series})
        return found

    def firing(self, alert: str, job: str) -> list[dict[str, str]]:
        """The labels of this alert of this job, as often as it fires."""
        found = self.query(f'ALERTS{{alertname="{alert}", job="{job}", alertstate="firing"}}')
        return [each["metric"] for each in found]

    def fires(self, alert: str, job: str, **labels: str) -> None:
        """Wait until it fires, with these labels."""
        (found,) = wait_for(lambda: self.firing(alert, job), f"{alert} fires", 110)
        assert labels.items() <= found.items()

    def clears(self, alert: str, job: str) -> None:
        """Wait until it does not fire any more."""
        wait_for(lambda: not self.firing(alert, job), f"{alert} clears", 110)


class Deployment:
    """A broker, a stand-in for ChartMogul, and settings for a service between them that Prometheus scrapes."""

    def __init__(self, job: str, prometheus: Prometheus, folder: Path, *, partitions: int = 2) -> None:
        self.job = job
        self.prometheus = prometheus
        self.topic, self.dead_letters = "events", "dead-letters"
        self._folder = folder / job
        self._partitions = partitions
        self._number = 0

    def __enter__(self) -> Self:
        self._folder.mkdir()
        self.embedded = EmbeddedBroker()
        self.sandbox = ThreadedSandbox(rate_per_second=None, max_parallel=None).__enter__()
        self.url_file = self._folder / "url"
        self.url_file.write_text(self.sandbox.url)
        self.broker = Broker("embedded", self.embedded.bootstrap_servers, "")
        self.embedded.create_topic(self.topic, self._partitions)
        self.embedded.create_topic(self.dead_letters, 1)
        self.port = free_port()
        self.prometheus.scrape(self.job, self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.__exit__(None, None, None)
        self.embedded.close()

    def settings(self, **sections: Any) -> dict[str, Any]:
        """As in other tests of the service, at the port that Prometheus scrapes."""
        made = settings(self.broker, self.topic, self.dead_letters, self.url_file, **sections)
        made["http"] = {"host": "127.0.0.1", "port": self.port}
        made["kafka"]["properties"] = {"heartbeat.interval.ms": 300, **made["kafka"]["properties"]}
        return made

    def service(self, config: dict[str, Any] | None = None, **more: Any) -> RunningService:
        """The service; a context manager."""
        return RunningService(config or self.settings(), self._folder, **more)

    def file(self, name: str, text: str) -> Path:
        """A file of this deployment's own."""
        path = self._folder / name
        path.write_text(text)
        return path

    def produce(self, count: int, user: str = "user", *, at: float | None = None, **traits: Any) -> None:
        """So many events: of fifty contacts, or of one if ``user`` is given; with the timestamp ``at``, or now."""
        numbers = range(self._number, self._number + count)
        self._number += count
        made = records(identify(n, f"user{n % 50}" if user == "user" else user, **traits) for n in numbers)
        self.broker.produce(self.topic, [replace(each, timestamp_ms=int(at * 1000)) for each in made] if at else made)

    def produce_others(self, count: int) -> None:
        """So many events that no mapping matches."""
        made = [{"type": "track", "event": "Clicked", "userId": f"user{n}", "messageId": f"t{n}"} for n in range(count)]
        self.broker.produce(self.topic, records(made))

    @contextmanager
    def traffic(self, count: int = 5, every_seconds: float = 0.3, **more: Any) -> Iterator[None]:
        """So many events, and one that no mapping matches, again and again until the block ends."""
        over = threading.Event()

        def run() -> None:
            while not over.wait(every_seconds):
                self.produce(count, **more)
                self.produce_others(1)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def fires(self, alert: str, **labels: str) -> None:
        """It fires for this deployment."""
        self.prometheus.fires(alert, self.job, **labels)

    def clears(self, alert: str) -> None:
        """It does not fire any more for this deployment."""
        self.prometheus.clears(alert, self.job)
