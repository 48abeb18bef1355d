"""CPU an event and memory against what may grow: events, partitions, mappings, keys, replicas, and a backlog.

    python benchmarks/growth.py                       quick: up to 100,000 events, 100 MB of backlog; ~5 minutes
    python benchmarks/growth.py --most 10000000 --only events

Each series changes one thing and leaves the others; a short run is the median of three. ``backlog`` is the memory of a
service whose webhook refuses every connection, after its buffer is full. Aims: CPU an event grows by less than 10 %
over events and over partitions; RSS ≤ 120 MB at any backlog.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import rig
from benchmarks.mapping import fifty
from consumer.config.mappings import MappingsFile
from consumer.config.mappings_writer import write_mappings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kafka.client import Broker

USUAL = 40_000
SHORT, SHORT_ROUNDS = 100_000, 3
FULL_SECONDS = 8.0
SECONDS = 240.0
LEAST_PER_SECOND = 2_000


class Growth:
    """The series; each yields rows."""

    def __init__(self, broker: Broker, nginx: rig.Nginx, folder: Path, most: int) -> None:
        self._broker = broker
        self._nginx = nginx
        self._folder = folder
        self._most = most

    def _run(
        self, count: int, *, partitions: int = 4, keys: int = 5_000, replicas: int = 1, **more: Any
    ) -> dict[str, Any]:
        topic = rig.fill(self._broker, rig.wanted(count, keys), partitions)
        rounds = [self._once(topic, count, replicas, more) for _ in range(SHORT_ROUNDS if count <= SHORT else 1)]
        return sorted(rounds, key=itemgetter("cpu_us_per_event"))[len(rounds) // 2]

    def _once(self, topic: str, count: int, replicas: int, more: dict[str, Any]) -> dict[str, Any]:
        base = rig.settings(self._broker, topic, self._nginx.url(tls=False), self._folder, **more)
        before = self._nginx.requests()
        with ExitStack() as stack:
            services = []
            for _ in range(replicas):
                settings = {**base, "http": {"host": "127.0.0.1", "port": rig.free_port()}}
                service = rig.Service(settings, self._folder, ended=lambda: self._nginx.requests() - before)
                services.append(stack.enter_context(service))
            samples = (
                services[0].measure(count, SECONDS + count / LEAST_PER_SECOND)
                if replicas == 1
                else self._together(services, count)
            )
            figures = rig.rates(samples, count)
            rss = max(rig.rss_mb(each.pid) for each in services)
        return {**figures, "rss_mb": round(rss, 1)}

    @staticmethod
    def _together(services: list[rig.Service], count: int) -> list[rig.Sample]:
        """Several replicas: their CPU added up; each knows of all events."""
        samples: list[rig.Sample] = []
        while not samples or samples[-1].ended < count:
            time.sleep(rig.SAMPLE_SECONDS)
            each = [service.sample() for service in services]
            if all(each):
                found = [sample for sample in each if sample is not None]
                cpu = sum(sample.cpu for sample in found)
                samples.append(rig.Sample(time.monotonic(), cpu, found[0].ended))
        return samples

    def events(self) -> Iterator[dict[str, Any]]:
        """More of them."""
        for count in (30_000, 100_000, 1_000_000, 10_000_000):
            if count <= self._most:
                yield {"events": count, **self._run(count)}

    def partitions(self) -> Iterator[dict[str, Any]]:
        """The same events over more partitions."""
        for number in (1, 16, 256):
            yield {"partitions": number, **self._run(SHORT, partitions=number)}

    def keys(self) -> Iterator[dict[str, Any]]:
        """The same events about more users and companies."""
        for number in (1, 100, 10_000, min(1_000_000, self._most)):
            yield {"keys": number, **self._run(8_000 if number == 1 else USUAL, keys=number)}

    def mappings(self) -> Iterator[dict[str, Any]]:
        """More mappings, of which two want each event."""
        for number in (2, 10, 50):
            path = self._folder / f"mappings-{number}.yaml"
            path.write_text(write_mappings(MappingsFile(tuple(fifty()[:number]))))
            yield {"mappings": number, **self._run(USUAL, mappings_file=str(path))}

    def replicas(self) -> Iterator[dict[str, Any]]:
        """More processes for the same events."""
        for number in (1, 2, 4):
            yield {"replicas": number, **self._run(2 * USUAL, replicas=number)}

    def backlog(self) -> Iterator[dict[str, Any]]:
        """The webhook is down, and the backlog does not fit."""
        for count in (600, 6_000, 60_000, 600_000, 6_000_000):
            if count > 2 * self._most:
                break
            topic = rig.fill(self._broker, rig.wanted(count))
            settings = rig.settings(self._broker, topic, "http://127.0.0.1:9/hook", self._folder)
            with rig.Service(settings, self._folder) as service:
                rig.wait_until(lambda: service.sample() is not None, "the service starts")
                time.sleep(FULL_SECONDS)
                yield {"backlog_mb": round(count * 1650 / 1e6, 1), "rss_mb": round(rig.rss_mb(service.pid), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=100_000, help="events of the longest run")
    parser.add_argument(
        "--only", default="events,partitions,mappings,keys,replicas,backlog", help="series, separated by commas"
    )
    arguments = parser.parse_args()
    rows = []
    with rig.rig() as (broker, nginx, folder):
        growth = Growth(broker, nginx, folder, arguments.most)
        for series in arguments.only.split(","):
            for row in getattr(growth, series)():
                rows.append({"series": series, **row})
                print(rows[-1], flush=True)
    rig.report("growth", rows)


if __name__ == "__main__":
    main()
