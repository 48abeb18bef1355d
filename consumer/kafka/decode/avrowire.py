"""Avro's binary encoding, a reader a type: ``reader(data, at, depth)`` gives the value and where the next one starts.

``depth`` is how many more levels of records, maps and arrays may open. Bytes that end too early show as IndexError, or
as an end beyond theirs; `AvroSchema.read` names both. No count is trusted before as many bytes are seen to be there.
Encoding: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

from consumer.errors import DecodeError
from consumer.outcomes import DecodeReason

Reader = Callable[[bytes, int, int], tuple[Any, int]]

_FLOAT = struct.Struct("<f").unpack_from
_DOUBLE = struct.Struct("<d").unpack_from
_CONTINUES = 0x80
_CONTINUES_OR_ODD = 0x81
_MAX_SHIFT = 63


def invalid(what: str) -> DecodeError:
    """The reject of data that the schema cannot have written."""
    return DecodeError(DecodeReason.INVALID_AVRO, f"{what}; was it written with another schema?")


def too_deep_here() -> DecodeError:
    """The reject of data that opens one level too many."""
    return DecodeError(DecodeReason.TOO_DEEP, "nests records, maps and arrays deeper than allowed (max_depth)")


def read_null(_data: bytes, at: int, _depth: int) -> tuple[Any, int]:
    """Nothing."""
    return None, at


def read_boolean(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
    """One byte, 0 or 1."""
    byte = data[at]
    if byte > 1:
        raise invalid("has a boolean that is neither 0 nor 1")
    return byte == 1, at + 1


def read_long(data: bytes, at: int, _depth: int = 0) -> tuple[Any, int]:
    """An int or long: zigzag, seven bits a byte, at most ten bytes."""
    byte = data[at]
    at += 1
    number = byte & 0x7F
    shift = 7
    while byte & _CONTINUES:
        if shift > _MAX_SHIFT:
            raise invalid("has a number of more than 64 bits")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    if number >> 64:
        raise invalid("has a number of more than 64 bits")
    return (number >> 1) ^ -(number & 1), at


def read_float(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
    """Four bytes, little-endian; NaN is null."""
    if at + 4 > len(data):
        raise IndexError
    (number,) = _FLOAT(data, at)
    return None if math.isnan(number) else number, at + 4


def read_double(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
    """Eight bytes, little-endian; NaN is null."""
    if at + 8 > len(data):
        raise IndexError
    (number,) = _DOUBLE(data, at)
    return None if math.isnan(number) else number, at + 8


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    length, at = read_long(data, at)
    if length < 0:
        raise invalid("has a negative length")
    return length, at


def read_string(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
    """A length, then UTF-8. One that would pass the end is cut short here and seen by whoever reads on from there."""
    length = data[at]
    at += 1
    if length & _CONTINUES_OR_ODD:
        second = data[at]
        if length & 1 or second & _CONTINUES:  # 8 KB or more, or what is no length
            length, at = _read_length(data, at - 1)
        else:
            length = (length & 0x7F | second << 7) >> 1
            at += 1
    else:
        length >>= 1
    end = at + length
    return data[at:end].decode(), end


def read_bytes(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
    """A length, then that many bytes, as they are."""
    length, at = _read_length(data, at)
    end = at + length
    return data[at:end], end


def fixed_reader(size: int) -> Reader:
    """Reads ``size`` bytes, as they are."""

    def read_fixed(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
        end = at + size
        if end > len(data):
            raise IndexError  # as reading beyond the end does
        return data[at:end], end

    return read_fixed


def union_reader(branches: Sequence[Reader]) -> Reader:
    """Reads the branch that the data names."""

    def read_union(data: bytes, at: int, depth: int) -> tuple[Any, int]:
        index = data[at]
        if index & _CONTINUES_OR_ODD:
            index, at = read_long(data, at)
        else:
            index >>= 1
            at += 1
        if not 0 <= index < len(branches):
            raise invalid("has a union's branch that its schema does not have")
        read: Reader = branches[index]
        return read(data, at, depth)

    return read_union


def _read_count(data: bytes, at: int) -> tuple[int, int]:
    """How many items the next block has; each takes a byte at least, so that more than there are bytes is a lie."""
    count = data[at]
    if count & _CONTINUES_OR_ODD:
        count, at = read_long(data, at)
        if count < 0:  # the block's size in bytes follows, for those who want to skip it
            count = -count
            _, at = read_long(data, at)
    else:
        count >>= 1
        at += 1
    if count > len(data) - at:
        raise IndexError
    return count, at


def array_reader(read: Reader) -> Reader:
    """Reads a list of items."""

    def read_array(data: bytes, at: int, depth: int) -> tuple[Any, int]:
        if depth <= 0:
            raise too_deep_here()
        depth -= 1
        items = []
        count, at = _read_count(data, at)
        while count:
            for _ in range(count):
                item, at = read(data, at, depth)
                items.append(item)
            count, at = _read_count(data, at)
        return items, at

    return read_array


def map_reader(read: Reader) -> Reader:
    """Reads an object by string keys; the last of equal keys wins."""

    def read_map(data: bytes, at: int, depth: int) -> tuple[Any, int]:
        if depth <= 0:
            raise too_deep_here()
        depth -= 1
        found = {}
        count, at = _read_count(data, at)
        while count:
            for _ in range(count):
                key, at = read_string(data, at, depth)
                found[key], at = read(data, at, depth)
            count, at = _read_count(data, at)
        return found, at

    return read_map
