"""Avro's binary encoding read into plain JSON values, by a reader that is compiled once per schema.

fastavro parses the schemas; reading is ours, for three reasons. fastavro recurses in C without a limit: 40 KB of a
recursive schema's data end the process, which no partition may do to the others. It makes dates and decimals that would
have to be walked over again to become JSON. And closures which slice the record's bytes take less than half its time.

What Avro has and JSON has not becomes: timestamps, dates and times ISO-8601 text; decimals a number where a double
holds all their digits, else text; bytes and fixed their text where they are UTF-8, else base64; UUIDs and enums text;
NaN null. A record's field that is null is left out, as if absent in JSON; a map's null value stays. A record with the
attribute ``"unwrap": true`` and one field stands for that field's value: it is how a schema says "any JSON value", for
Avro recurses by name only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.errors import DecodeError
from consumer.kafka.decode.avrorecord import Field, record_reader
from consumer.kafka.decode.avroresolve import ResolutionError, Resolver
from consumer.kafka.decode.avrotypes import CONVERTERS, converted, fixed_converter, text_or_base64
from consumer.kafka.decode.avrowire import (
    Reader,
    array_reader,
    invalid,
    map_reader,
    read_boolean,
    read_bytes,
    read_double,
    read_float,
    read_long,
    read_null,
    read_string,
    union_reader,
)
from consumer.kafka.decode.avrowritten import as_written
from consumer.kafka.decode.limits import check_contents, too_deep
from consumer.outcomes import DecodeReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.kafka.decode.limits import DecodeLimits

_PRIMITIVES: dict[str, Reader] = {
    "null": read_null,
    "boolean": read_boolean,
    "int": read_long,
    "long": read_long,
    "float": read_float,
    "double": read_double,
    "string": read_string,
    "bytes": converted(read_bytes, text_or_base64),
}


class SchemaError(ValueError):
    """An Avro schema that cannot be used; the message says why."""


class AvroSchema:
    """A writer's schema, compiled. Immutable; any number of threads may read with it.

    Args:
        schema: the schema as JSON has it.
        references: schemas of the named types that it takes from elsewhere, each after those it needs itself.
        reader: the schema that it is to be read as (`consumer.kafka.decode.avroresolve`); None reads what was written.

    Raises:
        SchemaError: it is no valid Avro schema, has a shape whose data could not be bounded, or lacks what the reader's
            requires.
    """

    def __init__(self, schema: Any, references: Iterable[Any] = (), reader: Any = None) -> None:
        # Here: a twentieth of the service's import, and most topics hold JSON.
        import fastavro  # noqa: PLC0415 - as above
        from fastavro.schema import SchemaParseException, UnknownType  # noqa: PLC0415 - as above

        named: dict[str, Any] = {}
        try:
            for reference in references:
                fastavro.parse_schema(as_written(reference), named)
            parsed = fastavro.parse_schema(as_written(schema), named)
            if reader is not None:
                wanted: dict[str, Any] = {}
                resolver = Resolver(named, wanted)
                parsed = resolver.schema(parsed, fastavro.parse_schema(reader, wanted))
                named = resolver.named
            self._read = _Compiler(named).reader(parsed)
        except SchemaError:
            raise
        except ResolutionError as error:
            raise SchemaError(str(error)) from None
        except (SchemaParseException, UnknownType, KeyError, TypeError, ValueError, AttributeError) as error:
            raise SchemaError(f"is no valid Avro schema ({type(error).__name__})") from error
        except RecursionError as error:
            raise SchemaError("is nested too deeply") from error

    def read(self, data: bytes, limits: DecodeLimits, offset: int = 0) -> Any:
        """The value that ``data`` holds from ``offset`` to its end.

        Raises:
            DecodeError: invalid_avro, invalid_utf8, too_deep, too_many_keys, string_too_long.
        """
        try:
            value, end = self._read(data, offset, limits.max_depth)
        except IndexError:
            raise invalid("ends in the middle of a value") from None
        except UnicodeDecodeError:
            raise DecodeError(DecodeReason.INVALID_UTF8, "has a string that is not UTF-8") from None
        except RecursionError:
            raise too_deep(limits) from None
        if end > len(data):
            raise invalid("ends in the middle of a value")
        if end < len(data):
            raise invalid(f"has {len(data) - end} bytes after its value")
        if len(data) > limits.max_string_chars or len(data) > limits.max_keys:
            check_contents(value, limits)
        return value


class _Compiler:
    """Makes readers of a parsed schema, in which fastavro has written every name in full."""

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._readers: dict[str, Reader] = {}

    def reader(self, schema: Any) -> Reader:
        """The reader of ``schema``: a primitive's or a type's name, a union, or an object."""
        if isinstance(schema, list):
            return union_reader([self.reader(branch) for branch in schema])
        if isinstance(schema, str):
            return _PRIMITIVES[schema] if schema in _PRIMITIVES else self._reference(schema)
        kind = schema["type"]
        if kind in {"record", "error", "enum", "fixed"}:
            self._named.setdefault(schema["name"], schema)
            return self._reference(schema["name"])
        if kind == "array":
            if self._may_be_empty(schema["items"]):
                raise SchemaError("has an array whose items take no bytes, so that a few bytes could hold any number")
            return array_reader(self.reader(schema["items"]))
        if kind == "map":
            return map_reader(self.reader(schema["values"]))
        convert = CONVERTERS.get((kind, schema.get("logicalType") or schema.get("connect.name")))
        if convert is None:
            return self.reader(kind)
        return converted(read_bytes if kind == "bytes" else self.reader(kind), convert(schema))

    def _reference(self, name: str) -> Reader:
        """The reader of a named type, made at its first use; within itself it is looked up when it is called."""
        if name in self._readers:
            return self._readers[name]
        readers = self._readers

        def later(data: bytes, at: int, depth: int) -> tuple[Any, int]:
            return readers[name](data, at, depth)

        readers[name] = later
        readers[name] = self._named_type(self._named[name])
        return readers[name]

    def _named_type(self, schema: Any) -> Reader:
        if schema["type"] == "enum":
            symbols = tuple(schema["symbols"])

            def read_symbol(data: bytes, at: int, depth: int) -> tuple[Any, int]:
                index, at = read_long(data, at, depth)
                if not 0 <= index < len(symbols):
                    raise invalid("has a symbol that its enum does not have")
                return symbols[index], at

            return read_symbol
        if schema["type"] == "fixed":
            return fixed_converter(schema)
        fields = schema["fields"]
        if schema.get("unwrap") is True and len(fields) == 1:
            return self.reader(fields[0]["type"])
        return record_reader([self._field(field) for field in fields], schema.get("fill"))

    def _field(self, field: dict[str, Any]) -> Field:
        name, schema = field.get("as", field["name"]), field["type"]
        if not isinstance(name, str):
            raise SchemaError("has a field whose name is no text")
        if field.get("skip") is True:
            return Field(name, self.reader(schema), skip=True)
        if isinstance(schema, list) and len(schema) == 2 and "null" in schema:
            null_branch = schema.index("null")
            return Field(name, self.reader(schema[1 - null_branch]), null_branch)
        return Field(name, self.reader(schema))

    def _may_be_empty(self, schema: Any, within: frozenset[str] = frozenset()) -> bool:
        """Whether a value of ``schema`` can take no bytes: null, or a record or fixed that has nothing else."""
        if isinstance(schema, list):
            return False  # a union writes which branch it is
        if isinstance(schema, str):
            if schema in _PRIMITIVES:
                return schema == "null"
            return schema in within or self._may_be_empty(self._named[schema], within)
        kind = schema["type"]
        if kind in {"record", "error"}:
            inside = within | {schema["name"]}
            return all(self._may_be_empty(field["type"], inside) for field in schema["fields"])
        if kind == "fixed":
            return bool(schema["size"] == 0)
        return kind not in {"array", "map", "enum"} and self._may_be_empty(kind, within)
