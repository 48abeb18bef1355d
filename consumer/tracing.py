"""OpenTelemetry: a record's trace goes on through decode and map to each POST, and with it to ChartMogul.

Theory of operation
    Nothing of the service knows of it: two of its parts are wrapped. The planner opens a span for each record, child
    of the ``traceparent`` in the record's headers, with ``decode`` and ``map`` inside; the bodies that it plans are
    bytes which carry the span's context. They come back to the wrapped webhook client, whatever happens in between:
    each attempt is a ``deliver`` span, and its context goes on as ``traceparent`` and ``tracestate``.

    Only then is this module imported, and OpenTelemetry with it: with tracing off there is nothing to ask on the way.

    Spans hold coordinates, message ids, names of mappings, reasons and statuses. Baggage, which may hold anything, is
    neither read nor passed on.

Exporter, sampler and service name are set by OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``, …):
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import structs
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from consumer import __version__
from consumer.errors import WebhookError
from consumer.outcomes import Post
from consumer.planning import Planner
from consumer.webhook.client import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from confluent_kafka import Message
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer

    from consumer.kafka.decode import Decoder
    from consumer.outcomes import Planned
    from consumer.planning import Route
    from consumer.webhook.client import Done, Response, WebhookClient

_NAME: Final = "segment-chartmogul-consumer"
_CARRIED: Final = frozenset({"traceparent", "tracestate"})
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class TracedBody(bytes):
    """A request's body that knows the spans it comes from: one, or with a batch format several."""

    contexts: tuple[Context, ...] = ()


class Tracing:
    """The tracer, and what is wrapped with it.

    Args:
        processor: takes the finished spans; None for the OTLP exporter, in batches.
    """

    def __init__(self, processor: SpanProcessor | None = None) -> None:
        own = {SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME") or _NAME, SERVICE_VERSION: __version__}
        self._provider = TracerProvider(resource=Resource.create(own))
        self._provider.add_span_processor(processor or _exporting())
        self._tracer = self._provider.get_tracer(_NAME, __version__)

    def planner(self, decoder: Decoder, route: Route) -> Planner:
        """A planner that traces."""
        return TracingPlanner(self._tracer, decoder, route)

    def client(self, client: WebhookClient) -> WebhookClient:
        """A client that traces, and passes the trace on."""
        return TracingClient(self._tracer, client)

    @staticmethod
    def encoder(encode: Callable[[Sequence[bytes]], bytes]) -> Callable[[Sequence[bytes]], bytes]:
        """An encoder whose body still knows the spans of what is in it."""

        def encoded(bodies: Sequence[bytes]) -> bytes:
            contexts = [context for each in bodies if isinstance(each, TracedBody) for context in each.contexts]
            body = TracedBody(encode(bodies))
            body.contexts = tuple(contexts)
            return body

        return encoded

    def close(self) -> None:
        """Send what is left; takes the exporter's time-out at worst, so not in the event loop."""
        self._provider.shutdown()


class TracingPlanner(Planner):
    """Opens a span for each record, and one each for decoding and mapping."""

    def __init__(self, tracer: Tracer, decoder: Decoder, route: Route) -> None:
        self._tracer = tracer
        # It has what is asked for: a decoder, as far as the planner is concerned.
        super().__init__(cast("Decoder", _TracingDecoder(tracer, decoder)), route)

    def _plan(self, value: bytes | None, message: Message, timestamp_ms: int) -> Sequence[Planned]:
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": str(message.topic()),
            "messaging.destination.partition.id": str(message.partition()),
            "messaging.kafka.offset": message.offset() or 0,
        }
        with self._tracer.start_as_current_span(
            "process",
            context=_PROPAGATOR.extract(_carrier(message), None),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            record_exception=False,  # its message could hold a piece of the event
        ) as span:
            planned = super()._plan(value, message, timestamp_ms)
            context = set_span_in_context(span)
            for each in planned:
                if not isinstance(each, Post):
                    span.add_event("ended", {"mapping": each.mapping, "reason": each.reason.value})
            return [_carrying(each, context) if isinstance(each, Post) else each for each in planned]

    @property
    def route(self) -> Route:
        """What routes within a span; set it to what routes."""
        return self._traced

    @route.setter
    def route(self, route: Route) -> None:
        self._untraced = route

    def _traced(self, event: dict[str, Any]) -> Sequence[Planned]:
        with self._tracer.start_as_current_span("map", record_exception=False) as span:
            planned = self._untraced(event)
            span.set_attribute("mappings", [each.mapping for each in planned if each.mapping])
            return planned


class _TracingDecoder:
    """Decodes within a span."""

    def __init__(self, tracer: Tracer, decoder: Decoder) -> None:
        self._tracer = tracer
        self._decoder = decoder
        self.wants_headers = decoder.wants_headers

    def decode(self, value: bytes | None, headers: Any, timestamp_ms: int | None) -> Any:
        with self._tracer.start_as_current_span("decode", record_exception=False):
            return self._decoder.decode(value, headers, timestamp_ms)

    def without_fallbacks(self) -> Decoder:
        """As `Decoder.without_fallbacks`; what is looked at once more for the log is no part of the trace."""
        return self._decoder.without_fallbacks()


class TracingClient:
    """A `WebhookClient` that makes each attempt a span and passes its context on."""

    def __init__(self, tracer: Tracer, client: WebhookClient) -> None:
        self._tracer = tracer
        self._client = client

    async def post(self, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Response:
        """As `WebhookClient.post`."""
        contexts = body.contexts if isinstance(body, TracedBody) else ()
        with self._tracer.start_as_current_span(
            "deliver",
            context=contexts[0] if len(contexts) == 1 else None,
            kind=SpanKind.CLIENT,
            links=[Link(get_current_span(each).get_span_context()) for each in contexts] if len(contexts) > 1 else [],
            attributes={"http.request.method": "POST"},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            carried = dict(headers)
            _PROPAGATOR.inject(carried)
            try:
                response = await self._client.post(body, carried)
            except WebhookError as error:
                span.set_attribute("error.type", error.kind.value)
                span.set_status(Status(StatusCode.ERROR))
                raise
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= 400:
                span.set_status(Status(StatusCode.ERROR))
            return response

    def post_now(self, body: bytes, headers: Mapping[str, str], done: Done) -> bool:  # noqa: ARG002 - the interface's
        """Never: a span is around what is awaited."""
        return False

    async def set_url(self, url: str) -> None:
        """As `WebhookClient.set_url`."""
        await self._client.set_url(url)

    async def aclose(self) -> None:
        """As `WebhookClient.aclose`."""
        await self._client.aclose()


def _carrying(post: Post, context: Context) -> Post:
    body = TracedBody(post.body)
    body.contexts = (context,)
    return structs.replace(post, body=body)


def _carrier(message: Message) -> dict[str, str]:
    """The record's trace headers; the last of a name counts, as the producer's instrumentation meant it."""
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return {name.lower(): value.decode("latin-1") for name, value in headers if value and name.lower() in _CARRIED}


def _exporting() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see below
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - 0.1 s that tests do without

    return BatchSpanProcessor(OTLPSpanExporter())
