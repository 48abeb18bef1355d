"""CPU and throughput of the whole service: Apache Kafka, `chartmogul-consumer run`, nginx on loopback.

    python benchmarks/pipeline.py                     the cases of the claims, with stages and latency; 3 minutes
    python benchmarks/pipeline.py --all               every format, concurrency 1, 16 and 64, with and without TLS
    python benchmarks/pipeline.py --events 20000 --only single-64

Each case reads a backlog of 1.5 KB events (a fresh group, no rate limit), and its steady part is measured: from a tenth
of the events to the last sample before the end. ``cpu_us_per_event`` is the service's process, user and system, all
threads. Latency is measured apart, from an event's production to its arrival at the webhook, broker included; ``bare``
is the same for a consumer that does nothing else. At half of the measured throughput; at half of that and so on, where
broker, producer, webhook and service leave the machine no idle time for it: there the queue for its cores is measured.

Aims: single, 64 connections ≤ 45 (TLS ≤ 65); array ≤ 22; an unwanted record ≤ 8; RSS ≤ 120 MB; p50 ≤ 5 ms, p99 ≤ 15 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import rig
from benchmarks.mapping import event
from consumer.chartmogul.router import Router
from consumer.kafka.decode import Decoder

if TYPE_CHECKING:
    from tests.kafka.client import Broker

HERE = Path(__file__).parent
LATENCY_SECONDS = 8.0
WARM_SECONDS = 4.0
BARE_P99_MS = 25.0
MOST_BUSY = 0.75
LEAST_PER_SECOND = 50
ARRIVALS = [sys.executable, str(HERE / "arrivals.py")]


@dataclass(frozen=True, slots=True)
class Case:
    """One workload."""

    name: str
    batch: str = "single"
    concurrency: int = 64
    tls: bool = False
    wanted: bool = True

    @property
    def delivery(self) -> dict[str, Any]:
        """Its delivery settings."""
        batch = {"format": self.batch, "max_events": 100}
        return {
            "requests_per_second": None,
            "concurrency": self.concurrency,
            "batch": batch,
            "drain_timeout_seconds": 2,
        }


CLAIMS = (
    Case("single-64"),
    Case("single-64-tls", tls=True),
    Case("array-16", "array", 16),
    Case("unwanted", wanted=False),
)


def every_case() -> tuple[Case, ...]:
    """All formats, concurrencies and transports."""
    made = [
        Case(f"{batch}-{concurrency}{'-tls' * tls}", batch, concurrency, tls)
        for batch in ("single", "array")
        for concurrency in (1, 16, 64)
        for tls in (False, True)
    ]
    return (*made, Case("unwanted", wanted=False))


class Bench:
    """The parts that all cases share."""

    def __init__(self, broker: Broker, nginx: rig.Nginx, folder: Path, events: int) -> None:
        self._broker = broker
        self._nginx = nginx
        self._folder = folder
        # An unwanted event and one in an array are done in no time: more of them make a run that can be measured.
        self._counts = {True: events, False: 4 * events}
        self._topics: dict[bool, str] = {}

    def topic(self, *, wanted: bool) -> str:
        """The backlog."""
        if wanted not in self._topics:
            events = rig.wanted if wanted else rig.unwanted
            self._topics[wanted] = rig.fill(self._broker, events(self._counts[wanted]))
        return self._topics[wanted]

    def _settings(self, case: Case, topic: str, url: str) -> dict[str, Any]:
        tls = {"ca_file": str(self._nginx.ca_file)} if case.tls else {}
        made = rig.settings(self._broker, topic, url, self._folder, destination=tls, delivery=case.delivery)
        if not case.wanted:
            # Nobody would dead-letter these: they end as skipped.
            made["kafka"]["commit_interval_seconds"] = 1
        return made

    def run(self, case: Case) -> dict[str, Any]:
        """Throughput, CPU and memory."""
        count = self._counts[case.wanted]
        settings = self._settings(case, self.topic(wanted=case.wanted), self._nginx.url(tls=case.tls))
        with rig.Service(settings, self._folder) as service:
            figures = rig.rates(service.measure(count), count)
            return {"case": case.name, **figures, "rss_mb": round(rig.rss_mb(service.pid), 1)}

    def stages(self, case: Case) -> dict[str, Any]:
        """CPU microseconds an event by stage, in a run of its own: being sampled costs something."""
        count = self._counts[case.wanted]
        settings = self._settings(case, self.topic(wanted=case.wanted), self._nginx.url(tls=case.tls))
        path = self._folder / f"stages-{case.name}.json"
        os.environ["STAGES_FILE"] = str(path)
        with rig.Service(settings, self._folder, [sys.executable, str(HERE / "sampled.py")]) as service:
            first = service.measure(count // 10)[-1]
            before = rig.thread_seconds(service.pid)
            os.kill(service.pid, signal.SIGUSR1)
            # The run's end has waits that its middle does not have.
            last = service.measure(count * 9 // 10)[-1]
            after = rig.thread_seconds(service.pid)
        events = last.ended - first.ended
        sampled = json.loads(path.read_bytes())
        main = after["main"] - before["main"]
        booked = sum(sampled["stages"].values())
        stages = {name: main * seconds / booked for name, seconds in sampled["stages"].items()}
        for name, seconds in after.items():
            if name != "main":
                whose = "Kafka client's own threads" if name.startswith("rdk") else "Kafka thread, and other"
                stages[whose] = stages.get(whose, 0.0) + seconds - before.get(name, 0.0)
        ordered = dict(sorted(stages.items(), key=lambda item: -item[1]))
        lines = list(sampled["functions"].items())[:30]
        return {
            "case": case.name,
            "us_per_event": {name: round(seconds / events * 1e6, 1) for name, seconds in ordered.items()},
            "lines": {name: round(main * seconds / booked / events * 1e6, 2) for name, seconds in lines},
        }

    def latency(self, case: Case, per_second: float) -> dict[str, Any]:
        """From production to arrival, in milliseconds; at this rate, or at a half of it and so on.

        Where a consumer that does nothing else is late already, or the machine is busy, it is broker and producer that
        are measured: here they share the machine.
        """
        while True:
            bare = self._polled(per_second)
            least = per_second <= LEAST_PER_SECOND
            if least or bare["bare_p99_ms"] <= BARE_P99_MS:
                arrived = self._arrived(case, per_second)
                if least or arrived["machine_busy"] <= MOST_BUSY:
                    return {"case": case.name, "per_second": round(per_second), **arrived, **bare}
            per_second /= 2

    def _arrived(self, case: Case, per_second: float) -> dict[str, float]:
        topic, port, arrived = rig.fill(self._broker, ()), rig.free_port(), self._folder / "arrived.json"
        settings = self._settings(case, topic, f"http://127.0.0.1:{port}/hook")
        with subprocess.Popen([*ARRIVALS, "webhook", str(port), str(arrived)]) as webhook:
            rig.wait_until(lambda: rig.connects(port), "the webhook listens")
            with rig.Service(settings, self._folder) as service:
                rig.wait_until(lambda: service.sample() is not None, "the service starts")
                time.sleep(WARM_SECONDS)
                before = rig.machine_seconds()
                produced = produce(self._broker, topic, per_second)
                after = rig.machine_seconds()
                service.measure(produced)
            webhook.terminate()
        busy = (after[0] - before[0]) / (after[1] - before[1])
        return {**delays(arrived, produced, ""), "machine_busy": round(busy, 2)}

    def _polled(self, per_second: float) -> dict[str, float]:
        topic, polled = rig.fill(self._broker, ()), self._folder / "polled.json"
        with subprocess.Popen([*ARRIVALS, "kafka", self._broker.bootstrap_servers, topic, str(polled)]) as bare:
            time.sleep(WARM_SECONDS)
            produced = produce(self._broker, topic, per_second)
            bare.terminate()
        return delays(polled, produced, "bare_")


def delays(path: Path, produced: int, prefix: str) -> dict[str, float]:
    """The quantiles of what was written there."""
    # The first events find everything cold, and connections not open.
    found = sorted(delay for _, delay in json.loads(path.read_bytes())[produced // 10 :])
    quantiles = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    return {f"{prefix}{label}_ms": round(rig.quantile(found, part) / 1e6, 2) for label, part in quantiles}


def produce(broker: Broker, topic: str, per_second: float) -> int:
    """Produce evenly, each event with the time in its messageId; returns how many."""
    shown = [event(number).replace(b"ajs-next-", b"produced-@-").partition(b"@") for number in range(5_000)]
    # Without a linger each event is a request of its own, and it is the small test broker that is measured.
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 1, "acks": 1})
    began, number = time.monotonic(), 0
    while (passed := time.monotonic() - began) < LATENCY_SECONDS:
        while number < passed * per_second:
            before, _, after = shown[number % len(shown)]
            producer.produce(topic, b"%b%019d%b" % (before, time.time_ns(), after), str(number % 5_000).encode())
            number += 1
        producer.poll(0.001)
    producer.flush(30)
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--all", action="store_true", help="every case")
    parser.add_argument("--only", default="", help="cases by name, separated by commas")
    parser.add_argument("--no-stages", action="store_true")
    parser.add_argument("--no-latency", action="store_true")
    arguments = parser.parse_args()
    only = set(filter(None, arguments.only.split(",")))
    cases = [case for case in (every_case() if arguments.all else CLAIMS) if not only or case.name in only]
    if not cases:
        parser.error("no such case")
    body = Router().route(Decoder().decode(event(1), None, 0)[0])  # type: ignore[arg-type,index]  # it is a list here
    more: dict[str, Any] = {
        "events": arguments.events,
        "event_bytes": len(event(1)),
        "body_bytes": len(body[0].body),  # type: ignore[union-attr]  # it is a Post
        "stages": [],
        "latency": [],
    }
    with rig.rig() as (broker, nginx, folder):
        more["kafka"] = broker.description
        bench = Bench(broker, nginx, folder, arguments.events)
        rows = []
        for case in cases:
            rows.append(bench.run(case))
            print(rows[-1], flush=True)
            if not arguments.no_stages and case in CLAIMS:
                more["stages"].append(bench.stages(case))
                print(json.dumps(more["stages"][-1], indent=1), flush=True)
            if not arguments.no_latency and case.name in ("single-64", "single-16"):
                more["latency"].append(bench.latency(case, rows[-1]["events_per_second"] / 2))
                print(more["latency"][-1], flush=True)
    rig.report("pipeline", rows, **more)


if __name__ == "__main__":
    main()
