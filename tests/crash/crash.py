"""Kill the service again and again on real Kafka, and account for every event from the stand-in's log and the broker.

    python tests/crash/crash.py --records 50000 --rounds 10

Nothing is asked of the service itself. Counted: deliverable messages that never arrived, lanes whose first arrivals are
out of order, requests under way at each kill, duplicates after each kill, and the committed lag at the end. Exit 0 only
if nothing is lost, every lane is in order and the lag is 0. ``--rounds 0`` runs once without a kill.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).parents[2]))

from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import RunningService, identify, settings, wait_for
from tests.kafka.client import Record
from tests.kafka.discover import real_kafka

SECONDS = 1800


def events(number: int, users: int):
    """Mostly identifies of several users to a company, some groups, some that nobody wants, a few that are refused."""
    for n in range(number):
        user = f"user{n % users}"
        if n % 10 == 7:
            yield {
                "type": "group",
                "messageId": f"message-{n}",
                "userId": user,
                "groupId": f"company{n % (users // 5)}",
                "timestamp": "2026-01-01T00:00:00Z",
                "sentAt": "2026-01-01T00:00:00Z",
                "traits": {"name": f"Company {n}"},
            }
        elif n % 10 == 8:
            yield {"type": "track", "event": "Clicked", "messageId": f"message-{n}", "userId": user}
        elif n % 500 == 9:
            yield identify(n, user, email="no address")
        else:
            yield identify(n, user)


def key(event) -> bytes:
    """As producers key them: a group by its company, else the user."""
    return str(event.get("groupId") or event["userId"]).encode()


def deliverable(event) -> bool:
    """Whether it is to arrive."""
    return event["type"] == "group" or (event["type"] == "identify" and "@" in event["traits"]["email"])


def lane(body) -> tuple[str, str]:
    """What keeps its order."""
    customer = body["type"] == "Send Customer"
    return body["type"], body["group_id"] if customer else body.get("user_id") or body["anonymous_id"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=10, help="kills")
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=20, help="answers take 0 to this")
    parser.add_argument("--p503", type=float, default=0.05)
    parser.add_argument("--p429", type=float, default=0.01)
    parser.add_argument("--stuck", action="store_true", help="one contact fails with 503 until the last start")
    parser.add_argument("--no-map", action="store_true", help="without the map in the commit's metadata, to compare")
    parser.add_argument("--client", default="lean", help="lean | stock")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    stream = list(events(options.records, options.users))
    wanted = {event["messageId"] for event in stream if deliverable(event)}
    with (
        real_kafka() as broker,
        ThreadedSandbox(rate_per_second=None, max_parallel=None) as sandbox,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name)
        faults: list[dict[str, object]] = [{"latency_seconds": [0.0, options.latency_ms / 1000]}]
        faults += [
            {"status": status, "probability": p} for status, p in ((503, options.p503), (429, options.p429)) if p
        ]
        stuck = {"status": 503, "match": {"user_id": "user0"}}
        sandbox.set_faults(*([stuck] if options.stuck else []), *faults)
        topic, dead_letters = broker.unique("events"), broker.unique("dead-letters")
        broker.create_topic(topic, options.partitions)
        broker.create_topic(dead_letters, 1)
        broker.produce(topic, (Record(orjson.dumps(event), key(event)) for event in stream))
        url_file = folder / "url"
        url_file.write_text(sandbox.url)
        config = settings(broker, topic, dead_letters, url_file)
        config["kafka"]["commit_interval_seconds"] = 1
        config["kafka"]["offset_map"] = not options.no_map
        config["delivery"]["concurrency"] = options.concurrency
        config["destination"]["client"] = options.client
        kills = []
        started = time.monotonic()
        for round_number in range(options.rounds):
            target = len(wanted) * (round_number + 1) // (options.rounds + 2)
            before = sandbox.stats()["duplicates"]
            with RunningService(config, folder) as service:
                wait_for(lambda target=target: sandbox.stats()["delivered"] >= target, "progress", SECONDS)
                threading.Event().wait(chance.uniform(0.0, 1.2))
                stats = sandbox.stats()
                service.kill()
            kills.append(
                {"in_flight": stats["in_flight"], "delivered": stats["delivered"], "duplicates_so_far": before}
            )
        sandbox.set_faults(*faults)
        with RunningService(config, folder) as service:
            wait_for(lambda: broker.lag(config["kafka"]["group_id"], topic) == 0, "all is committed", SECONDS)
            seconds = time.monotonic() - started
            metrics = service.metrics()
            code = service.stop()
        stats = sandbox.stats()
        arrived = sandbox.deliveries()
        letters = broker.consume_all(dead_letters)
    accepted = [delivery["body"] for delivery in arrived if delivery["status"] == 200]
    lost = wanted - {body["message_id"] for body in accepted}
    out_of_order, last, seen = 0, defaultdict(lambda: -1), set()
    for body in accepted:
        number, where = int(body["message_id"].rpartition("-")[2]), lane(body)
        if (where, number) in seen:
            continue
        seen.add((where, number))
        out_of_order += number < last[where]
        last[where] = max(number, last[where])
    duplicates = [kill["duplicates_so_far"] for kill in kills] + [stats["duplicates"]]
    per_kill = [after - before for before, after in itertools.pairwise(duplicates)]
    result = {
        "records": options.records,
        "deliverable": len(wanted),
        "lost": len(lost),
        "out_of_order": out_of_order,
        "kills": len(kills),
        "kills_with_10_in_flight": sum(kill["in_flight"] >= 10 for kill in kills),
        "duplicates": stats["duplicates"],
        "duplicates_per_kill_max": max(per_kill, default=0),
        "dead_letters": len({(dict(x.headers)["dlq_partition"], dict(x.headers)["dlq_offset"]) for x in letters}),
        "committed_lag": 0,
        "exit_code": code,
        "seconds": round(seconds, 1),
        "per_second": round(len(wanted) / seconds),
        "seed": options.seed,
    }
    ended: dict[str, int] = defaultdict(int)
    for sample, value in metrics.items():
        if sample.startswith("chartmogul_consumer_deliveries_ended_total"):
            ended[sample.partition('outcome="')[2].partition('"')[0]] += int(value)
    result["ended_in_last_run"] = dict(ended)
    print(json.dumps(result, indent=1))
    return 0 if not lost and not out_of_order and code == 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
