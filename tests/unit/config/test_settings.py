"""Settings from file and environment: defaults, precedence, and every mistake at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import yaml

from consumer.config.settings import (
    BatchFormat,
    Envelope,
    LogFormat,
    LogLevel,
    Mode,
    OutOfRange,
    Settings,
    SourceFormat,
    StartPoint,
    load_settings,
)
from consumer.errors import ConfigurationError
from consumer.outcomes import RejectReason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

URL = "https://hooks.example.com/hook/CANARY-TOKEN"
MINIMAL = {
    "kafka": {"bootstrap_servers": "broker:9092", "topics": ["segment-events"], "start_from": "earliest"},
    "destination": {"webhook_url": URL},
    "dead_letter": {"topic": "segment-events.chartmogul.dlq"},
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Settings]:
    """Load a dict (laid over the minimal settings, section by section) or a text, with an environment."""

    def run(changes: dict | str | None = None, **environ: str) -> Settings:
        file = tmp_path / "settings.yaml"
        if isinstance(changes, str):
            file.write_text(changes)
        else:
            changes = changes or {}
            file.write_text(
                yaml.safe_dump({k: {**MINIMAL.get(k, {}), **changes.get(k, {})} for k in MINIMAL | changes})
            )
        return load_settings(file, {f"CHARTMOGUL_CONSUMER_{name}": value for name, value in environ.items()})

    return run


@pytest.fixture
def problems(load) -> Callable[..., dict[str, str]]:
    """The mistakes by path."""

    def run(changes: dict | str | None = None, **environ: str) -> dict[str, str]:
        with pytest.raises(ConfigurationError) as caught:
            load(changes, **environ)
        assert "CANARY" not in str(caught.value)
        return {problem.path: problem.message for problem in caught.value.problems}

    return run


def test_defaults_are_the_documented_ones(load):
    settings = load()

    assert settings.kafka.group_id == "chartmogul-consumer"
    assert settings.kafka.topics == ("segment-events",)
    assert settings.kafka.start_from is StartPoint.EARLIEST
    assert settings.kafka.on_out_of_range is OutOfRange.HALT
    assert settings.kafka.commit_interval_seconds == 1
    assert settings.kafka.buffer_bytes == 33_554_432
    assert settings.source.format is SourceFormat.AUTO
    assert settings.source.envelope is Envelope.NONE
    assert settings.destination.timeout_seconds == 10
    assert settings.destination.require_company_id is False
    assert settings.delivery.mode is Mode.LIVE
    assert settings.delivery.requests_per_second == 40
    assert settings.delivery.burst_requests == 1
    assert settings.delivery.concurrency == 20
    assert settings.delivery.batch.model_dump() == {
        "format": BatchFormat.SINGLE,
        "max_events": 100,
        "max_bytes": 524_288,
        "linger_seconds": 0,
    }
    assert settings.delivery.retry.model_dump() == {"budget_seconds": 14_400, "base_seconds": 1, "cap_seconds": 300}
    assert settings.delivery.drain_timeout_seconds == 20
    assert settings.dead_letter.halt_ratio == 0.5
    assert settings.dead_letter.skip_reasons == (RejectReason.NO_INFORMATION,)
    assert settings.mappings_file is None
    assert (settings.http.host, settings.http.port) == ("0.0.0.0", 9464)
    assert (settings.log.level, settings.log.format) == (LogLevel.INFO, LogFormat.JSON)


def test_settings_are_frozen(load):
    with pytest.raises(ValueError, match="frozen"):
        load().kafka.group_id = "other"


def test_environment_wins_over_the_file(load):
    settings = load(
        {"delivery": {"concurrency": 5}},
        DELIVERY__CONCURRENCY="7",
        DELIVERY__BATCH__FORMAT="array",
        DELIVERY__REQUESTS_PER_SECOND="null",
        KAFKA__TOPICS="a, b",
        KAFKA__GROUP_ID="12",
        DEAD_LETTER__CREATE="true",
        DEAD_LETTER__SKIP_REASONS="[missing_identity]",
        KAFKA__PROPERTIES__SASL_MECHANISM="PLAIN",
    )
    assert settings.delivery.concurrency == 7
    assert settings.delivery.batch.format is BatchFormat.ARRAY
    assert settings.delivery.requests_per_second is None
    assert settings.kafka.topics == ("a", "b")
    assert settings.kafka.group_id == "12"
    assert settings.dead_letter.create is True
    assert settings.dead_letter.skip_reasons == (RejectReason.MISSING_IDENTITY,)
    assert settings.kafka.client_properties() == {"sasl.mechanism": "PLAIN"}


def test_the_environment_can_say_it_all():
    settings = load_settings(
        None,
        {
            "PATH": "/bin",
            "CHARTMOGUL_CONSUMER_KAFKA__BOOTSTRAP_SERVERS": "broker:9092",
            "CHARTMOGUL_CONSUMER_KAFKA__TOPICS": "segment-events",
            "CHARTMOGUL_CONSUMER_KAFKA__START_FROM": "2026-01-31T00:00:00Z",
            "CHARTMOGUL_CONSUMER_DESTINATION__WEBHOOK_URL": URL,
            "CHARTMOGUL_CONSUMER_DEAD_LETTER__TOPIC": "dlq",
            # Kubernetes adds these where a Service has the name of the release.
            "CHARTMOGUL_CONSUMER_SERVICE_HOST": "10.0.0.1",
            "CHARTMOGUL_CONSUMER_SERVICE_PORT_METRICS": "9464",
            "CHARTMOGUL_CONSUMER_PORT": "tcp://10.0.0.1:9464",
            "CHARTMOGUL_CONSUMER_PORT_9464_TCP_ADDR": "10.0.0.1",
        },
    )
    assert settings.kafka.start_from == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-01-31T00:00:00Z", "2026-01-31T01:00:00+01:00"])
def test_a_time_in_yaml_stays_what_was_written(load, text):
    settings = load(
        "kafka: {bootstrap_servers: b, topics: [t], start_from: %s}\ndestination: {webhook_url: '%s'}\n"
        "dead_letter: {topic: d}" % (text, URL)
    )
    assert settings.kafka.start_from == datetime(2026, 1, 31, tzinfo=UTC)


def test_every_mistake_is_named_at_once_with_its_line(load):
    text = """\
kafka:
  bootstrap_servers: broker:9092
  group_id: 12
  topics: [segment-events]
  start_from: earlest
  properties: {enable.auto.commit: true}
destination: {webhook_ulr: https://x/hook/CANARY}
delivery:
  mode: shdow
  retry: {base_seconds: 400}
dead_letter:
  topic: segment-events
log:
http: 7
"""
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    found = {problem.path: (problem.line, problem.message) for problem in caught.value.problems}
    assert set(found) == {
        "kafka.group_id",
        "kafka.start_from",
        "kafka.properties.enable.auto.commit",
        "destination.webhook_ulr",
        "destination.webhook_url",
        "delivery.mode",
        "delivery.retry.cap_seconds",
        "dead_letter.topic",
        "http",
    }
    assert found["kafka.group_id"] == (3, "is a number; it must be text (put it in quotes)")
    assert found["destination.webhook_ulr"] == (7, "is no setting; did you mean webhook_url?")
    assert found["delivery.mode"] == (9, "must be one of live, shadow; did you mean shadow?")
    assert found["dead_letter.topic"][0] == 12
    lines = [problem.line for problem in caught.value.problems if problem.line]
    assert lines == sorted(lines)
