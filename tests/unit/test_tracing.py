"""Tracing: a record's trace reaches the POST, nothing private is in a span, and what is off costs nothing."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from consumer.chartmogul.router import Router
from consumer.config import rules
from consumer.config.model import Settings
from consumer.errors import WebhookError
from consumer.kafka.decode import Decoder
from consumer.outcomes import FailureKind, Post
from consumer.sender import encode_array, encode_single
from consumer.tracing import Tracing
from consumer.webhook.client import Response

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
NOW = "2026-01-01T00:00:00Z"
EVENT = {
    "type": "identify",
    "messageId": "m-1",
    "userId": "CANARY-user",
    "timestamp": NOW,
    "sentAt": NOW,
    "traits": {"email": "CANARY@example.com", "company": {"id": "CANARY-c"}},
}


@dataclass
class FakeMessage:
    body: bytes
    held: list[tuple[str, bytes | None]]

    def topic(self):
        return "events"

    def partition(self):
        return 3

    def offset(self):
        return 7

    def key(self):
        return b"CANARY"

    def value(self):
        return self.body

    def headers(self):
        return self.held

    def timestamp(self):
        return (1, 1_767_225_600_000)


class FakeClient:
    """Keeps the headers of what it is asked to post, and answers as it is told."""

    def __init__(self, answer: int | WebhookError = 200) -> None:
        self.answer = answer
        self.headers: list[dict[str, str]] = []

    async def post(self, body, headers):
        self.headers.append(dict(headers))
        if isinstance(self.answer, WebhookError):
            raise self.answer
        return Response(self.answer, {}, b"CANARY")


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
def tracing(spans):
    tracing = Tracing(SimpleSpanProcessor(spans))
    yield tracing
    tracing.close()


def bodies(tracing, *messages):
    records = tracing.planner(Decoder("auto", "none"), Router().route).records(messages)
    return [plan.body for record in records for plan in record.planned if isinstance(plan, Post)]


def message(*headers, body=EVENT):
    return FakeMessage(json.dumps(body).encode(), list(headers))


def test_a_records_trace_reaches_the_post(tracing, spans):
    (body,) = bodies(
        tracing, message(("TraceParent", PARENT.encode()), ("tracestate", b"vendor=1"), ("baggage", b"a=CANARY"))
    )
    client = FakeClient()
    asyncio.run(tracing.client(client).post(encode_single([body]), {"idempotency-key": "k"}))
    by_name = {span.name: span for span in spans.get_finished_spans()}
    assert set(by_name) == {"process", "decode", "map", "deliver"}
    assert {f"{span.context.trace_id:032x}" for span in by_name.values()} == {TRACE}
    process = by_name["process"].context.span_id
    assert {by_name[name].parent.span_id for name in ("decode", "map", "deliver")} == {process}
    (headers,) = client.headers
    assert headers == {
        "idempotency-key": "k",
        "traceparent": f"00-{TRACE}-{by_name['deliver'].context.span_id:016x}-01",
        "tracestate": "vendor=1",
    }
    assert by_name["process"].attributes["messaging.kafka.offset"] == 7
    assert "CANARY" not in "".join(span.to_json() for span in by_name.values())


def test_each_attempt_is_a_span_and_says_how_it_ended(tracing, spans):
    (body,) = bodies(tracing, message(("traceparent", PARENT.encode())))
    asyncio.run(tracing.client(FakeClient(503)).post(body))
    failure = WebhookError(FailureKind.TIMEOUT, "CANARY", ambiguous=True)
    with pytest.raises(WebhookError):
        asyncio.run(tracing.client(FakeClient(failure)).post(body))
    first, second = (span for span in spans.get_finished_spans() if span.name == "deliver")
    assert first.attributes["http.response.status_code"] == 503
    assert second.attributes["error.type"] == "timeout"
    assert {first.status.status_code, second.status.status_code} == {StatusCode.ERROR}
    assert "CANARY" not in first.to_json() + second.to_json()


def test_a_batch_links_to_what_is_in_it(tracing, spans):
    planned = bodies(tracing, message(("traceparent", PARENT.encode())), message())
    body = tracing.encoder(encode_array)(planned)
    assert len(json.loads(body)) == 2
    asyncio.run(tracing.client(FakeClient()).post(body))
    (deliver,) = (span for span in spans.get_finished_spans() if span.name == "deliver")
    records = [span.context.span_id for span in spans.get_finished_spans() if span.name == "process"]
    assert [link.context.span_id for link in deliver.links] == records


@pytest.mark.parametrize("held", [b"", b"\xff\xff", b"00-nonsense", None, b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01"])
def test_a_header_that_is_no_trace_begins_one(tracing, spans, held):
    bodies(tracing, message(("traceparent", held)))
    assert {span.parent for span in spans.get_finished_spans() if span.name == "process"} == {None}


def test_what_is_not_sent_is_in_the_records_span(tracing, spans):
    assert bodies(tracing, message(body={"type": "track", "event": "CANARY"}), FakeMessage(b"CANARY", [])) == []
    ended = [dict(span.events[0].attributes) for span in spans.get_finished_spans() if span.name == "process"]
    assert [each["reason"] for each in ended] == ["no_matching_mapping", "unknown_format"]
    assert "CANARY" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_other_mappings_are_traced_too(tracing, spans):
    planner = tracing.planner(Decoder("auto", "none"), lambda _: [])
    planner.route = Router().route
    planner.records([message()])
    assert [span.attributes["mappings"] for span in spans.get_finished_spans() if span.name == "map"] == [
        ("Send Contact",)
    ]


OFF = """
import sys
from consumer.app import Application
from consumer.config.model import Settings

application = Application(Settings.model_validate({
    "kafka": {"bootstrap_servers": "b", "topics": ["t"], "start_from": "latest"},
    "destination": {"webhook_url": "https://host.example/hook"},
    "dead_letter": {"topic": "d"},
}))
application._destination.sender(print, application._clock)
wired = application._planner, application._destination._client
print([type(part).__name__ for part in wired], application._destination._sender._encode.__name__)
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


def test_off_nothing_of_it_is_imported_and_nothing_is_wrapped():
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['Planner', 'LeanClient'] encode_single", "[]"]


def test_without_the_extra_the_settings_say_what_to_install(monkeypatch):
    monkeypatch.setattr(rules.importlib.util, "find_spec", lambda _: None)
    section = {
        "kafka": {"bootstrap_servers": "b", "topics": ["t"], "start_from": "latest"},
        "dead_letter": {"topic": "d"},
    }
    shadow = {"destination": {}, "delivery": {"mode": "shadow"}}
    settings = Settings.model_validate({**section, **shadow, "tracing": {"enabled": True}})
    (problem,) = rules.check(settings)
    assert problem.path == "tracing.enabled"
    assert "segment-chartmogul-consumer[otel]" in problem.message
