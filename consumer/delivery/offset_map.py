"""A commit's metadata: the completions above the committed offset, so that a restart does not repeat them.

Theory of operation
    A commit says "everything below this offset is done". With deliveries in parallel, much above it is done as well;
    a crash would send that again. Kafka keeps a string of up to 4,096 bytes (``offset.metadata.max.bytes``) with each
    committed offset; this module writes those completions into it, as runs of done offsets, shortest coding wins.
    The idea is Confluent parallel-consumer's offset map; the coding is our own, because theirs spends fixed-width
    integers and fails hard on foreign metadata (https://github.com/confluentinc/parallel-consumer/issues/326).

Form
    ``scc1<codec>:<base64url>`` of ``varint started_at_ms, varint elapsed_seconds, body, crc16``. ASCII throughout:
    librdkafka has had trouble with NUL bytes in metadata. Codec ``r``: LEB128 varints, the lengths of alternating
    runs, beginning with an open one at the committed offset. Codec ``b``: one bit an offset, least significant first.

Rules
    Whatever cannot be read is ignored by name (foreign, newer, corrupt) and costs duplicates only: anybody may write
    there, and a roll-back of the version must work.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING
from zlib import crc32

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_CHARS = 4096
"""The broker's default limit for a commit's metadata."""

MAX_DISTANCE = 2**21
"""Offsets between the commit and the last completion that a map may span; a longer one is refused when read."""

_MAGIC = "scc"
_VERSION = "1"

Run = tuple[int, int]
"""Done offsets: from the first up to, not including, the second."""


class Restored(Struct, frozen=True):
    """What a commit's metadata says.

    Attributes:
        runs: done offsets above the committed one, ascending, neither touching nor empty.
        elapsed_seconds: open-gate seconds since the first attempt of the record at the committed offset.
        started_at_ms: when the group's starting point was resolved (Unix milliseconds), 0 where it was not ours to.
        ignored: why the metadata was not used (foreign | newer | corrupt), "" where it was, or where there was none.
    """

    runs: tuple[Run, ...] = ()
    elapsed_seconds: int = 0
    started_at_ms: int = 0
    ignored: str = ""


def encode(base: int, runs: Sequence[Run], *, elapsed_seconds: int = 0, started_at_ms: int = 0) -> str:
    """Write the metadata for a commit at ``base``.

    Args:
        base: the offset committed; it is not done.
        runs: done offsets above ``base``, ascending, neither touching nor empty.
        elapsed_seconds: whole seconds, not negative.
        started_at_ms: Unix milliseconds, or 0.

    Returns:
        ASCII text; "" where there is nothing to say. May exceed `MAX_CHARS`: the caller leaves the runs out then.
    """
    if not runs and not elapsed_seconds and not started_at_ms:
        return ""
    head = _varint(started_at_ms) + _varint(elapsed_seconds)
    body = _as_lengths(base, runs)
    codec = "r"
    if runs and (runs[-1][1] - base + 7) // 8 < len(body):
        body, codec = _as_bits(base, runs), "b"
    payload = head + body
    coded = urlsafe_b64encode(payload + _crc(payload)).decode("ascii").rstrip("=")
    return f"{_MAGIC}{_VERSION}{codec}:{coded}"


def decode(base: int, metadata: str) -> Restored:
    """Read the metadata of a commit at ``base``; never raises."""
    if not metadata:
        return Restored()
    if not metadata.startswith(_MAGIC) or len(metadata) < 6 or metadata[5] != ":":
        return Restored(ignored="foreign")
    if metadata[3] != _VERSION or metadata[4] not in "rb":
        return Restored(ignored="newer")
    try:
        coded = metadata[6:].encode("ascii")
        raw = urlsafe_b64decode(coded + b"=" * (-len(coded) % 4))
        payload, crc = raw[:-2], raw[-2:]
        if len(raw) < 2 or crc != _crc(payload):
            return Restored(ignored="corrupt")
        started_at_ms, at = _read_varint(payload, 0)
        elapsed_seconds, at = _read_varint(payload, at)
        read = _from_lengths if metadata[4] == "r" else _from_bits
        runs = tuple(read(base, payload[at:]))
    except (ValueError, IndexError):
        return Restored(ignored="corrupt")
    return Restored(runs, elapsed_seconds, started_at_ms)


def start_metadata(started_at_ms: int) -> str:
    """The metadata of a starting point that was just resolved at this time."""
    return encode(0, (), started_at_ms=started_at_ms)


def start_of(metadata: str) -> int | None:
    """When the starting point behind this commit was resolved (Unix milliseconds), or None where it does not say."""
    return decode(0, metadata).started_at_ms or None


def _crc(payload: bytes) -> bytes:
    return (crc32(payload) & 0xFFFF).to_bytes(2, "big")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("varint too long")


def _as_lengths(base: int, runs: Iterable[Run]) -> bytes:
    out = bytearray()
    at = base
    for first, end in runs:
        out += _varint(first - at)
        out += _varint(end - first)
        at = end
    return bytes(out)


def _from_lengths(base: int, body: bytes) -> list[Run]:
    runs: list[Run] = []
    at, offset = 0, base
    while at < len(body):
        opened, at = _read_varint(body, at)
        done, at = _read_varint(body, at)
        # An open run of 0 or a done run of 0 is never written: such a map is not ours.
        if not opened or not done or offset + opened + done - base > MAX_DISTANCE:
            raise ValueError("not a map")
        runs.append((offset + opened, offset + opened + done))
        offset += opened + done
    return runs


def _as_bits(base: int, runs: Iterable[Run]) -> bytes:
    bits = 0
    for first, end in runs:
        bits |= ((1 << (end - first)) - 1) << (first - base)
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _from_bits(base: int, body: bytes) -> list[Run]:
    bits = int.from_bytes(body, "little")
    if bits & 1 or not bits:
        raise ValueError("not a map")
    runs: list[Run] = []
    offset = base
    while bits:
        opened = (bits & -bits).bit_length() - 1
        bits >>= opened
        done = (~bits & (bits + 1)).bit_length() - 1
        bits >>= done
        runs.append((offset + opened, offset + opened + done))
        offset += opened + done
    return runs
