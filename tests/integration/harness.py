"""The service as people run it: a process of its own, watched from outside over HTTP, its log and the broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Self

import orjson
import pytest
import yaml

from consumer.delivery.offset_map import decode
from tests.canary import PERSON, watch
from tests.kafka.client import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tests.kafka.client import Broker

DEADLINE_SECONDS = 60


def wait_for(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    event = threading.Event()
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        event.wait(0.05)
    return answer


def settings(
    broker: Broker, topic: str, dead_letters: str, url_file: Path, **sections: dict[str, Any]
) -> dict[str, Any]:
    """Settings for a test: fast commits, no rate limit; ``sections`` are laid over them."""
    result: dict[str, Any] = {
        "kafka": {
            "bootstrap_servers": broker.bootstrap_servers,
            "group_id": broker.unique("group"),
            "topics": [topic],
            "start_from": "earliest",
            "commit_interval_seconds": 0.2,
            # A member that was killed is missed for this long before another gets its partitions.
            "properties": {"session.timeout.ms": 6000},
        },
        "destination": {"webhook_url_file": str(url_file)},
        "delivery": {"requests_per_second": None, "drain_timeout_seconds": 5, "retry": {"base_seconds": 0.1}},
        "dead_letter": {"topic": dead_letters, "create": broker.kind == "real"},
        "http": {"host": "127.0.0.1", "port": 0},
    }
    for name, section in sections.items():
        result[name] = {**result.get(name, {}), **section}
    return result


class RunningService:
    """``chartmogul-consumer run`` with these settings; killed at the end of the ``with``.

    Args:
        environment: variables that only this process has.
    """

    def __init__(self, settings: dict[str, Any], folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.settings = settings
        self._environment = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONFAULTHANDLER": "1", **(environment or {})}
        self._folder = folder
        self.log: list[dict[str, Any]] = []
        self.noise: list[str] = []

    def __enter__(self) -> Self:
        config = self._folder / "settings.yaml"
        config.write_text(yaml.safe_dump(self.settings))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "consumer", "run", "--config", str(config)],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=self._environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        started = wait_for(lambda: self.logged("started") or self.process.poll() is not None, "the service starts")
        assert started is not True, "".join(self.noise)
        self.port = started[0]["port"]
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        watch("the log", "\n".join(map(str, self.log)))
        watch("standard error", "".join(self.noise))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.noise.append(line)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of this kind so far."""
        return [line for line in self.log if line.get("event") == event]

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of one of its endpoints."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode()
        watch(path, text)
        return status, text

    def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels, as written."""
        text = self.get("/metrics")[1]
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        }

    def stop(self) -> int:
        """SIGTERM, and its exit code; one that does not leave says where it stands."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            self._reader.join()
            pytest.fail("\n".join(["it does not leave", *map(str, self.log), "".join(self.noise)]))

    def kill(self) -> None:
        """SIGKILL: nothing is drained or committed."""
        self.process.kill()
        self.process.wait()


def identify(n: int, user: str, **traits: Any) -> dict[str, Any]:
    """An event that becomes a contact."""
    return {
        "type": "identify",
        "messageId": f"message-{n}",
        "userId": user,
        "timestamp": "2026-01-01T00:00:00Z",
        "sentAt": "2026-01-01T00:00:00Z",
        "traits": {
            "email": f"{user}@example.com",
            "first_name": f"N{n}",
            "last_name": PERSON,
            "company": {"id": f"c{n % 7}"},
            **traits,
        },
    }


def records(events: Iterable[dict[str, Any]]) -> list[Record]:
    """Events as producers write them, keyed by user."""
    return [Record(orjson.dumps(event), str(event.get("userId", "")).encode() or None) for event in events]


def lanes_in_order(deliveries: list[dict[str, Any]]) -> None:
    """Each contact's accepted deliveries came in the order of its messages, but for repeats of what had come."""
    last: dict[str, int] = {}
    seen: set[str] = set()
    for delivery in deliveries:
        body = delivery["body"]
        if delivery["status"] != 200 or body["message_id"] in seen:
            continue
        seen.add(body["message_id"])
        number, user = int(body["message_id"].rpartition("-")[2]), body.get("user_id")
        assert number > last.get(user, -1), f"{user}: {number} after {last[user]}"
        last[user] = number


def places_of(broker: Broker, topic: str) -> dict[str, tuple[int, int]]:
    """Where each message stands: partition and offset by messageId."""
    return {orjson.loads(r.value)["messageId"]: (r.partition, r.offset) for r in broker.consume_all(topic) if r.value}


def uncovered(
    broker: Broker, group: str, topic: str, places: dict[str, tuple[int, int]], arrived: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Accepted deliveries that the commits do not know of, oldest first: what a restart sends again."""
    committed, metadata = broker.committed(group, topic), broker.committed_metadata(group, topic)
    maps = {number: decode(offset, metadata.get(number, "")).runs for number, offset in committed.items()}
    found = []
    for delivery in arrived:
        number, offset = places[delivery["body"]["message_id"]]
        if delivery["status"] != 200 or offset < committed.get(number, 0):
            continue
        if not any(first <= offset < end for first, end in maps.get(number, ())):
            found.append(delivery)
    return found
