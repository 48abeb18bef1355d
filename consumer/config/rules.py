"""Rules over several settings, and those that look at files: what types alone cannot say.

Each rule is a generator of problems; all of them are asked, so that every mistake is named at once.
"""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consumer.config.model import Mode
from consumer.config.owned import OWNED
from consumer.config.secret_file import read_secret
from consumer.config.source_rules import check_source, read_registry_files
from consumer.config.webhook_url import read_webhook_url
from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.config.model import Settings

_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")  # what Kafka allows
_BROKER: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/;\[\]@]+)(:(?P<port>[^\s:/;]{1,9}))?")
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_WILD_TAIL: Final = re.compile(r"\^((?:[A-Za-z0-9_-]|\\?\.)*)\.[*+]\$?")


def check(settings: Settings) -> Iterator[Problem]:
    """Everything that is wrong with settings whose types are right."""
    yield from _brokers(settings.kafka.bootstrap_servers)
    yield from _start(settings)
    yield from _topics(settings)
    yield from _properties(settings)
    yield from check_source(settings.source)
    yield from _webhook(settings)
    yield from _retry(settings)
    if settings.tracing.enabled and importlib.util.find_spec("opentelemetry") is None:
        message = "needs the extra: pip install 'segment-chartmogul-consumer[otel]'; or set it to false"
        yield Problem("tracing.enabled", message)
    for path, file in (
        ("destination.ca_file", settings.destination.ca_file),
        ("mappings_file", settings.mappings_file),
    ):
        if file is not None and not file.is_file():
            yield Problem(path, "is no file that can be found; check the path, and the volume if it is mounted")


def _start(settings: Settings) -> Iterator[Problem]:
    start = settings.kafka.start_from
    if isinstance(start, datetime) and start > datetime.now(UTC):
        message = "is in the future: what is written until then would be read all the same; say latest, or start then"
        yield Problem("kafka.start_from", message)


def _brokers(servers: str) -> Iterator[Problem]:
    """Librdkafka takes what it can read of the list and says nothing of the rest."""
    path, example = "kafka.bootstrap_servers", "such as broker-1:9092,broker-2:9092"
    given = [server.strip() for server in servers.split(",") if server.strip()]
    if not given:
        yield Problem(path, f"names no broker; write host:port, {example}")
    for server in given:
        protocol, divider, rest = server.rpartition("://")
        if divider and protocol.upper() not in _PROTOCOLS:
            message = (
                "has a web address; write host:port of Kafka itself"
                if protocol.lower() in {"http", "https"}
                else f"has a protocol that is none of {', '.join(_PROTOCOLS)}"
            )
            yield Problem(path, f"{message}, {example}")
        elif (found := _BROKER.fullmatch(rest)) is None:
            yield Problem(path, f"must be host:port, separated by commas, {example}; an IPv6 address in [ ]")
        elif found["port"] is not None and not (found["port"].isdecimal() and 1 <= int(found["port"]) <= 65_535):
            yield Problem(path, f"has a port that is no number from 1 to 65535; write host:port, {example}")


def _topics(settings: Settings) -> Iterator[Problem]:
    dead_letter = settings.dead_letter.topic
    if not _is_topic(dead_letter):
        yield Problem("dead_letter.topic", _TOPIC_RULE)
    for index, topic in enumerate(settings.kafka.topics):
        path = f"kafka.topics[{index}]"
        if topic in settings.kafka.topics[:index]:
            yield Problem(path, "stands twice; remove one")
        if topic.startswith("^"):
            if _certainly_matches(topic, dead_letter):
                message = "matches dead_letter.topic: dead letters would be read for ever; narrow the pattern"
                yield Problem(path, message)
        elif not _is_topic(topic):
            yield Problem(path, f"{_TOPIC_RULE}; a pattern begins with ^")
        elif topic == dead_letter:
            yield Problem("dead_letter.topic", f"is also {path}: dead letters would be read for ever; choose another")


_TOPIC_RULE = "must be a topic's name: letters, digits, '.', '_', '-', at most 249"


def _is_topic(name: str) -> bool:
    return bool(_TOPIC.fullmatch(name)) and name not in (".", "..")


def _certainly_matches(pattern: str, name: str) -> bool:
    """Whether the commonest kind of pattern, ``^prefix.*``, matches; others are left to the running consumer.

    The pattern is compared by hand: no person's pattern reaches a backtracking engine.
    """
    found = _WILD_TAIL.fullmatch(pattern)
    if not found:
        return False
    wanted = re.findall(r"\\\.|.", found.group(1))
    return len(name) >= len(wanted) and all(
        want == "." or want[-1] == has for want, has in zip(wanted, name, strict=False)
    )


def _properties(settings: Settings) -> Iterator[Problem]:
    for name in settings.kafka.properties:
        path = f"kafka.properties.{name}"
        if name in OWNED:
            yield Problem(path, f"is not yours to set: {OWNED[name]}")
        elif name.endswith("_cb"):
            yield Problem(path, "is a callback and cannot be set in a file; remove it")


def read_secret_files(settings: Settings) -> tuple[Settings, list[Problem]]:
    """The settings with the text of the files that hold secrets: of the registry, and of Kafka's properties.

    ``name_file`` among the properties becomes ``name``. The webhook's URL is read when it is used: it may change.
    """
    registry, problems = read_registry_files(settings.source.registry)
    properties = {}
    for name, value in settings.kafka.properties.items():
        if not name.endswith("_file"):
            properties[name] = value
            continue
        plain = name.removesuffix("_file")
        text, message = read_secret(Path(value.get_secret_value()))
        if plain in settings.kafka.properties:
            message = f"and {plain} are both set; keep one"
        if message:
            problems.append(Problem(f"kafka.properties.{name}", message))
        else:
            properties[plain] = type(value)(text)
    kafka = settings.kafka.model_copy(update={"properties": properties})
    source = settings.source.model_copy(update={"registry": registry})
    return settings.model_copy(update={"kafka": kafka, "source": source}), problems


def _webhook(settings: Settings) -> Iterator[Problem]:
    destination = settings.destination
    if settings.delivery.mode is Mode.SHADOW and not (destination.webhook_url or destination.webhook_url_file):
        return  # a shadow posts nowhere
    try:
        read_webhook_url(destination)
    except ConfigurationError as error:
        yield from error.problems


def _retry(settings: Settings) -> Iterator[Problem]:
    retry = settings.delivery.retry
    if retry.cap_seconds < retry.base_seconds:
        yield Problem(
            "delivery.retry.cap_seconds",
            f"must be at least delivery.retry.base_seconds ({retry.base_seconds:g}); raise it or lower the other",
        )
