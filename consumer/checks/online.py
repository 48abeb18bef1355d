"""All questions in turn, each answer as soon as it is there, and an end to it all whatever hangs."""

from __future__ import annotations

import platform
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final

import confluent_kafka

from consumer import __version__
from consumer.checks.finding import Deadline, Finding, Verdict
from consumer.checks.kafka import open_checks
from consumer.checks.registry import registry
from consumer.checks.sample import Lanes, open_reader, read, reading
from consumer.checks.webhook import webhook
from consumer.config.mappings import load_mappings
from consumer.decoding import open_decoding
from consumer.reload import build_router

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.checks.kafka import KafkaChecks
    from consumer.config.model import Settings

_GRACE_SECONDS: Final = 3.0
_NEEDS_BROKERS: Final = (
    "kafka.topics",
    "kafka.group",
    "dead_letter.topic",
    "kafka.read",
    "source.registry",
    "source.records",
    "source.keys",
)


def look(settings: Settings, *, seconds: float, ask_webhook: bool) -> Iterator[Finding]:
    """Ask everything; takes no longer than ``seconds`` and a moment.

    Args:
        settings: they have been checked.
        seconds: for all questions together.
        ask_webhook: post ``{}`` to the webhook.
    """
    found: SimpleQueue[Finding | None] = SimpleQueue()
    deadline = Deadline(seconds)

    def ask() -> None:
        try:
            for finding in _questions(settings, deadline, ask_webhook=ask_webhook):
                found.put(finding)
        except Exception as error:  # noqa: BLE001 - whatever it is must become a line: nobody sees this thread's end
            says = f"unexpected {type(error).__name__}"
            found.put(Finding("check", Verdict.FAIL, says, ("report it, with the settings but their secrets",)))
        found.put(None)

    # A daemon: a question that hangs against its own time-out must not keep the process.
    Thread(target=ask, name="check", daemon=True).start()
    while True:
        try:
            finding = found.get(timeout=deadline.left + _GRACE_SECONDS)
        except Empty:
            yield Finding("check", Verdict.FAIL, f"not everything answered within {seconds:g} s", ("give --timeout",))
            return
        if finding is None:
            return
        yield finding


def _questions(settings: Settings, deadline: Deadline, *, ask_webhook: bool) -> Iterator[Finding]:
    yield versions()
    checks = open_checks(settings, deadline)
    brokers = checks if isinstance(checks, Finding) else checks.brokers()
    yield brokers
    if isinstance(checks, Finding) or brokers.verdict is Verdict.FAIL:
        yield from (Finding(name, Verdict.SKIP, "no broker answers") for name in _NEEDS_BROKERS)
    else:
        yield from _kafka(settings, checks, deadline)
    if ask_webhook:
        yield webhook(settings, deadline)
    else:
        yield Finding("webhook", Verdict.SKIP, "not asked; --webhook posts {} to it, as Segment's connection test does")


def _kafka(settings: Settings, checks: KafkaChecks, deadline: Deadline) -> Iterator[Finding]:
    yield from checks.topics()
    consumer = open_reader(settings)
    try:
        yield checks.group(consumer)
        yield checks.dead_letter()
        try:
            sample = read(consumer, checks.partitions, deadline)
        except confluent_kafka.KafkaException as error:
            yield Finding("kafka.read", Verdict.FAIL, error.args[0].str(), ("see the brokers' log",))
            return
    finally:
        consumer.close()
    yield reading(sample)
    router = build_router(settings, load_mappings(settings.mappings_file))
    decoding = open_decoding(settings.source)
    yield registry(decoding, sample.messages, deadline)
    lanes = Lanes(decoding.decoder, router.route)
    lanes.look(sample.messages)
    if decoding.schemas is not None:
        decoding.schemas.close()
    yield lanes.outcomes()
    yield lanes.keys(checks.partitions)


def versions() -> Finding:
    """What runs here: for the report that somebody writes."""
    librdkafka, _ = confluent_kafka.libversion()
    says = f"{__version__}, Python {platform.python_version()}, librdkafka {librdkafka}, {platform.machine()}"
    return Finding("versions", Verdict.PASS, says)
