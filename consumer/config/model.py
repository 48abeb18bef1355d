"""The settings, typed: names, units, defaults, limits and one line of reason each.

``schemas/json/settings.schema.json`` and ``docs/reference/settings.md`` are generated from here. Frozen; a key that is
not here is refused. `consumer.config.settings.load_settings` makes them from a file and the environment.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, WithJsonSchema

from consumer.config.section import Flag, Name, Number, Section, Whole
from consumer.config.source import Source
from consumer.outcomes import RejectReason

if TYPE_CHECKING:
    from collections.abc import Iterator


class StartPoint(StrEnum):
    """Where a group that has committed nothing starts."""

    EARLIEST = "earliest"
    LATEST = "latest"


class OutOfRange(StrEnum):
    """What becomes of a partition whose committed offset the topic no longer has."""

    HALT = "halt"
    EARLIEST = "earliest"
    LATEST = "latest"


class Mode(StrEnum):
    """Whether deliveries are sent."""

    LIVE = "live"
    SHADOW = "shadow"


class BatchFormat(StrEnum):
    """What one POST holds."""

    SINGLE = "single"
    ARRAY = "array"
    NDJSON = "ndjson"


class ClientKind(StrEnum):
    """Which client posts."""

    LEAN = "lean"
    STOCK = "stock"


class LanePolicy(StrEnum):
    """What to do about a customer or contact that fails for so long that its partition cannot take in more."""

    BLOCK = "block"
    DEAD_LETTER_EVENT = "dead_letter_event"
    RELEASE_ORDER = "release_order"


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line of the log looks."""

    JSON = "json"
    CONSOLE = "console"


def _start_from(value: Any) -> Any:
    """``earliest``, ``latest`` or a time with a zone.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, (StartPoint, datetime)):
        return value
    if isinstance(value, str):
        if value in set(StartPoint):
            return StartPoint(value)
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            if time.tzinfo is None:
                raise ValueError("is a time without a zone; add Z or an offset: 2026-01-31T00:00:00Z")
            return time
    raise ValueError("must be earliest, latest, or an ISO-8601 time with a zone such as 2026-01-31T00:00:00Z")


StartFrom = Annotated[
    StartPoint | datetime,
    BeforeValidator(_start_from),
    WithJsonSchema(
        {"anyOf": [{"enum": [point.value for point in StartPoint]}, {"type": "string", "format": "date-time"}]}
    ),
]


def _property(value: Any) -> Any:
    """A librdkafka property's value as text, the way librdkafka spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return value


PropertyValue = Annotated[
    SecretStr, BeforeValidator(_property), WithJsonSchema({"type": ["string", "number", "boolean"]})
]


class Kafka(Section):
    """Which topics are read, as whom, and from where."""

    bootstrap_servers: Name
    """Brokers, ``host:port``, separated by commas."""
    group_id: Name = Field(default="chartmogul-consumer", max_length=255)
    """The consumer group; each ChartMogul source and each shadow run has its own."""
    topics: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Topics with Segment events: names, or patterns that begin with ``^``."""
    start_from: StartFrom
    """Where a new group starts: ``earliest``, ``latest`` or an ISO-8601 time with a zone. Required: an old topic
    read from its beginning would flood ChartMogul, and its end would leave events out. A group that has committed goes
    on from there."""
    on_out_of_range: OutOfRange = OutOfRange.HALT
    """What to do when the topic no longer has the committed offset (retention was shorter than an outage, or the topic
    was made anew): ``halt`` until a person has looked, or go on from ``earliest`` or ``latest``."""
    commit_interval_seconds: Number = Field(default=1, ge=0.1, le=60)
    """How often offsets are committed: a crash repeats at most what ended since the last commit."""
    offset_map: Flag = True
    """Write into the commit's metadata what is done above the committed offset, so that a crash does not repeat it."""
    buffer_bytes: Whole = Field(default=33_554_432, ge=1_048_576, le=8_589_934_592)
    """Records in memory, librdkafka's queue included; reading pauses above it."""
    properties: dict[Name, PropertyValue] = Field(default_factory=dict)
    """Any other librdkafka property (TLS, SASL, group.protocol, …). A name with ``_file`` behind it takes the value
    from a file: ``sasl.password_file: /run/secrets/kafka``. Those which the service owns are refused by name."""

    def client_properties(self) -> dict[str, str]:
        """``properties`` in plain text, for librdkafka only."""
        return {name: value.get_secret_value() for name, value in self.properties.items()}


