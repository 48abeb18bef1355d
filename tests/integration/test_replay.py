"""Replays as people run them: a process each, on both brokers, against the stand-in for ChartMogul."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest
import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from consumer.kafka.dead_letter_headers import DeadLetterContext, build_headers, split_headers, without_value
from consumer.outcomes import DecodeReason, DeliverReason, RejectReason, Stage
from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import RunningService, identify, lanes_in_order, records, settings, wait_for
from tests.kafka.client import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kafka.client import Broker, Stored

MAPPINGS = """
mappings:
  - {name: leads, action: sendContact, trigger: type = "identify", preset: default}
  - {name: others, action: sendContact, trigger: type = "identify", preset: default}
"""
DAY_MS = 86_400_000
AT_MS = 1_790_000_000_000


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(rate_per_second=None, max_parallel=None) as running:
        yield running


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out)
        return answer


class Place:
    """Topics, settings with two mappings for each identify, and the command."""

    def __init__(self, broker: Broker, sandbox: ThreadedSandbox, folder: Path) -> None:
        self.broker, self.folder = broker, folder
        self.topic, self.dead_letters = broker.unique("events"), broker.unique("dead-letters")
        broker.create_topic(self.topic, 2)
        broker.create_topic(self.dead_letters, 1)
        (folder / "url").write_text(sandbox.url)
        (folder / "mappings.yaml").write_text(MAPPINGS)
        self.settings = settings(broker, self.topic, self.dead_letters, folder / "url", dead_letter={"halt_ratio": 1})
        self.settings["mappings_file"] = str(folder / "mappings.yaml")
        self.group = self.settings["kafka"]["group_id"]

    def park(self, *letters: Record) -> None:
        """Letters of this service's own group, unless they are somebody else's records."""
        self.broker.produce(self.dead_letters, [replace(each, headers=self._owned(each.headers)) for each in letters])

    def _owned(self, headers: Any) -> Any:
        return tuple((name, self.group.encode() if (name, v) == ("dlq_group", b"group") else v) for name, v in headers)

    def parked(self) -> list[Stored]:
        return self.broker.consume_all(self.dead_letters)

    def start(self, *arguments: str, **pipes: Any) -> subprocess.Popen[str]:
        config = self.folder / "replay.yaml"
        config.write_text(yaml.safe_dump(self.settings))
        return subprocess.Popen(
            [sys.executable, "-m", "consumer", "replay", "--config", str(config), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "error"},
            **pipes,
        )

    def replay(self, *arguments: str, rate: int | None = 10_000) -> Done:
        more = ["--requests-per-second", str(rate)] if rate else []
        with self.start(*arguments, *more) as process:
            out, err = process.communicate(timeout=60)
        return Done(process.returncode, out, err)


@pytest.fixture
def place(broker: Broker, sandbox: ThreadedSandbox, tmp_path: Path) -> Place:
    return Place(broker, sandbox, tmp_path)


def letter(
    event: dict[str, Any] | bytes,
    offset: int,
    *,
    reason: DeliverReason | RejectReason | DecodeReason = DeliverReason.HTTP_REJECTED,
    stage: Stage = Stage.DELIVER,
    mapping: str = "leads",
    at_ms: int = AT_MS,
    attempts: int = 1,
    key: bytes | None = None,
) -> Record:
    """A dead letter as the service writes it."""
    context = DeadLetterContext(
        reason, stage, "detail", "events", 0, offset, "group", at_ms, mapping, attempts=attempts, status=422
    )
    value = event if isinstance(event, bytes) else orjson.dumps(event)
    return Record(value, key, tuple(build_headers([("own", b"\x00")], context)))


def sent(sandbox: ThreadedSandbox) -> list[str]:
    return [delivery["body"]["message_id"] for delivery in sandbox.deliveries() if delivery["status"] == 200]


# ---- the whole way round


def test_what_the_service_dead_lettered_is_delivered_once_the_cause_is_gone(broker, sandbox, place, tmp_path):
    sandbox.set_faults({"status": 422, "match": {"user_id": "bad"}})
    place.broker.produce(place.topic, records([identify(1, "good"), identify(2, "bad"), identify(3, "bad")]))
    with RunningService(place.settings, tmp_path) as service:
        wait_for(lambda: broker.lag(place.group, place.topic) == 0, "all is committed")
        assert service.stop() == 0
    sandbox.set_faults()
    committed, ends = broker.committed(place.group, place.topic), broker.end_offsets(place.topic)
    assert len(place.parked()) == 4

    dry = place.replay("--dry-run", "--json", "--mapping", "leads")
    assert dry.code == 0, dry.err
    assert dry.json["groups"] == [
        {
            "mapping": "leads",
            "stage": "deliver",
            "reason": "http_rejected",
            "selected": 2,
            "would_send": 2,
            "would_skip": 0,
            "would_dead_letter": 0,
        }
    ]
    before = sandbox.stats()
    done = place.replay("--yes", "--json", "--mapping", "leads")
    assert done.code == 0, done.err
    result = done.json
    assert result.pop("seconds") > 0
    assert result.pop("run_id")
    assert result == {"selected": 2, "delivered": 2, "skipped": 0, "dead_lettered": 0, "left": 0}
    # Only the mapping that was asked for; in the order of its letters.
    assert sent(sandbox)[-2:] == ["message-2", "message-3"]
    stats = sandbox.stats()
    assert stats["delivered"] + stats["duplicates"] == before["delivered"] + before["duplicates"] + 2
    # The service's place and its topic are as they were, and nothing was written.
    assert broker.committed(place.group, place.topic) == committed
    assert broker.end_offsets(place.topic) == ends
    assert len(place.parked()) == 4


def test_of_a_batch_the_delivered_neighbours_of_what_failed_are_left_alone(broker, sandbox, place, tmp_path):
    sandbox.set_faults({"status": 422, "match": {"user_id": "bad"}})
    place.settings["source"] = {"envelope": "batch"}
    events = [identify(1, "good"), 7, identify(2, "bad"), identify(3, "good")]
    place.broker.produce(place.topic, [Record(orjson.dumps(events), b"key")])
    with RunningService(place.settings, tmp_path) as service:
        wait_for(lambda: broker.lag(place.group, place.topic) == 0, "all is committed")
        assert service.stop() == 0
    sandbox.set_faults()
    said = sorted(split_headers(each.headers)[1]["dlq_event"] for each in place.parked())
    assert said == ["1", "2", "2"], "one that is no event, and one that two mappings sent"
    already = len(sent(sandbox))
    done = place.replay("--yes", "--json")
    assert done.code == 0, done.err
    assert (done.json["selected"], done.json["delivered"], done.json["dead_lettered"]) == (3, 2, 1)
    assert sent(sandbox)[already:] == ["message-2", "message-2"]


# ---- what fails again


def test_what_fails_again_is_parked_again_as_what_it_is_and_sent_once_in_the_next_run(sandbox, place):
    sandbox.set_faults({"status": 422})
    place.park(
        letter(identify(1, "one"), 7, attempts=3, key=b"k"),
        letter(b'{"userId": "x"}', 8, reason=DecodeReason.INVALID_JSON, stage=Stage.DECODE, mapping="", attempts=0),
    )
    done = place.replay("--yes", "--json")
    assert done.code == 0, done.err
    assert (done.json["selected"], done.json["dead_lettered"], done.json["left"]) == (2, 2, 0)
    stored = place.parked()
    assert len(stored) == 4, "bounded: its own letters are not read"
    again = {context["dlq_offset"]: (record, own, context) for record, own, context in map(_taken_apart, stored[2:])}
    record, own, context = again["7"]
    assert (record.key, orjson.loads(record.value)["messageId"]) == (b"k", "message-1")
    assert own == [("own", b"\x00")]
    assert (context["dlq_topic"], context["dlq_partition"], context["dlq_mapping"]) == ("events", "0", "leads")
    assert context["dlq_attempts"] == "4"
    assert context["dlq_first_at"] == datetime.fromtimestamp(AT_MS / 1000, UTC).isoformat(
        timespec="milliseconds"
    ).replace("+00:00", "Z")
    assert context["dlq_group"] == f"{place.group}.replay.{done.json['run_id']}"
    assert again["8"][2]["dlq_reason"] == "missing_type"

    sandbox.set_faults()
    done = place.replay("--yes", "--json", "--stage", "deliver")
    assert (done.json["selected"], done.json["delivered"], done.json["skipped"]) == (2, 1, 1), done.err
    assert sent(sandbox) == ["message-1"]


def _taken_apart(record: Stored):
    return record, *split_headers(record.headers)


def test_it_ends_where_too_much_fails_again_and_leaves_the_rest_where_it_is(sandbox, place):
    place.settings["dead_letter"]["halt_ratio"] = 0.5
    sandbox.set_faults({"status": 422})
    place.park(*(letter(identify(n, f"user{n}"), n) for n in range(60)))
    done = place.replay("--yes", "--json")
    assert done.code == 1
    assert "failed again" in done.err
    result = done.json
    assert 20 <= result["dead_lettered"] < 40
    assert result["dead_lettered"] + result["left"] == result["selected"] == 60
    # What the guard held back is sent by the continued run, and what was parked anew is its own.
    sandbox.set_faults()
    rest = place.replay("--yes", "--json", "--run-id", result["run_id"])
    assert rest.code == 0, rest.err
    assert rest.json["selected"] == rest.json["delivered"] == result["left"]


# ---- selection


def test_letters_are_selected_by_their_headers(place):
    place.park(
        letter(identify(1, "a"), 1, key=b"a"),
        letter(identify(2, "b"), 2, key=b"b", mapping="others", at_ms=AT_MS + DAY_MS),
        letter(identify(3, "c"), 3, reason=RejectReason.INVALID_PAYLOAD, stage=Stage.VALIDATE, attempts=0),
        letter(b"{", 4, reason=DecodeReason.INVALID_JSON, stage=Stage.DECODE, mapping="", attempts=0),
        Record(b"no letter"),
        letter(identify(1, "a"), 1, key=b"a"),
    )
    day = datetime.fromtimestamp((AT_MS + DAY_MS) / 1000, UTC).isoformat()
    dead_letters = f"{place.dead_letters}/0"

    def selected(*arguments: str) -> tuple[int, int, list[tuple[str, str]]]:
        done = place.replay("--dry-run", "--json", *arguments)
        assert done.code == 0, done.err
        answer = done.json
        return answer["selected"], answer["merged"], [(group["mapping"], group["reason"]) for group in answer["groups"]]

    http, invalid, json_ = ("leads", "http_rejected"), ("leads", "invalid_payload"), ("", "invalid_json")
    assert selected() == (5, 1, [json_, http, invalid, ("others", "http_rejected")])
    assert selected("--reason", "invalid_json", "--reason", "invalid_payload") == (2, 0, [json_, invalid])
    assert selected("--stage", "deliver", "--mapping", "others") == (1, 0, [("others", "http_rejected")])
    assert selected("--since", day) == (1, 0, [("others", "http_rejected")])
    assert selected("--until", day, "--key", "a") == (2, 1, [http])
    assert selected("--partition", dead_letters, "--offsets", "2-3") == (2, 0, [json_, invalid])
    shown = place.replay("--dry-run")
    assert "no dead letters of this software: 1" in shown.err
    assert shown.out.splitlines()[-1].startswith("selected 5  merged 1  left 0  seconds ")
    refused = place.replay("--dry-run", "--partition", f"{place.dead_letters}/1")
    assert (refused.code, f"is not among what is read: {place.dead_letters}/0-0" in refused.err) == (2, True)
    assert len(place.parked()) == 6


def test_letters_of_another_group_are_sent_only_when_they_are_asked_for(place):
    theirs = letter(identify(1, "one"), 1)
    place.broker.produce(place.dead_letters, [theirs])
    place.park(letter(identify(2, "two"), 2))
    done = place.replay("--dry-run", "--json")
    assert (done.json["selected"], done.code) == (1, 0)
    assert "services of other groups wrote them (group): 1" in done.err
    assert place.replay("--dry-run", "--json", "--group", "group", "--group", place.group).json["selected"] == 2


def test_source_records_are_selected_by_place_key_and_mapping(broker, sandbox, place):
    events = [Record(orjson.dumps(identify(n, f"user{n}")), f"user{n}".encode(), partition=n % 2) for n in range(20)]
    broker.produce(place.topic, events)
    done = place.replay(
        *("--from", "source", "--partition", f"{place.topic}/1", "--offsets", "2-4", "--mapping", "leads"),
        *("--yes", "--json"),
    )
    assert done.code == 0, done.err
    assert (done.json["selected"], done.json["delivered"], done.json["left"]) == (3, 3, 0)
    assert sorted(sent(sandbox)) == ["message-5", "message-7", "message-9"], (
        "three contacts: nothing says which is first"
    )
    done = place.replay("--from", "source", "--key", "user4", "--key", "user9", "--yes", "--json")
    assert (done.json["selected"], done.json["delivered"]) == (2, 4), done.err
    assert broker.committed(place.group, place.topic) == {}


def test_source_records_are_selected_by_time(broker, sandbox, place):
    if broker.kind == "embedded":
        pytest.skip("the embedded broker answers no look-up by time")
    broker.produce(
        place.topic,
        (Record(orjson.dumps(identify(n, "one")), partition=0, timestamp_ms=AT_MS + n * DAY_MS) for n in range(6)),
    )
    days = [datetime.fromtimestamp((AT_MS + n * DAY_MS) / 1000, UTC).isoformat() for n in range(6)]
    done = place.replay(
        *("--from", "source", "--since", days[2], "--until", days[4], "--mapping", "leads", "--yes", "--json")
    )
    assert done.code == 0, done.err
    assert sent(sandbox) == ["message-2", "message-3"]


def test_a_topic_that_ends_with_a_transaction_has_an_end(broker, sandbox, place):
    if broker.kind == "embedded":
        pytest.skip("the embedded broker writes no transaction markers")
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": broker.unique("tx")})
    producer.init_transactions(30)
    for end, number in ((producer.commit_transaction, 1), (producer.abort_transaction, 2)):
        producer.begin_transaction()
        producer.produce(place.topic, orjson.dumps(identify(number, "one")), partition=0)
        producer.flush(30)
        end(30)
    done = place.replay("--from", "source", "--partition", f"{place.topic}/0", "--mapping", "leads", "--yes", "--json")
    assert done.code == 0, done.err
    assert (done.json["selected"], sent(sandbox)) == (1, ["message-1"])


def test_more_than_fits_into_memory_comes_in_turn_and_in_order(sandbox, place):
    place.settings["kafka"]["buffer_bytes"] = 1_048_576
    sandbox.set_faults({"latency_seconds": [0.0, 0.01]})
    place.park(*(letter(identify(n, f"user{n % 3}", padding="x" * 10_000), n) for n in range(300)))
    done = place.replay("--yes", "--json")
    assert done.code == 0, done.err
    assert (done.json["selected"], done.json["delivered"]) == (300, 300)
    lanes_in_order(sandbox.deliveries())


def test_a_letter_without_its_value_is_left_and_its_record_named(sandbox, place):
    whole = letter(identify(1, "one"), 77)
    place.park(Record(None, None, tuple(without_value(whole.headers, whole.value))), letter(identify(2, "two"), 78))
    done = place.replay("--yes", "--json")
    assert done.code == 3
    assert "events/0/77" in done.err
    assert (done.json["selected"], done.json["delivered"], done.json["left"]) == (2, 1, 1)
    assert sent(sandbox) == ["message-2"]


# ---- people


def test_nothing_is_sent_unasked(sandbox, place):
    place.park(letter(identify(1, "one"), 1))
    done = place.replay("--json")
    assert done.code == 2
    assert "may overwrite newer" in done.err
    assert sandbox.stats()["delivered"] == 0


def test_lines_for_people_hold_no_secret_and_the_last_one_counts(sandbox, place):
    place.park(*(letter(identify(n, f"user{n}"), n) for n in range(5)))
    done = place.replay("--yes", rate=None)
    assert done.code == 0, done.err
    assert "older data may overwrite it" in done.err
    assert "4 POSTs a second" in done.err, "no limit in the settings: a tenth of ChartMogul's"
    *_, last = done.out.splitlines()
    assert last.startswith("selected 5  delivered 5  skipped 0  dead_lettered 0  left 0  seconds ")
    assert sandbox.url.rpartition("/")[2] not in done.out + done.err
    assert "user1" not in done.out + done.err


def test_interrupted_it_stops_cleanly_and_goes_on_by_its_id(sandbox, place):
    sandbox.set_faults({"latency_seconds": [0.0, 0.02]})
    place.park(*(letter(identify(n, f"user{n % 7}"), n) for n in range(150)))
    with place.start("--yes", "--json", "--requests-per-second", "40", "--stage", "deliver") as process:
        wait_for(lambda: sandbox.stats()["delivered"] >= 20, "some are delivered")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    result = json.loads(out)
    assert 20 <= result["delivered"] < 150
    assert result["left"] == 150 - result["delivered"]
    refused = place.replay("--yes", "--run-id", result["run_id"])
    assert refused.code == 2
    assert "another selection" in refused.err
    done = place.replay("--yes", "--json", "--run-id", result["run_id"], "--stage", "deliver")
    assert done.code == 0, done.err
    assert done.json["selected"] == done.json["delivered"] == result["left"]
    assert sandbox.stats()["delivered"] == 150
    assert sandbox.stats()["duplicates"] == 0


def test_letters_that_cannot_be_written_stall_it_and_it_says_why(broker, sandbox, place):
    if broker.kind == "embedded":
        pytest.skip("the embedded broker knows no topic settings")
    sandbox.set_faults({"status": 422})
    place.park(letter(identify(1, "one"), 1))
    # From now on the topic refuses what has no key.
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ConfigResource.Type.TOPIC, place.dead_letters, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.incremental_alter_configs([topic])[topic].result(30)
    said = []
    with place.start("--yes", "--json", "--requests-per-second", "100") as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if "dead letters cannot be written" in line:
                process.send_signal(signal.SIGINT)
                break
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "tried again by itself" in said[-1]
    assert (json.loads(out)["dead_lettered"], json.loads(out)["left"]) == (0, 1)
    assert len(place.parked()) == 1


def test_a_topic_that_is_missing_is_said_at_once(place):
    place.settings["dead_letter"]["topic"] = "nowhere"
    done = place.replay("--yes")
    assert done.code == 1
    assert "no such topic: nowhere; check dead_letter.topic" in done.err
