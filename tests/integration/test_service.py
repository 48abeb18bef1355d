"""The service end to end, as a process: records in, POSTs out, offsets committed; on both brokers."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import (
    RunningService,
    identify,
    lanes_in_order,
    places_of,
    records,
    settings,
    uncovered,
    wait_for,
)
from tests.kafka.client import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kafka.client import Broker


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(rate_per_second=None, max_parallel=None) as running:
        yield running


@pytest.fixture
def place(broker: Broker, sandbox: ThreadedSandbox, tmp_path: Path):
    """A topic, a dead-letter topic and the settings for them."""

    class Place:
        topic = broker.unique("events")
        dead_letters = broker.unique("dead-letters")
        url_file = tmp_path / "url"

        def settings(self, **sections):
            return settings(broker, self.topic, self.dead_letters, self.url_file, **sections)

        def settled(self, config) -> bool:
            return broker.lag(config["kafka"]["group_id"], self.topic) == 0

    place = Place()
    place.url_file.write_text(sandbox.url)
    broker.create_topic(place.topic, 2)
    broker.create_topic(place.dead_letters, 1)
    return place


def test_events_become_contacts_and_offsets_are_committed(broker, sandbox, place, tmp_path):
    sandbox.set_faults({"latency_seconds": [0.0, 0.01]}, {"status": 503, "probability": 0.1})
    events = [identify(n, f"user{n % 40}") for n in range(600)]
    broker.produce(place.topic, records([*events, {"type": "track", "event": "x", "userId": "u", "messageId": "t"}]))
    config = place.settings()
    with RunningService(config, tmp_path) as service:
        wait_for(lambda: place.settled(config), "all is committed")
        assert service.get("/readyz") == (200, "ready\n")
        assert service.get("/healthz") == (200, "ok\n")
        metrics = service.metrics()
        assert service.stop() == 0
        (stopped,) = service.logged("stopped")
    assert sandbox.stats()["delivered"] == 600
    assert sandbox.stats()["duplicates"] == 0
    lanes_in_order(sandbox.deliveries())
    assert (stopped["delivered"], stopped["skipped"], stopped["left"]) == (600, 1, 0)
    ended = {name: value for name, value in metrics.items() if name.startswith("chartmogul_consumer_deliveries_ended")}
    assert sum(ended.values()) == 601
    assert len(service.log) < 15, "a line for an event of note, never for a delivery"
    assert {line["status"] for line in service.logged("attempt_failed")} == {503}


def test_kill_in_the_middle_loses_nothing(broker, sandbox, place, tmp_path):
    sandbox.set_faults({"latency_seconds": [0.0, 0.02]})
    broker.produce(place.topic, records(identify(n, f"user{n % 50}") for n in range(1500)))
    places = places_of(broker, place.topic)
    config = place.settings()
    group, concurrency = config["kafka"]["group_id"], 20
    duplicates, bounds = [], []
    for kills in range(1, 3):
        with RunningService(config, tmp_path) as service:
            wait_for(
                lambda kills=kills: (
                    sandbox.stats()["delivered"] > 400 * kills and sum(broker.committed(group, place.topic).values())
                ),
                "some are delivered and committed",
            )
            service.kill()
            duplicates.append(sandbox.stats()["duplicates"])
        accepted = [delivery for delivery in sandbox.deliveries() if delivery["status"] == 200]
        again = uncovered(broker, group, place.topic, places, accepted)
        assert len(again) < len(accepted), "the commits know of what was delivered before them"
        bounds.append(len(again) + concurrency)
    with RunningService(config, tmp_path):
        wait_for(lambda: place.settled(config), "all is committed")
    stats = sandbox.stats()
    assert stats["delivered"] == 1500
    # The promise: what the broker's commits did not know of, and what was under way.
    duplicates.append(stats["duplicates"])
    sent_again = [after - before for before, after in itertools.pairwise(duplicates)]
    assert [n for n, bound in zip(sent_again, bounds, strict=True) if n > bound] == []
    assert duplicates[0] == 0, "no kill, no duplicate"
    lanes_in_order(sandbox.deliveries())


def test_a_wrong_url_halts_and_a_right_one_in_the_file_goes_on(broker, sandbox, place, tmp_path):
    place.url_file.write_text(sandbox.url[:-2] + "xx")
    broker.produce(place.topic, records(identify(n, f"user{n}") for n in range(200)))
    config = place.settings()
    with RunningService(config, tmp_path) as service:
        wait_for(lambda: service.logged("delivery_halted"), "it halts")
        halted_at = time.monotonic()
        status, text = service.get("/readyz")
        assert status == 503
        assert "webhook_refused" in text
        assert broker.consume_all(place.dead_letters) == []
        probes = (time.monotonic() - halted_at) / 5 + 1
        # Under way at once; what started for the first two answers, as the third halts; a probe each five seconds at most.
        assert sandbox.stats()["by_status"]["403"] <= 20 + 2 + probes
        place.url_file.write_text(sandbox.url)
        wait_for(lambda: place.settled(config), "all is committed")
        assert service.get("/readyz")[0] == 200
    assert sandbox.stats()["delivered"] == 200
    assert broker.consume_all(place.dead_letters) == []


BAD = {
    "invalid_utf8": b'{"type":"identify","userId":"\xff\xfe"}',
    "too_deep": b"[" * 400_000,
    "not_an_object": b"[]",
    "invalid_json": b'{"type":"identify","userId":NaN}',
    "missing_type": b'{"userId":"u"}',
    "unknown_format": b"\x89PNG\r\n",
}


def test_bad_input_ends_by_name_and_stops_nothing(broker, sandbox, place, tmp_path):
    values = [*BAD.values(), b'"text"', None, b'{"type":"screen","userId":"u"}', b'{"type":"whatever"}']
    values.append(b'{"type":"track","type":"track","userId":"a","userId":"b","messageId":"twice"}')
    broker.produce(place.topic, [Record(value, b"key", (("h", b"\x00"),), partition=0) for value in values])
    broker.produce(place.topic, [Record(record.value, partition=0) for record in records([identify(1, "good")])])
    config = place.settings()
    with RunningService(config, tmp_path) as service:
        wait_for(lambda: place.settled(config), "all is committed")
        (stopped,) = (service.stop() == 0 and service.logged("stopped")) or [None]
    assert sandbox.stats()["delivered"] == 1
    letters = broker.consume_all(place.dead_letters)
    reasons = {dict(letter.headers)["dlq_reason"].decode(): letter for letter in letters}
    assert set(reasons) == set(BAD)
    for reason, value in BAD.items():
        letter = reasons[reason]
        assert letter.key == b"key"
        assert letter.headers[0] == ("h", b"\x00")
        assert reason == "not_an_object" or letter.value == value
    assert stopped["dead_lettered"] == len(BAD) + 1
    assert stopped["skipped"] == 4


def test_an_outage_is_waited_out(broker, place, tmp_path):
    with ThreadedSandbox(rate_per_second=None, max_parallel=None) as sandbox:
        url = sandbox.url
        port = int(url.rpartition(":")[2].partition("/")[0])
    place.url_file.write_text(url)
    broker.produce(place.topic, records(identify(n, f"user{n}") for n in range(50)))
    config = place.settings(delivery={"requests_per_second": None, "retry": {"base_seconds": 0.1, "cap_seconds": 0.5}})
    with RunningService(config, tmp_path) as service:
        wait_for(
            lambda: any('outcome="retry"' in name and value > 20 for name, value in service.metrics().items()),
            "attempts fail",
        )
        assert service.get("/readyz")[0] == 200, "in the group, and not halted"
        with ThreadedSandbox(port=port, rate_per_second=None, max_parallel=None) as sandbox:
            wait_for(lambda: place.settled(config), "all is committed")
            assert sandbox.stats()["delivered"] == 50
    assert broker.consume_all(place.dead_letters) == []


def test_neither_the_url_nor_an_event_is_shown_anywhere(broker, place, tmp_path):
    token, personal = "canary-token-4711", "canary.person@example.com"
    with ThreadedSandbox(token, rate_per_second=None, max_parallel=None) as sandbox:
        place.url_file.write_text(sandbox.url)
        sandbox.set_faults({"status": 400, "match": {"user_id": "refused"}}, {"reset": True, "count": 3})
        events = [identify(n, f"user{n}", email=personal, name="Canary Person") for n in range(10)]
        events += [
            identify(10, "refused", email=personal),
            identify(11, "invalid", email="canary.person at example.com"),
        ]
        broker.produce(place.topic, [*records(events), Record(b'{"type": "identify", "traits": "canary.person')])
        config = place.settings(log={"level": "info", "format": "json"})
        with RunningService(config, tmp_path) as service:
            wait_for(lambda: place.settled(config), "all is committed")
            shown = [service.get(path)[1] for path in ("/metrics", "/status", "/status.json", "/readyz")]
            assert service.stop() == 0
            shown += [str(line) for line in service.log] + service.noise
    letters_logged = service.logged("dead_lettered")
    assert sorted(line["message_id"] for line in letters_logged) == ["", "message-10", "message-11"]
    assert {line["topic"] for line in letters_logged} == {place.topic}
    assert {"partition", "offset", "mapping", "stage", "reason"} <= set(letters_logged[0])
    failures = {line.get("status", line.get("failure")): line for line in service.logged("attempt_failed")}
    assert set(failures) == {400, "reset"}, "one line for each kind"
    assert failures[400]["message_id"] == "message-10"
    for text in shown:
        assert token not in text
        assert "canary.person" not in text.lower()
        assert "canary person" not in text.lower()
    letters = broker.consume_all(place.dead_letters)
    assert len(letters) == 3
    assert not [letter for letter in letters if token in str(letter.headers) or "canary" in str(letter.headers).lower()]


MAPPINGS = """
mappings:
  - name: leads
    action: sendContact
    trigger: type = "{type}"
    preset: default
