"""Makes the decoder that the settings ``source`` describe, with the schemas that it reads by."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from consumer.config.source import SourceFormat
from consumer.errors import ConfigurationError, DecodeError, Problem
from consumer.kafka.decode import AvroSchema, DecodeLimits, Decoder, Fallbacks, Normalise, SchemaError
from consumer.kafka.decode.jsontext import parse_json
from consumer.kafka.waiting import Needs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from confluent_kafka import Message
    from pydantic import SecretStr

    from consumer.config.source import Registry, Source
    from consumer.delivery.messages import Partition
    from consumer.kafka.decode import SchemaId, SchemaSource
    from consumer.kafka.schema_loader import SchemaLoader


class Decoding(Struct, frozen=True):
    """A decoder and what belongs to it.

    Attributes:
        schemas: of the registry; None where there is none. Whoever reads records starts and closes it.
        fallbacks: how often each was used, by field and source.
    """

    decoder: Decoder
    schemas: SchemaLoader | None
    fallbacks: Counter[tuple[str, str]]

    @property
    def needs(self) -> Needs | None:
        """What a Kafka source has to wait for; None where records need nothing."""
        schemas = self.schemas
        return None if schemas is None else Needs(self._schema_of, schemas.missing, lambda: schemas.problem)

    def obstacles(self, waiting: Mapping[Partition, SchemaId]) -> list[str]:
        """What to tell of partitions that wait for a schema which the registry does not give."""
        if self.schemas is None or not self.schemas.problem or not waiting:
            return []
        where = ", ".join(f"{partition.topic}/{partition.number}" for partition in sorted(waiting))
        wanted = ", ".join(sorted({str(schema_id) for schema_id in waiting.values()}))
        return [f"{where}: waiting for schema {wanted}; {self.schemas.problem}; tried again by itself"]

    def _schema_of(self, message: Message) -> SchemaId | None:
        return self.decoder.schema_id(message.value(), message.headers())


def open_decoding(source: Source) -> Decoding:
    """What reads the records of a topic.

    Raises:
        ConfigurationError: a file that the settings name cannot be used.
    """
    schemas = _schema_loader(source.registry, _reader_schema(source)) if source.registry.urls else None
    fallbacks: Counter[tuple[str, str]] = Counter()
    decoder = make_decoder(source, source.format, schemas, fallbacks)
    return Decoding(decoder, schemas, fallbacks)


def make_decoder(
    source: Source,
    form: SourceFormat,
    schemas: SchemaSource | None = None,
    fallbacks: Counter[tuple[str, str]] | None = None,
) -> Decoder:
    """A decoder by these settings, for records of another format perhaps.

    Args:
        source: the settings.
        form: ``SourceFormat.JSON`` for lines of a file, whatever the topic holds.
        schemas: of the registry.
        fallbacks: counts each use, by field and source.

    Raises:
        ConfigurationError: as `open_decoding`.
    """
    used: Counter[tuple[str, str]] = Counter() if fallbacks is None else fallbacks
    normalise, limits = source.normalise, source.limits

    def count(field: str, origin: str) -> None:
        used[field, origin] += 1

    with_file = source.avro_schema_file is not None and form is SourceFormat.AVRO
    return Decoder(
        form.value,
        source.envelope,
        DecodeLimits(**dict(limits)),
        normalise=Normalise(normalise.json_fields, normalise.snake_case, normalise.rename, normalise.constants),
        fallbacks=Fallbacks(
            tuple(each.value for each in source.fallbacks.sent_at),
            tuple(each.value for each in source.fallbacks.group_user_id),
        ),
        count_fallback=count,
        schemas=schemas,
        avro_schema=_avro_schema(source) if with_file else None,
    )


def _avro_schema(source: Source) -> AvroSchema:
    """The schema of Avro without prefix.

    Raises:
        ConfigurationError: a file cannot be read, or is no Avro schema.
    """
    assert source.avro_schema_file is not None
    written, reader = _json_file("source.avro_schema_file", source.avro_schema_file), _reader_schema(source)
    try:
        return AvroSchema(written, reader=reader)
    except SchemaError as error:
        raise ConfigurationError([Problem("source.avro_schema_file", str(error))]) from None


def _reader_schema(source: Source) -> Any:
    """The schema that Avro is to be read as; None reads what was written.

    Raises:
        ConfigurationError: as `_avro_schema`.
    """
    if source.avro_reader_schema_file is None:
        return None
    path = "source.avro_reader_schema_file"
    reader = _json_file(path, source.avro_reader_schema_file)
    try:
        AvroSchema(reader)
    except SchemaError as error:
        raise ConfigurationError([Problem(path, str(error))]) from None
    return reader


def _json_file(path: str, file: Path) -> Any:
    try:
        return parse_json(file.read_bytes(), DecodeLimits(max_depth=200))
    except OSError as error:
        message = f"cannot be read ({error.strerror}); check the path and its mode"
    except DecodeError as error:
        message = error.detail
    raise ConfigurationError([Problem(path, message)])


def _schema_loader(registry: Registry, reader: Any) -> SchemaLoader:
    """The registry's client.

    Raises:
        ConfigurationError: its certificates cannot be used.
    """
    # Here: httpx takes a fifth of a second to import, and most have no registry.
    from consumer.kafka.registry import RegistrySettings, SchemaRegistry  # noqa: PLC0415 - as above
    from consumer.kafka.schema_loader import SchemaLoader  # noqa: PLC0415 - as above

    settings = RegistrySettings(
        urls=registry.urls,
        username=registry.username,
        password=_plain(registry.password),
        bearer_token=_plain(registry.bearer_token),
        ca_file=registry.ca_file,
        client_certificate_file=registry.client_certificate_file,
        client_key_file=registry.client_key_file,
        client_key_password=_plain(registry.client_key_password),
        timeout_seconds=registry.timeout_seconds,
        cache_directory=registry.cache_directory,
    )
    try:
        return SchemaLoader(SchemaRegistry(settings, reader=reader))
    except OSError as error:  # ssl's errors are of this kind
        message = f"its certificate files cannot be used ({error.strerror or type(error).__name__})"
        raise ConfigurationError([Problem("source.registry", message)]) from None


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
