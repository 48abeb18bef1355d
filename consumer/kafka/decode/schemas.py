"""Which schema a record was written with: the registry's prefix and headers, and what a registry knows of an id.

Decoding does no I/O: a `SchemaSource` answers from memory. A schema that it does not hold yet makes the outcome
`SchemaUnavailable`; the caller loads it, as often as it takes, and decodes the record again.
Wire format: Confluent's; one zero byte and four bytes of id before the value, or ``__value_schema_id`` in the headers,
which holds the same five bytes or a byte of value one and a GUID.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from msgspec import Struct

from consumer.errors import ConsumerError, DecodeError
from consumer.outcomes import DecodeReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.kafka.decode.avro import AvroSchema

SchemaId = int | UUID
"""A schema's number, or its GUID where the producer writes that (in a header only)."""

PREFIX_BYTES = 5
SCHEMA_HEADER = "__value_schema_id"


class SchemaKind(StrEnum):
    """A registry's ``schemaType``."""

    AVRO = "AVRO"
    JSON = "JSON"
    PROTOBUF = "PROTOBUF"
    OTHER = "OTHER"


class Schema(Struct, frozen=True):
    """What a registry has under an id.

    Attributes:
        kind: which format it describes.
        avro: compiled, where it is an Avro schema; None where it is none, or one that cannot be used.
        fault: why an Avro schema cannot be used, else "".
    """

    kind: SchemaKind
    avro: AvroSchema | None = None
    fault: str = ""


class SchemaUnavailable(Struct, frozen=True):
    """Outcome of a record whose schema is not there yet: load it, decode again. Never a skip or a dead letter."""

    schema_id: SchemaId


class SchemaNotLoadedError(ConsumerError):
    """A `SchemaSource` does not hold ``schema_id`` yet."""

    def __init__(self, schema_id: SchemaId) -> None:
        self.schema_id = schema_id
        super().__init__(f"schema {schema_id} is not loaded yet")


class SchemaSource(Protocol):
    """Schemas by id, from memory."""

    def schema(self, schema_id: SchemaId) -> Schema | None:
        """The schema; None if the registry has said that there is none.

        Raises:
            SchemaNotLoadedError: it has not been asked for it yet, or did not answer.
        """
        ...


def prefix_id(value: bytes) -> int | None:
    """The id in the registry's prefix of ``value``; None where it has no prefix."""
    if len(value) > PREFIX_BYTES and value[0] == 0:
        return int.from_bytes(value[1:PREFIX_BYTES], "big")
    return None


def header_id(headers: Sequence[tuple[str, bytes | None]]) -> SchemaId | None:
    """The id in the headers; None where they have none.

    Raises:
        DecodeError: unknown_schema, for a header of that name which holds no id.
    """
    for name, held in headers:
        if name == SCHEMA_HEADER:
            if held is not None and len(held) == PREFIX_BYTES and held[0] == 0:
                return int.from_bytes(held[1:], "big")
            if held is not None and len(held) == 17 and held[0] == 1:
                return UUID(bytes=held[1:])
            raise DecodeError(DecodeReason.UNKNOWN_SCHEMA, f"has a header {SCHEMA_HEADER} that holds no schema id")
    return None