"""


def test_mappings_are_reloaded_and_bad_ones_refused(broker, sandbox, place, tmp_path):
    file = tmp_path / "mappings.yaml"
    file.write_text(MAPPINGS.format(type="identify"))
    config = {**place.settings(), "mappings_file": str(file)}
    with RunningService(config, tmp_path) as service:
        broker.produce(place.topic, records([identify(1, "one")]))
        wait_for(lambda: sandbox.stats()["delivered"] == 1, "the first mappings deliver")
        file.write_text(MAPPINGS.format(type="identify").replace("sendContact", "sendNothing"))
        wait_for(lambda: service.logged("mappings_refused"), "bad mappings are refused")
        broker.produce(place.topic, records([identify(2, "two")]))
        wait_for(lambda: sandbox.stats()["delivered"] == 2, "the old mappings go on")
        file.write_text(MAPPINGS.format(type="track"))
        wait_for(lambda: service.logged("mappings_reloaded"), "good ones are taken")
        broker.produce(place.topic, records([identify(3, "three"), {**identify(4, "four"), "type": "track"}]))
        wait_for(lambda: sandbox.stats()["delivered"] == 3, "the new mappings deliver")
        wait_for(lambda: place.settled(config), "all is committed")
    assert [row["external_id"] for row in sandbox.contacts()] == ["one", "two", "four"]