class Destination(Section):
    """The ChartMogul webhook."""

    webhook_url: SecretStr | None = None
    """The webhook's URL from ChartMogul: ``https``, or ``http`` to this machine. It is the only credential: prefer the
    file or the environment. Required, here or as a file, unless ``delivery.mode`` is ``shadow``."""
    webhook_url_file: Path | None = None
    """A file that holds the URL; read again while delivery is halted, so a new URL needs no restart."""
    allow_http: Flag = False
    """Allow ``http`` to other hosts than this one. The URL then travels in the clear."""
    timeout_seconds: Number = Field(default=10, ge=0.1, le=300)
    """The longest an attempt may take, connecting and answer included."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""
    proxy: SecretStr | None = None
    """HTTP proxy, ``http://[user:password@]host:port``."""
    client: ClientKind | None = None
    """``lean`` is this project's own HTTP client: a fraction of the CPU, no proxy. ``stock`` is httpx, for a proxy.
    ``null`` takes ``lean``, or ``stock`` where there is a proxy."""
    idempotency_key: Flag = False
    """Send an ``Idempotency-Key`` header, the same for each attempt at a delivery, for a gateway that knows it."""
    require_company_id: Flag = False
    """Refuse contacts whose company has no id, as Segment's schema does; ChartMogul itself does without."""


class Batch(Section):
    """What one POST holds. ChartMogul takes one object a POST; the other formats are for a gateway in front of it."""

    format: BatchFormat = BatchFormat.SINGLE
    """``single``: one delivery a POST, and the other settings here have no effect. ``array``, ``ndjson``: several."""
    max_events: Whole = Field(default=100, ge=1, le=10_000)
    """Deliveries in one POST."""
    max_bytes: Whole = Field(default=524_288, ge=1_024, le=67_108_864)
    """Size of one POST's body; one delivery that is larger goes alone."""
    linger_seconds: Number = Field(default=0, ge=0, le=60)
    """How long a batch waits to fill."""
    statuses_pointer: str | None = Field(default=None, pattern="^(/[^/]*)+$")
    """JSON pointer to an array in the answer with a status for each delivery, in order, where the endpoint gives one;
    ``/results`` for ``{"results": [200, 422]}``. Without it the answer's status is everybody's."""


class Retry(Section):
    """When a delivery that failed is tried again."""

    budget_seconds: Number = Field(default=14_400, ge=1, le=604_800)
    """Time with the gate open since the first attempt, after which a delivery is dead-lettered; Segment's four hours.
    For age alone only while others are delivered: an outage stalls instead."""
    base_seconds: Number = Field(default=1, ge=0.001, le=3_600)
    """The first delay is at most this; each further one at most twice the one before (full jitter)."""
    cap_seconds: Number = Field(default=300, ge=0.001, le=86_400)
    """The longest delay, and the longest Retry-After that is obeyed."""


class Lane(Section):
    """What to do about one customer or contact that fails for long."""

    policy: LanePolicy = LanePolicy.BLOCK
    """When what waits behind it fills its partition's share of memory: ``block`` (the alert says so),
    ``dead_letter_event`` (its oldest event is given up), ``release_order`` (what is behind it goes first)."""
    patience_seconds: Number = Field(default=60, ge=1, le=86_400)
    """How long its partition stands still before that."""


class Dedupe(Section):
    """Events that are in the topic more than once."""

    max_entries: Whole = Field(default=0, ge=0, le=10_000_000)
    """Deliveries remembered in memory by messageId and mapping, about 150 bytes each; a repeat is skipped as
    ``duplicate``. ``0`` switches it off."""


