"""Logging: what a line looks like, and what never gets into one."""

from __future__ import annotations

import io
import json
import logging

import pytest

from consumer.errors import ConfigurationError, KafkaUnavailableError, Problem
from consumer.ops import log as log_module
from consumer.ops.log import EventLogger, RareWarnings, Repeats, configure_logging, describe_exception
from consumer.ops.redact import MASK, Redactor


@pytest.fixture
def stream(monkeypatch):
    """A stream that lines go to; logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    chatty = {name: logging.getLogger(name).level for name in log_module._CHATTY}
    monkeypatch.setattr(log_module, "redactor", Redactor())
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level
    logging.getLogger(log_module._LIBRDKAFKA).filters.clear()
    for name, before in chatty.items():
        logging.getLogger(name).setLevel(before)


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object(stream):
    configure_logging("info", "json", stream)
    EventLogger("consumer.test").info("partitions_assigned", topic="events", partitions=[0, 1])
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "partitions_assigned", "level": "info", "topic": "events", "partitions": [0, 1]}


def test_lines_for_people(stream):
    configure_logging("info", "console", stream)
    EventLogger("consumer.test").warning("halted", reason="webhook_refused")
    assert "halted" in stream.getvalue()
    assert "reason=webhook_refused" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_the_level_holds_for_both_kinds_of_logger(stream):
    configure_logging("warning", "json", stream)
    EventLogger("consumer.test").info("no")
    logging.getLogger("elsewhere").info("no")
    EventLogger("consumer.test").error("yes")
    logging.getLogger("elsewhere").error("yes %s", "too")
    assert [line["event"] for line in lines(stream)] == ["yes", "yes too"]


def test_libraries_that_would_say_the_url_are_quiet(stream):
    configure_logging("debug", "json", stream)
    logging.getLogger("httpx").info("HTTP Request: POST https://host/hook/CANARY")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_registered_secrets_are_masked_whatever_the_way(stream, fmt):
    configure_logging("debug", fmt, stream)
    log_module.redactor.register_secret("https://host.example/hook/CANARY-token?key=CANARY-key")
    log_module.redactor.register_secret('CANARY "quoted" \\ é')
    log = EventLogger("consumer.test")
    log.info("https://host.example/hook/CANARY-token?key=CANARY-key")
    log.info("event", url=["/hook/CANARY-token"], nested={"a": "key=CANARY-key"})
    log.info("event", password='CANARY "quoted" \\ é')
    logging.getLogger("foreign").warning("posting to %s", "https://host.example/hook/CANARY-token")
    log.error("failed", exc_info=KafkaUnavailableError("CANARY-token"))
    assert "CANARY" not in stream.getvalue()
    assert stream.getvalue().count(MASK) >= 5


def test_an_exception_that_is_not_ours_shows_its_type_and_place_alone(stream):
    configure_logging("info", "json", stream)
    customer = {"email": "CANARY@example.com"}
    try:
        customer["CANARY"]
    except KeyError:
        EventLogger("consumer.test").exception("unexpected")
        logging.getLogger("foreign").exception("unexpected")
    for line in lines(stream):
        assert line["exception"].startswith("KeyError\n  ")
        assert "test_log.py" in line["exception"]
    assert "CANARY" not in stream.getvalue()


def test_our_exceptions_and_the_systems_say_what_happened():
    assert describe_exception(ConfigurationError([Problem("a.b", "is wrong")])) == "ConfigurationError: a.b: is wrong"
    assert describe_exception(FileNotFoundError(2, "No such file", "CANARY")) == "FileNotFoundError: No such file"
    error = KafkaUnavailableError("no answer")
    error.__cause__ = ValueError("CANARY")
    assert describe_exception(error).splitlines() == ["KafkaUnavailableError: no answer", "ValueError"]


def test_exceptions_that_cause_each_other_end():
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first
    assert describe_exception(first) == "ValueError\nTypeError"


def test_a_value_that_json_has_no_form_for_shows_its_type(stream):
    configure_logging("info", "json", stream)
    EventLogger("consumer.test").info("event", thing=Redactor(), error=ValueError("CANARY"), body={1, 2})
    (line,) = lines(stream)
    assert (line["thing"], line["error"], line["body"]) == ("<Redactor>", "ValueError", "<set>")


def test_repeats_are_held_back_and_counted():
    now = [0.0]
    repeats = Repeats(interval_seconds=60, clock=lambda: now[0])
    admitted = []
    for seconds in (0, 1, 59, 60, 61, 200):
        now[0] = float(seconds)
        admitted.append(repeats.admit("commit_failed"))
    assert admitted == [0, None, None, 2, None, 1]
    assert repeats.admit("another kind") == 0


def test_a_warning_a_minute_of_each_kind_says_how_many_it_stands_for(stream):
    configure_logging("info", "json", stream)
    now = [0.0]
    warn = RareWarnings(EventLogger("consumer.test"), Repeats(clock=lambda: now[0]))
    asked = []
    for second in range(121):
        now[0] = float(second)
        warn("attempt_failed", "503", status=503, message_id=lambda: asked.append(1) or "m-1")
        warn("attempt_failed", "timeout", failure="timeout")
    shown = [(line.get("status"), line["held_back"]) for line in lines(stream)]
    assert shown == [(503, 0), (None, 0), (503, 59), (None, 59), (503, 59), (None, 59)]
    assert len(asked) == 3, "what a line needs is worked out for lines only"


def test_librdkafka_repeats_itself_less(stream):
    configure_logging("info", "json", stream)
    logger = logging.getLogger("consumer.kafka.librdkafka")
    for n in range(50):
        logger.error("FAIL [rdkafka#consumer-1] Connect to ipv4#127.0.0.1:9092 failed: refused (after %dms)", n)
    logger.error("FAIL [rdkafka#consumer-1] SASL authentication error")
    assert [line["event"][-8:] for line in lines(stream)] == ["ter 0ms)", "on error"]


def test_repeats_remember_a_bounded_number_of_kinds():
    repeats = Repeats(clock=lambda: 0.0)
    for key in range(5_000):
        repeats.admit(key)
    assert len(repeats._seen) <= 1_024
    assert repeats.admit(4_999) is None
