"""How long the service takes to import, to start, and to deliver its first event once it has partitions.

    python benchmarks/start.py [--rounds 9]

Import is CPU over a bare interpreter, from bytecode as an installation has it, the best of the rounds; the service's
without the collector, as `run` imports it. First delivery is from the log's ``assigned`` to the arrival at the webhook;
joining the group takes what the broker makes it take. Aims: import ≤ 150 ms, first delivery ≤ 1 s after the assignment.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import rig
from tests.kafka.discover import real_kafka

USED = "import resource as r; u = r.getrusage(r.RUSAGE_SELF); print(u.ru_utime + u.ru_stime)"


def import_ms(statements: str, rounds: int) -> float:
    """CPU milliseconds of an import, its bytecode there already, the interpreter's own start taken off."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def used(code: str) -> float:
            script = [sys.executable, "-c", f"{code}; {USED}"]
            return float(subprocess.run(script, capture_output=True, check=True, cwd=rig.ROOT, env=environment).stdout)

        used(statements)  # writes the bytecode
        best = [min(used(code) for _ in range(rounds)) for code in (statements, "pass")]
    return round((best[0] - best[1]) * 1000, 1)


def logged(path: Path, event: str) -> float | None:
    """Unix seconds of the log's first line of this kind."""
    for line in path.read_text().splitlines():
        if re.search(rf'"event": ?"{event}"', line):
            return datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
    return None


def first_delivery(rounds: int) -> list[dict[str, Any]]:
    """Seconds from the process's start, and from the assignment, to the first POST's arrival."""
    rows = []
    with tempfile.TemporaryDirectory() as name, real_kafka() as broker:
        folder = Path(name)
        topic = rig.fill(broker, rig.wanted(100))
        for number in range(rounds):
            port, arrived = rig.free_port(), folder / f"arrived-{number}.json"
            script = [sys.executable, str(Path(__file__).parent / "arrivals.py"), "webhook", str(port), str(arrived)]
            with subprocess.Popen(script) as webhook:
                rig.wait_until(lambda port=port: rig.connects(port), "the webhook listens")  # type: ignore[misc] # a default binds it
                settings = rig.settings(broker, topic, f"http://127.0.0.1:{port}/hook", folder)
                with rig.Service(settings, folder) as service:
                    service.measure(100)
                    started, assigned = logged(service.log, "started"), logged(service.log, "assigned")
                    rss = rig.rss_mb(service.pid)
                webhook.terminate()
            first = json.loads(arrived.read_bytes())[0][0] / 1e9
            assert started is not None
            assert assigned is not None
            rows.append(
                {
                    "round": number + 1,
                    "started_to_assigned_ms": round((assigned - started) * 1000),
                    "assigned_to_first_ms": round((first - assigned) * 1000),
                    "rss_mb": round(rss, 1),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    imports = {
        "the command line (--help)": import_ms("import consumer.cli.main", arguments.rounds),
        "the service (run)": import_ms("import gc; gc.disable(); import consumer.app", arguments.rounds),
    }
    for what, milliseconds in imports.items():
        print(f"{milliseconds:8.1f} ms  import of {what}")
    rig.report("start", first_delivery(arguments.rounds), import_cpu_ms=imports)


if __name__ == "__main__":
    main()
