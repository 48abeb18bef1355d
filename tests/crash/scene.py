"""A service under a fault: a stream that never stops, a probe that never looks away, and the account at the end.

The stream writes numbered events, one in ten of them a contact that cannot be sent (a dead letter). The probe asks
the service's own endpoints four times a second. The account asks the stand-in and the broker, never the service.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import orjson
from confluent_kafka import Producer

from consumer.ops.catalogue import PREFIX
from tests.integration.harness import RunningService, identify, lanes_in_order, settings, wait_for
from tests.kafka.broker import QUIET, create_topic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from consumer.sandbox.runner import ThreadedSandbox
    from tests.kafka.client import Broker

USERS = 50
PROBE_SECONDS = 0.25
SETTLE_SECONDS = 180


class Stream(threading.Thread):
    """Writes events at a steady pace until `finish`; a broker that is away is waited for.

    Attributes:
        good, bad: numbers of the events that the broker has acknowledged: to be delivered, to be dead-lettered.
    """

    def __init__(self, broker: Broker, topic: str, per_second: float) -> None:
        super().__init__(name="stream", daemon=True)
        self._topic = topic
        self.per_second = per_second
        self._pause = 1 / per_second
        self._producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap_servers,
                **QUIET,
                "enable.idempotence": True,
                "message.timeout.ms": 600_000,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
            }
        )
        self._ended, self._flowing = threading.Event(), threading.Event()
        self._flowing.set()
        self.written = 0
        self.good: set[int] = set()
        self.bad: set[int] = set()
        self.errors: list[str] = []

    def run(self) -> None:
        while not self._ended.wait(self._pause):
            if self._flowing.is_set():
                self._write(self.written)
                self.written += 1
            self._producer.poll(0)

    def pause(self) -> None:
        """Write nothing for now; what was written is acknowledged when this returns."""
        self._flowing.clear()
        self._ended.wait(2 * self._pause)
        assert self._producer.flush(SETTLE_SECONDS) == 0

    def go_on(self) -> None:
        self._flowing.set()

    def finish(self) -> None:
        """Write no more; what was written is acknowledged when this returns."""
        self._ended.set()
        self.join()
        assert self._producer.flush(SETTLE_SECONDS) == 0
        assert not self.errors, self.errors[0]

    def _write(self, n: int) -> None:
        user, bad = f"user{n % USERS}", n % 10 == 9
        event = identify(n, user, email="no address") if bad else identify(n, user)

        def acknowledged(error: Any, _: Any) -> None:
            if error is None:
                (self.bad if bad else self.good).add(n)
            else:
                self.errors.append(error.str())

        self._producer.produce(self._topic, orjson.dumps(event), user.encode(), on_delivery=acknowledged)


class Sample(NamedTuple):
    """What the probe saw."""

    at: float
    ready: bool
    text: str
    alive: bool
    metrics: Mapping[str, float]


class Probe(threading.Thread):
    """Asks /readyz, /healthz and /metrics again and again."""

    def __init__(self, service: RunningService) -> None:
        super().__init__(name="probe", daemon=True)
        self._service = service
        self._ended = threading.Event()
        self.samples: list[Sample] = []

    def run(self) -> None:
        while not self._ended.wait(PROBE_SECONDS):
            try:
                status, text = self._service.get("/readyz")
                alive = self._service.get("/healthz")[0] == 200
                metrics = self._service.metrics()
            except OSError:
                continue  # it has just ended
            self.samples.append(Sample(time.monotonic(), status == 200, text.strip(), alive, metrics))

    def finish(self) -> None:
        self._ended.set()
        self.join()

    def now(self) -> Sample:
        """The latest sample; one at least must have been taken."""
        return self.samples[-1]

    def between(self, begin: float, end: float) -> list[Sample]:
        return [sample for sample in self.samples if begin <= sample.at < end]


class Scene:
    """Topics, the service, the stream and the probe; entered, all of them run.

    Args:
        partitions, replicated: of the source topic.
        dead_letters: whether their topic is there from the beginning.
        sections: laid over the settings.
        environment: of the service's process.
    """

    def __init__(
        self,
        broker: Broker,
        sandbox: ThreadedSandbox,
        folder: Path,
        *,
        topic_settings: Mapping[str, str] | None = None,
        replicas: int = 1,
        dead_letters: bool = True,
        per_second: float = 60,
        environment: Mapping[str, str] | None = None,
        **sections: dict[str, Any],
    ) -> None:
        self.broker, self.sandbox = broker, sandbox
        self.topic, self.dead_letters = broker.unique("events"), broker.unique("dead-letters")
        self._topic_settings, self._replicas = topic_settings, replicas
        create_topic(broker.bootstrap_servers, self.topic, 4, replicas=replicas, config=topic_settings)
        if dead_letters:
            self.create_dead_letters()
        sandbox.set_faults({"latency_seconds": [0.0, 0.02]})
        (folder / "url").write_text(sandbox.url)
        self.settings = settings(
            broker, self.topic, self.dead_letters, folder / "url", **{"dead_letter": {"create": False}, **sections}
        )
        self.service = RunningService(self.settings, folder, environment)
        self.stream = Stream(broker, self.topic, per_second)
        self.probe = Probe(self.service)
        self.began = time.monotonic()
        self.figures: dict[str, Any] = {}
        self.failed: list[str] = []

    def create_dead_letters(self) -> None:
        create_topic(
            self.broker.bootstrap_servers, self.dead_letters, 1, replicas=self._replicas, config=self._topic_settings
        )

    def __enter__(self) -> Self:
        self.service.__enter__()
        self.stream.start()
        self.probe.start()
        wait_for(lambda: self.probe.samples, "the first sample")
        return self

    def __exit__(self, *error: object) -> None:
        self.service.__exit__(*error)
        self.probe.finish()

    # ---- in between

    def wait(self, seconds: float) -> None:
        threading.Event().wait(seconds)

    def steady(self, seconds: float = 4.0) -> None:
        """Delivery flows, and the service is ready."""
        wait_for(lambda: self.sandbox.stats()["delivered"] > 50, "it delivers")
        self.wait(seconds)
        wait_for(lambda: self.probe.now().ready, "it is ready before the fault")

    def ready_again(self, seconds: float = 60.0) -> float:
        """Wait until it is ready; after how many seconds."""
        began = time.monotonic()
        wait_for(lambda: self.probe.now().at > began and self.probe.now().ready, "it is ready again", seconds)
        return time.monotonic() - began

    def expect(self, what: str, holds: object) -> None:
        """Keep what does not hold, for the end."""
        if not holds:
            self.failed.append(what)

    def expect_not_ready(self, begin: float, end: float, reason: str) -> None:
        """It said this reason within the time, and ``ready`` was 0."""
        red = [sample for sample in self.probe.between(begin, end) if not sample.ready]
        self.expect(f"/readyz says: {reason}", any(reason in sample.text for sample in red))
        self.expect("the metric ready is 0 meanwhile", any(metric(s.metrics, "ready") == 0 for s in red))
        self.figures.setdefault("not_ready_seconds", []).append(round(self.not_ready_seconds(begin), 1))
        self.figures.setdefault("reasons", []).append(sorted({line for each in red for line in each.text.splitlines()}))

    def ready_throughout(self, begin: float) -> None:
        """It has never said that it was not, from then on."""
        red = {sample.text for sample in self.probe.samples if sample.at >= begin and not sample.ready}
        self.expect(f"ready throughout, not: {'; '.join(red)}", not red)

    def not_ready_seconds(self, begin: float) -> float:
        """How long it was not ready, from then on, as the probe saw it."""
        samples = [sample for sample in self.probe.samples if sample.at >= begin]
        return sum(after.at - at.at for at, after in pairwise(samples) if not at.ready)

    # ---- the end

    def settle(self) -> None:
        """Stop the stream, wait until everything has ended and is committed, stop the service, and account."""
        stream, group = self.stream, self.settings["kafka"]["group_id"]
        stream.finish()
        wait_for(lambda: self.broker.lag(group, self.topic) == 0, "everything has ended", SETTLE_SECONDS)
        self.ready_again()
        alive = all(sample.alive for sample in self.probe.samples)
        self.probe.finish()
        code = self.service.stop()
        figures, failed = account(stream, self.sandbox, self.broker, self.dead_letters)
        self.figures |= figures
        self.failed += failed
        self.expect("/healthz is green throughout", alive)
        self.expect("exit code 0", code == 0)
        # Partitions that were lost go back to the last commit: what had ended since is sent again.
        again = self.figures["sent_twice"] + self.figures["dead_lettered_twice"]
        self.expect(f"no more than a second of the stream twice, not {again}", again <= self.stream.per_second)


def account(
    stream: Stream, sandbox: ThreadedSandbox, broker: Broker, dead_letters: str
) -> tuple[dict[str, int], list[str]]:
    """What became of a stream, from outside: figures, and what of the promise did not hold."""
    arrived = sandbox.deliveries()
    delivered = Counter(_number(each["body"]["message_id"]) for each in arrived if each["status"] == 200)
    letters = broker.consume_all(dead_letters)
    written = Counter(_number(orjson.loads(letter.value)["messageId"]) for letter in letters if letter.value)
    lost = stream.good - delivered.keys() | stream.bad - written.keys()
    failed = [f"lost: {sorted(lost)[:10]}"] if lost else []
    if written.keys() != stream.bad:
        failed.append("dead letters are not those that were wrong")
    try:
        lanes_in_order(arrived)
    except AssertionError as error:
        failed.append(f"out of order: {error}")
    return {
        "events": stream.written,
        "lost": len(lost),
        "dead_letters": len(written),
        "sent_twice": delivered.total() - len(delivered),
        "dead_lettered_twice": written.total() - len(written),
    }, failed


def _number(message_id: str) -> int:
    return int(message_id.rpartition("-")[2])


def metric(metrics: Mapping[str, float], name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    full = f"{PREFIX}{name}"
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(
        value
        for sample, value in metrics.items()
        if sample.partition("{")[0] == full and all(each in sample for each in wanted)
    )
