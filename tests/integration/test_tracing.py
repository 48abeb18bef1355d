"""Tracing switched on in the running service: a record's trace arrives at the webhook, and its spans at a collector."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import RunningService, identify, records, settings, wait_for
from tests.kafka.client import Record

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def collector():
    """An OTLP collector: its address, and the spans that came."""
    spans = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
            spans.extend(s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_trace_goes_through(embedded_kafka, collector, tmp_path):
    endpoint, spans = collector
    topic, letters = "events", "letters"
    for name in (topic, letters):
        embedded_kafka.create_topic(name, 1)
    (event,) = records([identify(1, "CANARY-user")])
    header = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())
    embedded_kafka.produce(topic, [Record(event.value, event.key, headers=(header,))])
    with ThreadedSandbox("CANARY-token", rate_per_second=None, max_parallel=None) as sandbox:
        (tmp_path / "url").write_text(sandbox.url)
        config = settings(embedded_kafka, topic, letters, tmp_path / "url", tracing={"enabled": True})
        with RunningService(config, tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}) as service:
            wait_for(lambda: sandbox.stats()["delivered"] == 1, "it is delivered")
            assert service.stop() == 0
        (delivery,) = sandbox.deliveries()
    own = [span for span in spans if span.trace_id.hex() == TRACE]
    assert {span.name for span in own} == {"process", "decode", "map", "deliver"}
    (deliver,) = (span for span in own if span.name == "deliver")
    assert delivery["headers"]["traceparent"] == f"00-{TRACE}-{deliver.span_id.hex()}-01"
    assert "CANARY" not in str(spans) + json.dumps(service.log)
