"""A record's bytes become a document: JSON, Avro, or JSON with a schema's id before it.

``auto`` tells by header and first byte, never by trying: ``__value_schema_id``, or 0x00 with more than five bytes,
means a registry's schema; everything else is JSON or nothing that is known here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from consumer.errors import DecodeError
from consumer.kafka.decode.jsontext import parse_json
from consumer.kafka.decode.schemas import PREFIX_BYTES, SchemaKind, header_id, prefix_id
from consumer.outcomes import DecodeReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.kafka.decode.avro import AvroSchema
    from consumer.kafka.decode.limits import DecodeLimits
    from consumer.kafka.decode.schemas import SchemaId, SchemaSource

    Headers = Sequence[tuple[str, bytes | None]]
    Read = Callable[[bytes, Headers], Any]

_LAST_ID = 2**31 - 1
"""Registries count in signed 32 bits; what has a larger id is junk that begins with a zero."""
_JSON_STARTS = frozenset(b'{[ \t\r\n"-0123456789tfn\xef')
"""First bytes of JSON text, byte order mark included. What starts otherwise is another format, not broken JSON."""
_STARTS_AS_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[{[]")
_NOT_JSON = frozenset({DecodeReason.INVALID_JSON, DecodeReason.INVALID_UTF8})


class Formats:
    """Reads documents by the setting ``source.format``; each of `FORMATS` is a method.

    Args:
        limits: what a record may be.
        schemas: the registry's, where there is one.
        avro_schema: of Avro without prefix, where a file says it; then no record has a prefix.
    """

    def __init__(self, limits: DecodeLimits, schemas: SchemaSource | None, avro_schema: AvroSchema | None) -> None:
        self._limits = limits
        self._schemas = schemas
        self._avro_schema = avro_schema

    def auto(self, value: bytes, headers: Headers) -> Any:
        """By header, else by the first byte."""
        schema_id = header_id(headers)
        if schema_id is not None:
            return self._by_schema(schema_id, value, 0)
        schema_id = prefix_id(value)
        if schema_id is not None:
            return self._by_schema(schema_id, value, PREFIX_BYTES)
        return self.json(value, headers)

    @staticmethod
    def schema_id(value: bytes, headers: Headers) -> SchemaId | None:
        """The registry's schema that `auto` and `avro` need for a record; None if none, or if they will refuse it."""
        try:
            schema_id = header_id(headers)
        except DecodeError:
            return None
        if schema_id is None:
            schema_id = prefix_id(value)
        return None if _is_beyond(schema_id) else schema_id

    def json(self, value: bytes, _headers: Headers) -> Any:
        """JSON and nothing before it."""
        try:
            return parse_json(value, self._limits)
        except DecodeError as error:
            if error.reason in _NOT_JSON and value and value[0] not in _JSON_STARTS:
                raise self._unknown(value) from None
            raise

    def json_schema(self, value: bytes, headers: Headers) -> Any:
        """JSON after the prefix, whose schema is not asked for; or JSON by itself, its id in a header or nowhere."""
        return self.json(value[PREFIX_BYTES:] if prefix_id(value) is not None else value, headers)

    def avro(self, value: bytes, headers: Headers) -> Any:
        """Avro by the registry's schema; or by the file's, without prefix."""
        if self._avro_schema:
            return self._avro_schema.read(value, self._limits)
        schema_id = header_id(headers)
        offset = 0
        if schema_id is None:
            schema_id, offset = prefix_id(value), PREFIX_BYTES
        if schema_id is None:
            raise DecodeError(
                DecodeReason.UNKNOWN_FORMAT,
                "has no schema registry's prefix; for Avro without one set source.avro_schema_file",
            )
        return self._by_schema(schema_id, value, offset)

    def _by_schema(self, schema_id: SchemaId, value: bytes, offset: int) -> Any:
        """What a registry's schema says of ``value`` from ``offset``."""
        if self._schemas is None:
            # As JSON Schema has it: its schema is not needed. Avro may begin like it, but then is no JSON.
            if _STARTS_AS_OBJECT.match(value, offset):
                try:
                    return parse_json(value[offset:], self._limits)
                except DecodeError as error:
                    if error.reason not in _NOT_JSON:
                        raise
            raise DecodeError(DecodeReason.UNKNOWN_SCHEMA, "names a registry's schema; set source.registry.urls")
        schema = None if _is_beyond(schema_id) else self._schemas.schema(schema_id)
        if schema is None:
            raise DecodeError(
                DecodeReason.UNKNOWN_SCHEMA, f"names schema {schema_id}, which the registry does not have"
            )
        if schema.kind is SchemaKind.JSON:
            return parse_json(value[offset:], self._limits)
        if schema.avro is None:
            fault = schema.fault or f"is of type {schema.kind}, which is not supported"
            raise DecodeError(DecodeReason.UNKNOWN_SCHEMA, f"names schema {schema_id}, which {fault}")
        return schema.avro.read(value, self._limits, offset)

    def _unknown(self, value: bytes) -> DecodeError:
        """The reject of bytes that are not meant to be JSON."""
        if prefix_id(value) is not None:
            found = "starts with the schema registry's prefix (0x00)"
            remedy = "set source.format to auto, avro or json-schema"
        else:
            found = f"starts with byte 0x{value[0]:02x}, which neither JSON nor the schema registry's prefix does"
            remedy = "producers must write JSON, or Avro or JSON Schema with the registry's prefix"
        return DecodeError(DecodeReason.UNKNOWN_FORMAT, f"{found}; {remedy}")


def _is_beyond(schema_id: SchemaId | None) -> bool:
    """Whether no registry can have it. Asked for it, one may not say so: to its own routes it is no number."""
    return isinstance(schema_id, int) and schema_id > _LAST_ID


FORMATS: dict[str, Callable[[Formats], Read]] = {
    "auto": lambda formats: formats.auto,
    "json": lambda formats: formats.json,
    "avro": lambda formats: formats.avro,
    "json-schema": lambda formats: formats.json_schema,
}
"""The names that ``source.format`` takes."""
