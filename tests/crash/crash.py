"""Kill the service again and again on real Kafka, and account for every event from the stand-in's log and the broker.

    python tests/crash/crash.py --records 50000 --rounds 10

Nothing is asked of the service itself. Counted: deliveries that never arrived, lanes whose first arrivals are out of
order, requests under way at each kill, accepted deliveries that the broker's commits do not know of, and duplicates after
each kill, which may be no more than both together; and over all processes, killed ones included, deliveries = delivered +
skipped + dead-lettered, by what ``preview`` says of the events, the stand-in's log and the dead-letter topic. Exit 0 only
if nothing is lost, every lane is in order, no kill went beyond its bound, the sum is right, and everything is committed
in the end. ``--rounds 0`` runs once without a kill.

What the map in the commit's metadata is worth is seen by two runs, one with ``--no-map``, as somebody would have it: one
contact failing throughout, ChartMogul's rate, default commits, a kill every half minute::

    python tests/crash/crash.py --stuck --requests-per-second 40 --kill-every 30 --rounds 4 --records 4000 --users 200
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
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


class Account:
    """What is to become of every delivery of these events, as ``preview`` says it."""

    def __init__(self, stream, mappings: Path, folder: Path) -> None:
        lines = folder / "events.jsonl"
        lines.write_bytes(b"\n".join(map(orjson.dumps, stream)))
        command = [sys.executable, "-m", "consumer", "preview", "--mappings", str(mappings), str(lines)]
        said = subprocess.run(command, check=True, capture_output=True).stdout
        self.sent, self.refused, self.skipped = set(), set(), set()
        for line in map(orjson.loads, said.splitlines()):
            name = line["message_id"]
            if not line["deliveries"]:
                self.skipped.add(name)
            for delivery in line["deliveries"]:
                if delivery["payload"] is not None:
                    self.sent.add((delivery["payload"]["type"], name))
                else:
                    self.refused.add((delivery["mapping"], name))

    def balance(self, accepted, letters, places) -> tuple[str, bool]:
        """Deliveries = delivered + skipped + dead-lettered, in a line, and whether it is so, each where it should be."""
        messages = {place: name for name, place in places.items()}
        delivered = {(body["type"], body["message_id"]) for body in accepted}
        dead = set()
        for letter in letters:
            about = {name: value.decode() for name, value in letter.headers}
            dead.add((about["dlq_mapping"], messages[int(about["dlq_partition"]), int(about["dlq_offset"])]))
        total = len(self.sent) + len(self.refused) + len(self.skipped)
        holds = (delivered, dead) == (self.sent, self.refused) and total == len(delivered) + len(self.skipped) + len(
            dead
        )
        counts = f"{len(delivered)} delivered + {len(self.skipped)} skipped + {len(dead)} dead-lettered"
        return f"{total} deliveries {'=' if holds else '!='} {counts}", holds


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
    parser.add_argument("--requests-per-second", type=float, default=None, help="the service's own limit")
    parser.add_argument("--kill-every", type=float, default=None, help="seconds; else by progress")
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
        account = Account(stream, mappings, folder)
        assert account.sent == wanted, "preview says otherwise"
        config["kafka"]["commit_interval_seconds"] = 1
        config["kafka"]["offset_map"] = not options.no_map
        config["delivery"]["concurrency"] = options.concurrency
        config["delivery"]["requests_per_second"] = options.requests_per_second
        config["destination"]["client"] = options.client
        kills = []
        started = time.monotonic()
        for round_number in range(options.rounds):
            target = len(wanted) * (round_number + 1) // (options.rounds + 2)
            with RunningService(config, folder) as service:
                if options.kill_every is None:
                    wait_for(lambda target=target: sandbox.stats()["delivered"] >= target, "progress", SECONDS)
                else:
                    posts = sandbox.stats()["posts"]
                    wait_for(lambda posts=posts: sandbox.stats()["posts"] > posts, "it delivers")
                    threading.Event().wait(options.kill_every)
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
    line, holds = account.balance(accepted, letters, places)
    print(line)
    good = not lost and not out_of_order and not result["kills_beyond_bound"] and holds and code == 0
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
