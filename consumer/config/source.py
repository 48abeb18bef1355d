"""The settings ``source``: what a record is, from its bytes to a Segment event.

`consumer.kafka.decode` does what these say; its own words for them (presets, fallbacks) are repeated here as enums, and
a test holds both to each other.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, WithJsonSchema

from consumer.config.section import Flag, Name, Number, Section, Whole


class SourceFormat(StrEnum):
    """What a record's bytes are."""

    AUTO = "auto"
    JSON = "json"
    AVRO = "avro"
    JSON_SCHEMA = "json-schema"


class Envelope(StrEnum):
    """What an event is wrapped in: the presets of `consumer.kafka.decode`."""

    NONE = "none"
    RUDDERSTACK = "rudderstack"
    JITSU = "jitsu"
    CONNECT = "connect"
    CLOUDEVENTS = "cloudevents"
    DEBEZIUM = "debezium"
    BATCH = "batch"


class SentAtSource(StrEnum):
    """What may stand in for ``sentAt``."""

    RECEIVED_AT = "receivedAt"
    TIMESTAMP = "timestamp"
    ORIGINAL_TIMESTAMP = "originalTimestamp"
    RECORD_TIME = "record_time"


class GroupUserIdSource(StrEnum):
    """What may stand in for ``userId`` of a group call."""

    ANONYMOUS_ID = "anonymousId"
    GROUP_ID = "groupId"


def _envelope(value: str) -> str:
    """A preset's name or a JSON pointer.

    Raises:
        ValueError: neither.
    """
    if value in set(Envelope) or value.startswith("/"):
        return value
    raise ValueError(f"must be one of {', '.join(Envelope)}, or a JSON pointer such as /payload/event")


def _path(value: str) -> str:
    """Names joined by dots.

    Raises:
        ValueError: a name is empty.
    """
    if all(value.split(".")):
        return value
    raise ValueError("must be names joined by dots, such as traits.company.id")


EnvelopeName = Annotated[
    str,
    AfterValidator(_envelope),
    WithJsonSchema({"anyOf": [{"enum": [preset.value for preset in Envelope]}, {"type": "string", "pattern": "^/"}]}),
]
DottedPath = Annotated[str, AfterValidator(_path)]


class Normalise(Section):
    """Makes Segment events of rows, before filters and triggers see them; in this order, on each event."""

    json_fields: tuple[DottedPath, ...] = ()
    """Strings that hold JSON and are opened: ``[traits, context]`` where a database or Avro keeps them as text."""
    snake_case: Flag = False
    """Rename the event's own fields from snake_case: ``message_id``, ``user_id``, ``anonymous_id``, ``group_id``,
    ``previous_id``, ``sent_at``, ``received_at``, ``original_timestamp``. Traits keep their names: mappings read
    those."""
    rename: dict[DottedPath, DottedPath] = Field(default_factory=dict)
    """Move values, path to path: ``{uid: userId, profile.mail: traits.email}``. What is absent is passed by, and a
    target that has a value keeps it."""
    constants: dict[DottedPath, Any] = Field(default_factory=dict)
    """Set values whatever the event says: ``{type: identify}`` for a topic that holds nothing else."""


class Fallbacks(Section):
    """What stands in for a field that the actions require and the source does not send.

    Off by default: the hosted destination rejects such events. Each use is counted (``fallbacks_total``).
    """

    sent_at: tuple[SentAtSource, ...] = ()
    """For ``sentAt``, asked in turn: ``[receivedAt, timestamp, record_time]``; ``record_time`` is the Kafka record's
    timestamp."""
    group_user_id: tuple[GroupUserIdSource, ...] = ()
    """For ``userId`` of a group call, asked in turn; ``groupId`` makes the company its own user."""


class Limits(Section):
    """How large a record may be.

    One over a limit is dead-lettered by that limit's own reason, before it can slow the others.
    """

    max_record_bytes: Whole = Field(default=1_048_576, ge=1_024, le=268_435_456)
    """Of a record's value. Segment takes 32 KB an event and 500 KB a batch."""
    max_depth: Whole = Field(default=64, ge=1, le=200)
    """Objects and arrays within each other, the event itself included."""
    max_keys: Whole = Field(default=20_000, ge=1, le=10_000_000)
    """Keys of all objects of a record together; a batch's context, merged into its events, may make ten times more."""
    max_string_chars: Whole = Field(default=262_144, ge=1, le=268_435_456)
    """Of one text, key or value."""
    max_events: Whole = Field(default=2_500, ge=1, le=100_000)
    """Events in one record, of a batch."""


class Registry(Section):
    """The schema registry (Confluent's API, which Karapace and Apicurio's ``/apis/ccompat/v7`` serve too)."""

    urls: tuple[Name, ...] = ()
    """Where it is; with several, the one that answered last is asked first. None: there is no registry."""
    username: str | None = None
    """For HTTP basic authentication, with ``password``."""
    password: SecretStr | None = None
    """Prefer the file."""
    password_file: Path | None = None
    """A file that holds the password."""
    bearer_token: SecretStr | None = None
    """Instead of username and password; prefer the file."""
    bearer_token_file: Path | None = None
    """A file that holds the token; read at the start."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""
    client_certificate_file: Path | None = None
    """Certificate (PEM) for mutual TLS, with ``client_key_file``."""
    client_key_file: Path | None = None
    """Its key (PEM)."""
    client_key_password: SecretStr | None = None
    """The key's passphrase; prefer the file."""
    client_key_password_file: Path | None = None
    """A file that holds the passphrase."""
    timeout_seconds: Number = Field(default=10, ge=0.1, le=300)
    """The longest a request may take."""
    cache_directory: Path | None = None
    """Where schemas are kept, so that a restart does not need the registry. ``null``: in memory only."""


class Source(Section):
    """What a record is."""

    format: SourceFormat = SourceFormat.AUTO
    """``auto`` tells by header and first byte: a registry's schema (Avro or JSON), else JSON; ``json``, ``avro``,
    ``json-schema`` take that only."""
    envelope: EnvelopeName = Envelope.NONE
    """What events are wrapped in: ``rudderstack`` (traits in context), ``jitsu`` (httpPayload), ``connect`` (schema and
    payload), ``cloudevents``, ``debezium`` (after, or an outbox), ``batch`` (several events in a record); or a JSON
    pointer to the event or events, ``/payload/event``."""
    avro_schema_file: Path | None = None
    """The schema (.avsc) of Avro without a registry's prefix; with ``format: avro``."""
    avro_reader_schema_file: Path | None = None
    """A schema (.avsc) that Avro is read as, whatever it was written with: fields left out, renamed by alias, filled by
    default. ``null`` reads what was written."""
    normalise: Normalise = Field(default_factory=Normalise)
    fallbacks: Fallbacks = Field(default_factory=Fallbacks)
    limits: Limits = Field(default_factory=Limits)
    registry: Registry = Field(default_factory=Registry)
