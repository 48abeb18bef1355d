"""Ours beside what people would take instead: the same topic, sink, connections and mapping, in paired runs.

    python benchmarks/peers.py [--rounds 2] [--only plain,original,connect]

``plain`` is confluent-kafka and httpx as they are usually written. ``original`` is kafkajs and the hosted destination's
own packages (node, and the folder that ORACLE_DIR names with kafkajs in it). ``connect`` is Redpanda Connect with a
Bloblang mapping, built with Go from ``peers/connect``. A peer that cannot be had is left out, and said. In each round
every peer follows a run of ours; the ratios are of these pairs. None keeps the order of a customer's events or accounts
for what it could not deliver.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import rig
from tests.conformance.original import OriginalNotToBeHadError, find_original

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kafka.client import Broker

HERE = Path(__file__).parent / "peers"
CONCURRENCY = 64
EVENTS = {"ours": 60_000, "plain": 4_000, "original": 12_000, "connect": 20_000}
"""So many that each takes a few seconds; what is compared is an event's cost."""


class PeerNotToBeHadError(Exception):
    """It cannot be built or run here; the message says why."""


class Runner:
    """Runs one program at a time against the same parts."""

    def __init__(self, broker: Broker, nginx: rig.Nginx, folder: Path) -> None:
        self._broker = broker
        self._nginx = nginx
        self._folder = folder
        self._topic = ""
        self._connect_built = folder / "connect"
        self.commands: dict[str, Callable[[], list[str]]] = {
            "plain": self._plain,
            "original": self._original,
            "connect": self._connect,
        }

    def run(self, name: str) -> dict[str, float]:
        """CPU an event and events a second, of the steady part."""
        count = EVENTS[name]
        self._topic = rig.fill(self._broker, rig.wanted(count))
        url = self._nginx.url(tls=False)
        if name == "ours":
            settings = rig.settings(self._broker, self._topic, url, self._folder)
            with rig.Service(settings, self._folder) as service:
                return self._watch(service.pid, count)
        command = self.commands[name]()
        log = self._folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, cwd=HERE)
        try:
            return self._watch(process.pid, count)
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{log.read_text()[-2000:]}") from None
        finally:
            process.kill()
            process.wait()

    def _watch(self, pid: int, count: int, seconds: float = 90.0) -> dict[str, float]:
        before = self._nginx.requests()
        samples: list[rig.Sample] = []
        deadline = time.monotonic() + seconds
        while not samples or samples[-1].ended < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {seconds} s: {samples[-1:]}")
            time.sleep(rig.SAMPLE_SECONDS / 2)
            samples.append(rig.Sample(time.monotonic(), rig.cpu_seconds(pid), self._nginx.requests() - before))
        return {**rig.rates(samples, count), "rss_mb": round(rig.rss_mb(pid), 1)}

    def _plain(self) -> list[str]:
        return [sys.executable, str(HERE / "plain.py"), *self._arguments()]

    def _original(self) -> list[str]:
        packages = find_original()
        if not (packages / "node_modules" / "kafkajs").is_dir():
            raise OriginalNotToBeHadError(f"kafkajs is not installed in {packages}")
        return ["node", str(HERE / "original.mjs"), str(packages), *self._arguments()]

    def _connect(self) -> list[str]:
        source = HERE / "connect"
        if not self._connect_built.exists():
            if shutil.which("go") is None:
                raise PeerNotToBeHadError("it is built with Go, which is not installed")
            command = ["go", "build", "-o", str(self._connect_built), "."]
            built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
            if built.returncode:
                raise PeerNotToBeHadError(built.stderr[-300:])
        values = dict(zip(("BOOTSTRAP", "TOPIC", "URL", "CONCURRENCY"), self._arguments(), strict=True))
        settings = [f"{name}={value}" for name, value in values.items()]
        return ["env", *settings, str(self._connect_built), "-c", str(source / "connect.yaml")]

    def _arguments(self) -> list[str]:
        return [self._broker.bootstrap_servers, self._topic, self._nginx.url(tls=False), str(CONCURRENCY)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="plain,original,connect", help="peers, separated by commas")
    arguments = parser.parse_args()
    peers = arguments.only.split(",")
    pairs: dict[str, list[tuple[dict[str, float], dict[str, float]]]] = {name: [] for name in peers}
    missing: dict[str, str] = {}
    with rig.rig() as (broker, nginx, folder):
        runner = Runner(broker, nginx, folder)
        for name in peers:
            try:
                runner.commands[name]()
            except (OriginalNotToBeHadError, PeerNotToBeHadError) as error:
                missing[name] = str(error)
                print(f"{name} cannot be measured here: {error}", file=sys.stderr)
        for _ in range(arguments.rounds):
            for name in peers:
                if name not in missing:
                    pairs[name].append((runner.run("ours"), runner.run(name)))
                    print(name, pairs[name][-1], flush=True)
    rows: list[dict[str, Any]] = []
    for name, measured in pairs.items():
        if not measured:
            continue
        row: dict[str, Any] = {"peer": name}
        for key in ("cpu_us_per_event", "events_per_second", "rss_mb"):
            row[f"ours_{key}"] = median(ours[key] for ours, _ in measured)
            row[key] = median(peer[key] for _, peer in measured)
        row["cpu_times_ours"] = round(
            median(peer["cpu_us_per_event"] / ours["cpu_us_per_event"] for ours, peer in measured), 1
        )
        row["throughput_of_ours"] = round(
            median(peer["events_per_second"] / ours["events_per_second"] for ours, peer in measured), 2
        )
        rows.append(row)
    rig.report("peers", rows, concurrency=CONCURRENCY, rounds=arguments.rounds, missing=missing)


if __name__ == "__main__":
    main()
