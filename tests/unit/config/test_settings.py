"""Settings from file and environment: defaults, precedence, and every mistake at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import yaml

from consumer.config.owned import OWNED
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
        "statuses_pointer": None,
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
    kafka = f"kafka: {{bootstrap_servers: b, topics: [t], start_from: {text}}}"
    settings = load(f"{kafka}\ndestination: {{webhook_url: '{URL}'}}\ndead_letter: {{topic: d}}")
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


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"kafka": {"start_from": "2026-01-31T00:00:00"}}, "kafka.start_from", "time without a zone"),
        ({"kafka": {"start_from": "2126-01-31T00:00:00Z"}}, "kafka.start_from", "in the future"),
        ({"kafka": {"start_from": 7}}, "kafka.start_from", "must be earliest, latest"),
        ({"kafka": {"bootstrap_servers": ","}}, "kafka.bootstrap_servers", "names no broker"),
        ({"kafka": {"bootstrap_servers": "http://kafka:9092"}}, "kafka.bootstrap_servers", "web address"),
        ({"kafka": {"bootstrap_servers": "tls://kafka:9092"}}, "kafka.bootstrap_servers", "none of PLAINTEXT, SSL"),
        ({"kafka": {"bootstrap_servers": "a:9092;b:9092"}}, "kafka.bootstrap_servers", "separated by commas"),
        ({"kafka": {"bootstrap_servers": "a:9092 b:9092"}}, "kafka.bootstrap_servers", "separated by commas"),
        ({"kafka": {"bootstrap_servers": "::1"}}, "kafka.bootstrap_servers", "in [ ]"),
        ({"kafka": {"bootstrap_servers": "a:9092,b:99999"}}, "kafka.bootstrap_servers", "from 1 to 65535"),
        ({"kafka": {"bootstrap_servers": "a:kafka"}}, "kafka.bootstrap_servers", "from 1 to 65535"),
        ({"kafka": {"topics": []}}, "kafka.topics", "at least 1"),
        ({"kafka": {"topics": "segment"}}, "kafka.topics", "it must be a list"),
        ({"kafka": {"topics": ["a b"]}}, "kafka.topics[0]", "must be a topic's name"),
        ({"kafka": {"topics": ["a", "a"]}}, "kafka.topics[1]", "stands twice"),
        ({"kafka": {"topics": ["^segment-.*"]}}, "kafka.topics[0]", "matches dead_letter.topic"),
        ({"kafka": {"topics": [r"^segment-events\.chartmogul.+$"]}}, "kafka.topics[0]", "matches dead_letter.topic"),
        ({"kafka": {"topics": ["segment-events.chartmogul.dlq"]}}, "dead_letter.topic", "is also kafka.topics[0]"),
        ({"kafka": {"buffer_bytes": 1}}, "kafka.buffer_bytes", "at least 1048576"),
        ({"kafka": {"buffer_bytes": True}}, "kafka.buffer_bytes", "it must be a whole number"),
        ({"kafka": {"commit_interval_seconds": float("nan")}}, "kafka.commit_interval_seconds", "must be"),
        ({"kafka": {"properties": {"log_cb": "x"}}}, "kafka.properties.log_cb", "callback"),
        ({"kafka": {"properties": {"ssl.ca": ["x"]}}}, "kafka.properties.ssl.ca", "must be text"),
        ({"source": {"format": "jsno"}}, "source.format", "did you mean json?"),
        ({"destination": {"ca_file": "/nowhere/ca.pem"}}, "destination.ca_file", "is no file"),
        ({"destination": {"timeout_seconds": 0}}, "destination.timeout_seconds", "at least 0.1"),
        ({"destination": {"allow_http": "yes"}}, "destination.allow_http", "must be true or false"),
        ({"delivery": {"requests_per_second": 0}}, "delivery.requests_per_second", "more than 0"),
        ({"delivery": {"retry": {"base_seconds": 9, "cap_seconds": 3}}}, "delivery.retry.cap_seconds", "at least"),
        ({"delivery": {"batch": {"formt": "array"}}}, "delivery.batch.formt", "did you mean format?"),
        ({"dead_letter": {"topic": ""}}, "dead_letter.topic", "must not be empty"),
        ({"dead_letter": {"topic": ".."}}, "dead_letter.topic", "must be a topic's name"),
        ({"dead_letter": {"halt_ratio": 1.1}}, "dead_letter.halt_ratio", "at most 1"),
        ({"dead_letter": {"skip_reasons": ["mapping"]}}, "dead_letter.skip_reasons[0]", "did you mean mapping_error?"),
        ({"http": {"port": 65_536}}, "http.port", "at most 65535"),
        ({"log": {"level": "inf"}}, "log.level", "did you mean info?"),
        ({"kafak": {}}, "kafak", "did you mean kafka?"),
    ],
)
def test_a_mistake_says_where_and_what_is_allowed(problems, changes, path, says):
    found = problems(changes)
    assert [path] == list(found)
    assert says in found[path]


@pytest.mark.parametrize(
    "servers",
    ["a", "a:1", "a.example:9092, b:9093,", "[::1]:9092", "[::1]", "SASL_SSL://a:9092,ssl://b", "127.0.0.1:65535"],
)
def test_brokers_as_librdkafka_takes_them(load, servers):
    assert load({"kafka": {"bootstrap_servers": servers}}).kafka.bootstrap_servers == servers


def test_a_shadow_needs_no_webhook_but_one_that_is_given_must_be_right():
    environ = {
        "CHARTMOGUL_CONSUMER_KAFKA__BOOTSTRAP_SERVERS": "broker:9092",
        "CHARTMOGUL_CONSUMER_KAFKA__TOPICS": "segment-events",
        "CHARTMOGUL_CONSUMER_KAFKA__START_FROM": "latest",
        "CHARTMOGUL_CONSUMER_DEAD_LETTER__TOPIC": "dlq",
        "CHARTMOGUL_CONSUMER_DELIVERY__MODE": "shadow",
    }
    assert load_settings(None, environ).destination.webhook_url is None
    with pytest.raises(ConfigurationError, match="must be https"):
        load_settings(None, environ | {"CHARTMOGUL_CONSUMER_DESTINATION__WEBHOOK_URL": "http://host/x"})


def test_the_envelopes_are_those_that_can_be_opened():
    from consumer.kafka.decode import PRESETS

    assert [envelope.value for envelope in Envelope] == list(PRESETS)


@pytest.mark.parametrize("topics", [["^events"], ["^(segment|other).*$"], ["^segment-events$"], ["^.*\\.raw$"]])
def test_patterns_that_do_not_surely_match_the_dead_letters_are_let_through(load, topics):
    assert load({"kafka": {"topics": topics}}).kafka.topics == tuple(topics)


@pytest.mark.parametrize("name", sorted(OWNED))
def test_owned_properties_are_refused_by_name(problems, name):
    assert OWNED[name] in problems({"kafka": {"properties": {name: "x"}}})[f"kafka.properties.{name}"]


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("KAFKA__GROUPID", "did you mean group_id?"),
        ("KAFAK__GROUP_ID", "did you mean kafka?"),
        ("KAFKA", "CHARTMOGUL_CONSUMER_KAFKA__GROUP_ID"),
        ("HTTP__PORT__X", "has no parts"),
        ("WEBHOOK_URL", "is no setting"),
    ],
)
def test_an_unknown_variable_is_named_without_its_value(problems, variable, says):
    found = problems(None, **{variable: "CANARY"})
    assert says in found[f"CHARTMOGUL_CONSUMER_{variable}"]


def test_a_mistake_from_the_environment_names_the_variable(problems):
    found = problems(None, HTTP__PORT="CANARY", KAFKA__TOPICS="a b,c")
    assert found["http.port"] == "is text; it must be a whole number (from CHARTMOGUL_CONSUMER_HTTP__PORT)"
    assert "(from CHARTMOGUL_CONSUMER_KAFKA__TOPICS)" in found["kafka.topics[0]"]


def test_only_librdkafka_s_names_get_dots(load):
    settings = load({}, SOURCE__NORMALISE__CONSTANTS__CHANNEL_NAME="x", KAFKA__PROPERTIES__SASL_USERNAME="me")
    assert settings.source.normalise.constants == {"channel_name": "x"}
    assert settings.kafka.client_properties()["sasl.username"] == "me"


def test_a_mapping_and_a_part_of_it_that_do_not_go_together(problems):
    found = problems(None, KAFKA__PROPERTIES="CANARY", KAFKA__PROPERTIES__SASL_USERNAME="x")
    assert (
        "stands beside CHARTMOGUL_CONSUMER_KAFKA__PROPERTIES, which is no mapping"
        in found["CHARTMOGUL_CONSUMER_KAFKA__PROPERTIES__SASL_USERNAME"]
    )


def test_an_empty_file_says_what_is_required(problems):
    assert set(problems("")) == {
        "kafka.bootstrap_servers",
        "kafka.topics",
        "kafka.start_from",
        "destination.webhook_url",
        "dead_letter.topic",
    }


@pytest.mark.parametrize("text", ["- a", "text", "7"])
def test_a_file_that_is_no_mapping(problems, text):
    assert "must be a mapping" in problems(text)["(file)"]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml", {})


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "settings.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_settings(tmp_path / "settings.yaml", {})
