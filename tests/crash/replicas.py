"""Several replicas against one stand-in that counts by the second: the sum keeps to the rate, and uses it.

    python tests/crash/replicas.py --rate 150

On real Kafka. Replicas join, leave (SIGTERM) and die (SIGKILL). Reported: the most requests in any second as the replicas
started them, as they handed them to a socket (both by the machine's one monotonic clock) and as the stand-in has read
them, and the share of the rate used while everybody had work. Exit 0 only if no second saw more than rate + burst
started, and at least 97 % of the rate was used in the steady phase.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from consumer.sandbox.runner import ThreadedSandbox
from tests.crash.sends import environment, noted
from tests.integration.harness import RunningService, identify, records, settings, wait_for
from tests.kafka.discover import real_kafka

ROOT = Path(__file__).parents[2]


def busiest_second(times: list[float]) -> int:
    """Most arrivals in any window of one second."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=150)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--phase", type=float, default=15, help="seconds between two changes")
    parser.add_argument("--steady", type=float, default=30, help="seconds measured with three replicas")
    options = parser.parse_args()
    total = int(options.rate * (options.phase * 5 + options.steady + 60))
    with (
        real_kafka() as broker,
        ThreadedSandbox(rate_per_second=None, max_parallel=None) as sandbox,
        ExitStack() as all_,
    ):
        folder = Path(all_.enter_context(tempfile.TemporaryDirectory()))
        topic, dead_letters = broker.unique("events"), broker.unique("dead-letters")
        broker.create_topic(topic, options.partitions)
        broker.create_topic(dead_letters, 1)
        broker.produce(topic, records(identify(n, f"user{n}") for n in range(total)))
        (folder / "url").write_text(sandbox.url)
        config = settings(broker, topic, dead_letters, folder / "url")
        config["delivery"]["requests_per_second"] = options.rate

        def start(name: str) -> RunningService:
            place = folder / name
            place.mkdir()
            return all_.enter_context(RunningService(config, place, environment(place, ROOT)))

        def phase(seconds: float) -> None:
            threading.Event().wait(seconds)

        marks: dict[str, float] = {"alone": time.time()}
        one = start("one")
        wait_for(lambda: sandbox.stats()["delivered"] > 0, "the first delivers")
        phase(options.phase)
        marks["joining"] = time.time()
        start("two")
        start("three")
        wait_for(lambda: _assigned(one) < options.partitions, "partitions are shared out")
        phase(options.phase)
        marks["steady"] = time.time()
        phase(options.steady)
        marks["steady_end"] = marks["leaving"] = time.time()
        one.stop()
        phase(options.phase)
        marks["joining again"] = time.time()
        start("four")
        phase(options.phase)
        marks["death"] = time.time()
        five = start("five")
        phase(options.phase / 2)
        five.kill()
        phase(options.phase)
        times = sorted(delivery["received_at"] for delivery in sandbox.deliveries())
        wall = time.time() - time.monotonic()
        started, sent = (
            sorted(at + wall for place in folder.iterdir() if place.is_dir() for at in noted(place, what))
            for what in ("started", "sent")
        )
    steady = [at for at in times if marks["steady"] <= at < marks["steady_end"]]
    order = [name for name in marks if name != "steady_end"]
    ends = [marks[name] for name in order[1:]] + [float("inf")]
    result = {
        "rate": options.rate,
        "busiest_second": {
            name: [busiest_second([at for at in each if marks[name] <= at < end]) for each in (started, sent, times)]
            for name, end in zip(order, ends, strict=True)
        },
        "busiest_second_started": busiest_second(started),
        "busiest_second_sent": busiest_second(sent),
        "busiest_second_read": busiest_second(times),
        "steady_share": round(len(steady) / (options.steady * options.rate), 4),
        "requests": len(times),
    }
    print(json.dumps(result, indent=1))
    return 0 if result["busiest_second_started"] <= options.rate + 1 and result["steady_share"] >= 0.97 else 1


def _assigned(service: RunningService) -> int:
    return sum(name.startswith("chartmogul_consumer_partition_committed_offset") for name in service.metrics())


if __name__ == "__main__":
    raise SystemExit(main())
