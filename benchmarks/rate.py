"""The rate that arrives at the webhook against the one that is set, with one replica and with three.

    python benchmarks/rate.py [--rates 1,40,500,5000] [--seconds 10]

Counted where it arrives: requests once every replica has its partitions (for as long as sixty take, where a rate is
low), and the most that any second saw, wherever it begins. On the way two requests may come closer together than they
were sent, so that ``most_in_any_second`` may be above rate + burst by what the network adds. Aims: 98 to 100 % of the
setting; no second above rate + burst. ``cpu_percent`` is of one core, all replicas together, system time included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import rig
from tests.kafka.discover import real_kafka

if TYPE_CHECKING:
    from tests.kafka.client import Broker

PARTITIONS = 6
SETTLE_SECONDS = 2.5
LEAST_REQUESTS = 60


def assigned(service: rig.Service) -> int:
    """Partitions that a replica has."""
    try:
        text = rig.get(f"http://127.0.0.1:{service.port}/metrics")
    except OSError:
        return 0
    name = "chartmogul_consumer_assigned_partitions "
    return next((int(float(line[len(name) :])) for line in text.splitlines() if line.startswith(name)), 0)


def run(
    broker: Broker, topic: str, folder: Path, per_second: float, *, replicas: int, seconds: float
) -> dict[str, Any]:
    """What arrived."""
    port, arrived = rig.free_port(), folder / "arrived.json"
    script = [sys.executable, str(Path(__file__).parent / "arrivals.py"), "webhook", str(port), str(arrived)]
    base = rig.settings(broker, topic, f"http://127.0.0.1:{port}/hook", folder)
    base["delivery"] |= {"requests_per_second": per_second, "concurrency": 200}
    with subprocess.Popen(script) as webhook, ExitStack() as stack:
        rig.wait_until(lambda: rig.connects(port), "the webhook listens")
        services = []
        for _ in range(replicas):
            one = {**base, "http": {"host": "127.0.0.1", "port": rig.free_port()}}
            services.append(stack.enter_context(rig.Service(one, folder)))
        share = PARTITIONS // replicas
        rig.wait_until(lambda: all(assigned(each) == share for each in services), "each has its partitions", 60)
        time.sleep(SETTLE_SECONDS)
        began, worked = time.time_ns(), sum(rig.cpu_seconds(each.pid) for each in services)
        time.sleep(max(seconds, LEAST_REQUESTS / per_second))
        ended, worked = time.time_ns(), sum(rig.cpu_seconds(each.pid) for each in services) - worked
        webhook.terminate()
        webhook.wait()
    times = sorted(at for at, _ in json.loads(arrived.read_bytes()) if began <= at < ended)
    most = max((place + 1 - bisect_left(times, at - 999_999_999) for place, at in enumerate(times)), default=0)
    achieved = len(times) / ((ended - began) / 1e9)
    return {
        "set_per_second": per_second,
        "replicas": replicas,
        "arrived_per_second": round(achieved, 2),
        "percent": round(achieved / per_second * 100, 2),
        "most_in_any_second": most,
        "allowed": per_second + 1,
        "cpu_percent": round(worked / ((ended - began) / 1e9) * 100, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="1,40,500,5000")
    parser.add_argument("--replicas", default="1,3")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each, or longer")
    arguments = parser.parse_args()
    rates = [float(rate) for rate in arguments.rates.split(",")]
    rows = []
    with tempfile.TemporaryDirectory() as name, real_kafka() as broker:
        topic = rig.fill(broker, rig.wanted(int(max(rates) * (arguments.seconds + 20))), PARTITIONS)
        for replicas in map(int, arguments.replicas.split(",")):
            for per_second in rates:
                rows.append(run(broker, topic, Path(name), per_second, replicas=replicas, seconds=arguments.seconds))
                print(rows[-1], flush=True)
    rig.report("rate", rows, seconds=arguments.seconds, partitions=PARTITIONS)


if __name__ == "__main__":
    main()
