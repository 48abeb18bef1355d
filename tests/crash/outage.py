"""The webhook is down for minutes: the service stays in its group, its memory stays, delivery resumes by itself.

    python tests/crash/faults.py webhook-down --minutes 3

On real Kafka, with more in the topic than may be in memory. It holds only if nothing is lost or dead-lettered, the
service stayed in the group (one join, ready throughout) and its memory grew by less than 5 MB after the first minute.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import RunningService, identify, records, settings, wait_for
from tests.kafka.discover import real_kafka


def rss_bytes(pid: int) -> int:
    """Resident memory, from /proc."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * 4096


def outage(seconds: float, number: int = 30_000) -> tuple[dict[str, Any], list[str]]:
    """One outage of this long, with as many records waiting; its figures, and what did not hold."""
    failed = []
    with real_kafka() as broker, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ThreadedSandbox(rate_per_second=None, max_parallel=None) as sandbox:
            url = sandbox.url
        port = int(url.rpartition(":")[2].partition("/")[0])
        topic, dead_letters = broker.unique("events"), broker.unique("dead-letters")
        broker.create_topic(topic, 4)
        broker.create_topic(dead_letters, 1)
        # A kilobyte each, so that the buffer's limit holds and the rest stays in Kafka.
        broker.produce(topic, records(identify(n, f"user{n % 5000}", notes="x" * 1000) for n in range(number)))
        (folder / "url").write_text(url)
        config = settings(broker, topic, dead_letters, folder / "url")
        config["delivery"]["retry"] = {}
        config["kafka"]["buffer_bytes"] = 8 * 1024 * 1024
        ready, samples = [], []
        with RunningService(config, folder) as service:
            began = time.monotonic()
            while (passed := time.monotonic() - began) < seconds:
                threading.Event().wait(2.0)
                samples.append((passed, rss_bytes(service.process.pid)))
                if passed > 10:
                    ready.append(service.get("/readyz")[0])
            failures = sum(
                value
                for sample, value in service.metrics().items()
                if sample.startswith("chartmogul_consumer_attempts_total") and 'result="connect"' in sample
            )
            after_first = max(rss for passed, rss in samples if passed <= min(60.0, seconds / 3))
            grown = max(rss for _, rss in samples) - after_first
            with ThreadedSandbox(port=port, rate_per_second=None, max_parallel=None) as sandbox:
                up = time.monotonic()
                wait_for(lambda: sandbox.stats()["delivered"] > 0, "delivery resumes", 400)
                resumed = time.monotonic() - up
                wait_for(lambda: sandbox.stats()["delivered"] == number, "everything is delivered", 1200)
                wait_for(lambda: broker.lag(config["kafka"]["group_id"], topic) == 0, "everything is committed")
                duplicates = sandbox.stats()["duplicates"]
            joins = len(service.logged("assigned"))
            code = service.stop()
        letters = len(broker.consume_all(dead_letters))
    result = {
        "down_seconds": seconds,
        "attempts_that_found_nobody": int(failures),
        "rss_first_minute_bytes": after_first,
        "rss_grown_bytes": grown,
        "not_ready_probes": sum(status != 200 for status in ready),
        "assignments": joins,
        "resumed_after_seconds": round(resumed, 1),
        "delivered": number,
        "duplicates": duplicates,
        "dead_letters": letters,
        "exit_code": code,
    }
    for what, holds in (
        ("memory grows by less than 5 MB", grown < 5_000_000),
        ("attempts are counted by what failed", failures > 0),
        ("ready throughout", not result["not_ready_probes"]),
        ("it stays in its group", joins == 1),
        ("nothing is dead-lettered", not letters),
        ("exit code 0", code == 0),
    ):
        if not holds:
            failed.append(what)
    return result, failed
