"""Kill the service again and again on real Kafka, and account for every event from the stand-in's log and the broker.

    python tests/crash/crash.py --records 50000 --rounds 10

Nothing is asked of the service itself. Counted: deliveries that never arrived, lanes whose first arrivals are out of
order, requests under way at each kill, accepted deliveries that the broker's commits do not know of, and duplicates after
each kill, which may be no more than both together. Exit 0 only if nothing is lost, every lane is in order, no kill went
beyond its bound, and everything is committed in the end. ``--rounds 0`` runs once without a kill.
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
from tests.integration.harness import RunningService, identify, places_of, settings, uncovered, wait_for
from tests.kafka.client import Record
from tests.kafka.discover import real_kafka

SECONDS = 1800


def events(number: int, users: int):
    """Mostly identifies of several users to a company, some groups, some that nobody wants, a few that are refused."""
    for n in range(number):
        user, company = f"user{n % users}", f"company{n % users // 5}"
        if n % 10 == 7:
            yield {
                "type": "group",
                "messageId": f"message-{n}",
                "userId": user,
                "groupId": company,
                "timestamp": "2026-01-01T00:00:00Z",
                "sentAt": "2026-01-01T00:00:00Z",
                "traits": {"name": f"Company {n}"},
            }
        elif n % 10 == 8:
            yield {"type": "track", "event": "Clicked", "messageId": f"message-{n}", "userId": user}
        elif n % 500 == 9:
            yield identify(n, user, email="no address", company={"id": company})
        else:
            yield identify(n, user, company={"id": company})


def key(event) -> bytes:
    """As producers key them: a group by its company, else the user."""
    return str(event.get("groupId") or event["userId"]).encode()


MAPPINGS = """
mappings:
  - {name: contacts, action: sendContact, trigger: 'type = "identify"', preset: default}
  - {name: customers, action: sendCustomer, trigger: 'type = "group"', preset: default}
  - name: employers
    action: sendCustomer
    trigger: type = "identify"
    mapping:
      message_id: {"@path": $.messageId}
      timestamp: {"@path": $.timestamp}
      sent_at: {"@path": $.sentAt}
      user_id: {"@path": $.userId}
      group_id: {"@path": $.traits.company.id}
"""
"""Two of them want an identify."""


def wanted_of(event):
    """What is to arrive of an event: the requests' types."""
    if event["type"] == "identify":
        yield "Send Customer"
        if "@" in event["traits"]["email"]:
            yield "Send Contact"
    elif event["type"] == "group":
        yield "Send Customer"


def lane(body):
    """What keeps its order within a partition."""
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
    wanted = {(kind, event["messageId"]) for event in stream for kind in wanted_of(event)}
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
        places = places_of(broker, topic)
        url_file = folder / "url"
        url_file.write_text(sandbox.url)
        config = settings(broker, topic, dead_letters, url_file)
        mappings = folder / "mappings.yaml"
        mappings.write_text(MAPPINGS)
        config["mappings_file"] = str(mappings)
        config["kafka"]["commit_interval_seconds"] = 1
        config["kafka"]["offset_map"] = not options.no_map
        config["delivery"]["concurrency"] = options.concurrency
        config["destination"]["client"] = options.client
        kills = []
        started = time.monotonic()
        for round_number in range(options.rounds):
            target = len(wanted) * (round_number + 1) // (options.rounds + 2)
            with RunningService(config, folder) as service:
                wait_for(lambda target=target: sandbox.stats()["delivered"] >= target, "progress", SECONDS)
                threading.Event().wait(chance.uniform(0.0, 1.2))
                in_flight = sandbox.stats()["in_flight"]
                service.kill()
                duplicates = sandbox.stats()["duplicates"]
                killed_at = time.time()
            again = uncovered(broker, config["kafka"]["group_id"], topic, places, sandbox.deliveries())
            kills.append(
                {
                    "in_flight": in_flight,
                    "duplicates_so_far": duplicates,
                    "uncovered": len(again),
                    # With a sibling that has not ended, or behind a full map, it may be older than a commit.
                    "age": max((killed_at - d["finished_at"] for d in again), default=0.0),
                }
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
    lost = wanted - {(body["type"], body["message_id"]) for body in accepted}
    out_of_order, last, seen = 0, defaultdict(lambda: -1), set()
    for body in accepted:
        partition, offset = places[body["message_id"]]
        where = (partition, *lane(body))
        if (where, offset) in seen:
            continue
        seen.add((where, offset))
        out_of_order += offset < last[where]
        last[where] = max(offset, last[where])
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
        "uncovered_per_kill_max": max((kill["uncovered"] for kill in kills), default=0),
        "kills_beyond_bound": sum(
            again > kill["uncovered"] + kill["in_flight"] for again, kill in zip(per_kill, kills, strict=True)
        ),
        "oldest_uncovered_seconds": round(max((kill["age"] for kill in kills), default=0.0), 2),
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
    good = not lost and not out_of_order and not result["kills_beyond_bound"] and code == 0
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