class Delivery(Section):
    """How fast, how parallel, how long."""

    mode: Mode = Mode.LIVE
    """``live``, or ``shadow``: everything but the POST, to run beside Segment and compare. Give a shadow its own
    ``kafka.group_id``."""
    requests_per_second: Number | None = Field(default=40, gt=0, le=100_000)
    """POSTs a second of the whole deployment: ChartMogul's documented limit. Each replica takes its partitions' share.
    ``null`` is unlimited."""
    burst_requests: Whole = Field(default=1, ge=1, le=100_000)
    """POSTs that may leave at once after a pause."""
    concurrency: Whole = Field(default=20, ge=1, le=1_000)
    """POSTs under way at once, of the whole deployment: ChartMogul's documented limit."""
    batch: Batch = Field(default_factory=Batch)
    retry: Retry = Field(default_factory=Retry)
    lane: Lane = Field(default_factory=Lane)
    dedupe: Dedupe = Field(default_factory=Dedupe)
    drain_timeout_seconds: Number = Field(default=20, ge=0, le=600)
    """How long a stop or a rebalance waits for POSTs under way. Keep terminationGracePeriodSeconds 25 above it."""


class DeadLetter(Section):
    """Where records go that cannot be delivered."""

    topic: Name
    """The dead-letter topic. It holds the original records: personal data, so give it a retention."""
    create: Flag = False
    """Make the topic if it is not there."""
    halt_ratio: Number = Field(default=0.5, gt=0, le=1)
    """Delivery halts rather than dead-letter more than this part of what ended lately, for then the fault is not the
    events'. Counts what cannot be decoded and what ChartMogul refused. ``1`` switches it off."""
    skip_reasons: tuple[RejectReason, ...] = (RejectReason.NO_INFORMATION,)
    """Reasons of mapping and validation which end as skipped instead of dead-lettered."""


class Http(Section):
    """Where /metrics, /healthz, /readyz and /status are served."""

    host: Name = "0.0.0.0"  # noqa: S104 - probes and Prometheus come from other hosts
    """Address to listen on."""
    port: Whole = Field(default=9464, ge=0, le=65_535)
    """Port to listen on; ``0`` takes any free one."""


class Log(Section):
    """What is written to standard error."""

    level: LogLevel = LogLevel.INFO
    """The least severe line that is written."""
    format: LogFormat = LogFormat.JSON
    """``json`` for machines, ``console`` for people."""


class Tracing(Section):
    """OpenTelemetry; where spans go is said by its own ``OTEL_`` variables."""

    enabled: Flag = False
    """Pass the trace context of records on to the POST, with spans for decode, map and deliver. Needs the extra:
    ``pip install segment-chartmogul-consumer[otel]``."""


class Settings(Section):
    """Everything that can be set. File and environment: `consumer.config.settings.load_settings`."""

    kafka: Kafka
    source: Source = Field(default_factory=Source)
    destination: Destination
    delivery: Delivery = Field(default_factory=Delivery)
    dead_letter: DeadLetter
    mappings_file: Path | None = None
    """Your Segment mappings; ``null`` takes the two default ones (identify → contact, group → customer)."""
    http: Http = Field(default_factory=Http)
    log: Log = Field(default_factory=Log)
    tracing: Tracing = Field(default_factory=Tracing)

    def secrets(self) -> Iterator[str]:
        """Every secret in the settings, for the log's last line of defence. A URL in a file is not in the settings."""
        registry = self.source.registry
        for secret in (
            self.destination.webhook_url,
            self.destination.proxy,
            registry.password,
            registry.bearer_token,
            registry.client_key_password,
        ):
            if secret is not None:
                yield secret.get_secret_value()
        for name, value in self.kafka.properties.items():
            if is_secret_property(name):
                yield value.get_secret_value()


def is_secret_property(name: str) -> bool:
    """Whether a librdkafka property's value is a credential."""
    return any(word in name for word in ("password", "secret", "key.pem", "sasl.oauthbearer.config", "token")) and not (
        name.endswith((".url", ".location"))
    )
