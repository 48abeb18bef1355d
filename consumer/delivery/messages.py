"""What goes into the machine and what comes out: its whole interface, as values.

Times are monotonic seconds of the driver's choosing; the machine has no clock. Values that there is one of for
each event or request are NamedTuples: a frozen dataclass costs a microsecond to build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.delivery.halt import HaltReason
    from consumer.outcomes import DecodeReason, DeliverReason, FailureKind, Planned, RejectReason, Stage


class Partition(NamedTuple):
    """A topic's partition."""

    topic: str
    number: int


class Position(NamedTuple):
    """What a group has committed for a partition.

    Attributes:
        offset: the next offset to be read; every record below it is done.
        metadata: the commit's metadata, as written by `offset_map.encode` (or by anybody: it is checked).
    """

    offset: int
    metadata: str = ""


class Record(NamedTuple):
    """A polled record with what routing decided for it.

    Attributes:
        size: bytes that it holds in memory (key, value, headers).
        planned: one entry a delivery; never empty.
        source: the driver's own handle to the record (key, value and headers for a dead letter); opaque here.
        timestamp_ms: the record's timestamp, Unix milliseconds, or 0 where it has none.
    """

    partition: Partition
    offset: int
    size: int
    planned: Sequence[Planned]
    source: object
    timestamp_ms: int = 0


# ---- events: what happened


class Assigned(NamedTuple):
    """Partitions that are ours from now on.

    Attributes:
        positions: where each starts, and what is known to be done above that.
        counts: how many partitions each subscribed topic has: what ours are a part of.
    """

    positions: Mapping[Partition, Position]
    counts: Mapping[str, int]


class Polled(NamedTuple):
    """Records, in offset order within each partition."""

    records: Sequence[Record]


class Answer(NamedTuple):
    """How one attempt ended.

    Attributes:
        send: the `Send` it belongs to.
        status: the HTTP status, or 0 where there was no complete answer.
        failure: why there was none.
        retry_after: seconds asked for by the other side, or None.
        seconds: how long the attempt took.
        excerpt: the answer's first bytes as text, for the dead letter; may be "".
        statuses: a status for each delivery in the request, where the endpoint gives them; else None.
    """

    send: Send
    status: int
    failure: FailureKind | None = None
    retry_after: float | None = None
    seconds: float = 0.0
    excerpt: str = ""
    statuses: Sequence[int] | None = None


class Completed(NamedTuple):
    """Attempts that have ended since the last turn.

    ``unix_ms`` is the driver's wall clock, for the metric of an event's age at its delivery; nothing is decided by it.
    """

    answers: Sequence[Answer]
    unix_ms: int = 0


class DeadLettersWritten(NamedTuple):
    """Dead letters that the broker has acknowledged (or not)."""

    acknowledged: Sequence[DeadLetter]
    failed: Sequence[DeadLetter] = ()


class Committed(NamedTuple):
    """The outcome of the commit under way."""

    positions: Mapping[Partition, Position]
    ok: bool


class Revoking(NamedTuple):
    """Partitions to be given up: answered by `Release` once drained, at the latest at ``deadline``."""

    partitions: Sequence[Partition]
    deadline: float


class Lost(NamedTuple):
    """Partitions that are no longer ours: nothing about them may be committed."""

    partitions: Sequence[Partition]


class CountsChanged(NamedTuple):
    """Topics came, went or grew; see `Assigned.counts`."""

    counts: Mapping[str, int]


class DestinationChanged(NamedTuple):
    """The webhook URL was read again and differs: a halt probes at once."""


class Tick(NamedTuple):
    """Time has passed: the `Timer` asked for, or nothing in particular."""


class Reset(NamedTuple):
    """A person has looked: the dead-letter guard starts anew."""


class Stop(NamedTuple):
    """Take in and send nothing more; `Revoking` for all partitions follows."""


Event = (
    Assigned
    | Polled
    | Completed
    | DeadLettersWritten
    | Committed
    | Revoking
    | Lost
    | CountsChanged
    | DestinationChanged
    | Tick
    | Reset
    | Stop
)


# ---- actions: what to do


class Send(NamedTuple):
    """POST these bodies as one request (one body unless a batch format is set).

    Attributes:
        ident: unique within the process.
        bodies: each one delivery's JSON, in order.
        attempt: 1 for the first.
        idempotency_key: the same for each attempt at the same deliveries, by whichever process; "" if not asked for.
    """

    ident: int
    bodies: Sequence[bytes]
    attempt: int
    idempotency_key: str = ""


class DeadLetter(NamedTuple):
    """Write a record to the dead-letter topic and report it with `DeadLettersWritten`.

    Attributes:
        ident: unique within the process; the same when it has to be written again.
        source: the record's handle, as polled.
        detail: field names and kinds of values, no contents.
        body: what was to be sent, where the delivery came that far: an answer's excerpt is cleaned of it.
        status, excerpt, attempts: of the last attempt, where there was one.
        event: which of the record's events it is about, from 0; None where the record is one event.
    """

    ident: int
    partition: Partition
    offset: int
    source: object
    stage: Stage
    reason: RejectReason | DecodeReason | DeliverReason
    mapping: str
    detail: str
    body: bytes = b""
    status: int = 0
    excerpt: str = ""
    attempts: int = 0
    event: int | None = None


class Commit(Struct, frozen=True):
    """Commit these positions; one commit is under way at a time; answered by `Committed`."""

    positions: Mapping[Partition, Position]


class Release(Struct, frozen=True):
    """The answer to `Revoking`: commit these positions synchronously and let go; they are fenced from now on."""

    positions: Mapping[Partition, Position]


class Pause(Struct, frozen=True):
    """The set of partitions to be paused from now on, whole: those not in it are to be resumed."""

    partitions: frozenset[Partition]


class Timer(Struct, frozen=True):
    """Call with `Tick` at this time; replaces the timer before."""

    at: float


class HaltChanged(Struct, frozen=True):
    """Delivery has halted for a reason, or (``None``) goes on."""

    reason: HaltReason | None
    detail: str = ""


class Probe(Struct, frozen=True):
    """A halted delivery is about to be tried: read the webhook URL's file again before the next `Send`."""


Action = Send | DeadLetter | Commit | Release | Pause | Timer | HaltChanged | Probe
