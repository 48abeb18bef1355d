"""Documents as bytes, in each format; and the registry that goes with them."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import fastavro

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kafka.local_registry import LocalRegistry
    from tests.shapes.envelopes import Written

Headers = tuple[tuple[str, bytes], ...]
HEADER: Final = "__value_schema_id"


@dataclass(frozen=True, slots=True)
class Format:
    """One column of the table.

    Attributes:
        name: of the column.
        settings: ``source``, beside the envelope.
        schema: registers the schema of a document, or keeps it in the file: gives its id.
        bytes_of: value and further headers of a record, from its document, its schema and the id.
    """

    name: str
    settings: dict[str, Any]
    kind: str
    value: Callable[[bytes, int], tuple[bytes, Headers]]


def schema_of(value: Any) -> Any:
    """An Avro schema of a JSON value."""
    return _schema(value, (f"T{number}" for number in itertools.count()))


def _schema(value: Any, names: Any) -> Any:
    if isinstance(value, dict):
        fields = [{"name": name, "type": _schema(inner, names)} for name, inner in value.items()]
        return {"type": "record", "name": next(names), "fields": fields}
    if isinstance(value, list):
        return {"type": "array", "items": [_schema(inner, names) for inner in value]}
    kinds = {type(None): "null", bool: "boolean", int: "long", float: "double", str: "string"}
    return kinds[type(value)]


def avro(document: Any) -> bytes:
    """The document by its own schema."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema_of(document)), document)
    return out.getvalue()


def _prefix(body: bytes, schema_id: int) -> tuple[bytes, Headers]:
    return b"\0" + schema_id.to_bytes(4, "big") + body, ()


def _header(body: bytes, schema_id: int) -> tuple[bytes, Headers]:
    return body, ((HEADER, b"\0" + schema_id.to_bytes(4, "big")),)


def _bare(body: bytes, _schema_id: int) -> tuple[bytes, Headers]:
    return body, ()


FORMATS: Final = (
    Format("JSON", {"format": "auto"}, "", _bare),
    Format("JSON Schema, prefix", {"format": "auto"}, "JSON", _prefix),
    Format("JSON Schema, header", {"format": "auto"}, "JSON", _header),
    Format("Avro, prefix", {"format": "auto"}, "AVRO", _prefix),
    Format("Avro, header", {"format": "auto"}, "AVRO", _header),
    Format("Avro, schema in a file", {"format": "avro"}, "file", _bare),
)


def encoded(form: Format, written: Written, registry: LocalRegistry, file: Path) -> tuple[bytes, Headers]:
    """A record's value and headers; its schema goes to the registry or into the file."""
    schema_id = 0
    if form.kind == "JSON":
        schema_id = registry.register({"type": "object"}, "JSON")
    elif form.kind == "AVRO":
        schema_id = registry.register(schema_of(written.document))
    elif form.kind == "file":
        file.write_text(json.dumps(schema_of(written.document)))
    is_avro = form.kind in {"AVRO", "file"}
    body = avro(written.document) if is_avro else json.dumps(written.document, ensure_ascii=False).encode()
    value, headers = form.value(body, schema_id)
    return value, (*written.headers, *headers)
