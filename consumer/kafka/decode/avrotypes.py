"""Avro's logical types, and Debezium's names for its own, as the JSON values that a Segment event would have."""

from __future__ import annotations

import base64
import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from consumer.kafka.decode.avrowire import fixed_reader, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumer.kafka.decode.avrowire import Reader

    Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
_DIGITS_OF_EVERY_DOUBLE = 15
"""Any decimal of so many digits survives being a double (IEEE 754, DBL_DIG)."""
_MAX_DECIMAL_BYTES = 128
"""Over 300 digits: beyond any double, and far beyond any database's decimal; int.from_bytes is quadratic in text."""
_DURATION = struct.Struct("<III")


def converted(read: Reader, convert: Convert) -> Reader:
    """``read``, with its value made a JSON value; one that is out of range is named as such."""

    def read_converted(data: bytes, at: int, depth: int) -> tuple[Any, int]:
        value, at = read(data, at, depth)
        try:
            return convert(value), at
        except (OverflowError, ValueError, ArithmeticError):
            raise invalid("has a date, time, UUID or decimal out of its range") from None

    return read_converted


def text_or_base64(value: bytes) -> str:
    """Bytes as a JSON value: their text if they are UTF-8, else base64."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def timestamp(units_per_second: int, *, utc: bool) -> Convert:
    """Of a count since 1970: ``2026-03-02T08:00:00.005Z``, in as many digits as the unit has; no Z if it is local."""
    digits = len(str(units_per_second)) - 1
    zone = "Z" if utc else ""

    def text(count: int) -> str:
        seconds, rest = divmod(count, units_per_second)
        return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]}.{rest:0{digits}}{zone}"

    return text


def day(count: int) -> str:
    """Of days since 1970: ``2026-03-02``."""
    return (_EPOCH_DAY + timedelta(days=count)).isoformat()


def time_of_day(units_per_second: int) -> Convert:
    """Of a count since midnight: ``08:00:00.005``."""
    digits = len(str(units_per_second)) - 1

    def text(count: int) -> str:
        seconds, rest = divmod(count, units_per_second)
        if not 0 <= seconds < 86_400:
            raise ValueError
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:0{digits}}"

    return text


def decimal(schema: Mapping[str, Any]) -> Convert:
    """Of an unscaled two's complement integer: a number where a double holds its digits, else its text."""
    scale = schema.get("scale") or 0

    def number(value: bytes) -> int | float | str:
        if len(value) > _MAX_DECIMAL_BYTES:
            raise ValueError
        unscaled = int.from_bytes(value, "big", signed=True)
        if scale == 0 and -(2**63) <= unscaled < 2**63:
            return unscaled
        digits = str(abs(unscaled))
        # Not scaleb(), which rounds to the context's 28 digits: of ids of 38 it would make the same.
        exact = Decimal((int(unscaled < 0), tuple(map(int, digits)), -scale))
        return float(exact) if len(digits) <= _DIGITS_OF_EVERY_DOUBLE else f"{exact:f}"

    return number


def duration(value: bytes) -> str:
    """Months, days and milliseconds as ISO-8601: ``P1M2DT3.004S``."""
    months, days, milliseconds = _DURATION.unpack(value)
    return f"P{months}M{days}DT{milliseconds // 1000}.{milliseconds % 1000:03}S"


def fixed_converter(schema: Mapping[str, Any]) -> Reader:
    """The reader of a fixed type, by its logical type."""
    size, logical = schema["size"], schema.get("logicalType")
    convert: Convert = text_or_base64
    if logical == "decimal":
        convert = decimal(schema)
    elif logical == "duration" and size == _DURATION.size:
        convert = duration
    elif logical == "uuid" and size == 16:
        convert = lambda value: str(UUID(bytes=value))  # noqa: E731 - as the branches beside it
    return converted(fixed_reader(size), convert)


def _always(convert: Convert) -> Callable[[Mapping[str, Any]], Convert]:
    """For types that need nothing of their schema."""
    return lambda _schema: convert


CONVERTERS: dict[tuple[str, str | None], Callable[[Mapping[str, Any]], Convert]] = {
    ("long", "timestamp-millis"): _always(timestamp(1_000, utc=True)),
    ("long", "timestamp-micros"): _always(timestamp(1_000_000, utc=True)),
    ("long", "timestamp-nanos"): _always(timestamp(1_000_000_000, utc=True)),
    ("long", "local-timestamp-millis"): _always(timestamp(1_000, utc=False)),
    ("long", "local-timestamp-micros"): _always(timestamp(1_000_000, utc=False)),
    ("long", "local-timestamp-nanos"): _always(timestamp(1_000_000_000, utc=False)),
    ("int", "date"): _always(day),
    ("int", "time-millis"): _always(time_of_day(1_000)),
    ("long", "time-micros"): _always(time_of_day(1_000_000)),
    ("bytes", "decimal"): decimal,
    ("long", "io.debezium.time.Timestamp"): _always(timestamp(1_000, utc=True)),
    ("long", "io.debezium.time.MicroTimestamp"): _always(timestamp(1_000_000, utc=True)),
    ("long", "io.debezium.time.NanoTimestamp"): _always(timestamp(1_000_000_000, utc=True)),
    ("int", "io.debezium.time.Date"): _always(day),
}
"""By type and logical type (or Kafka Connect's name for it): makes the converter from the schema. Others stay plain."""
