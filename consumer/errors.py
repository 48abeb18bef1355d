"""Every exception of this package, split by whose fault it is.

::

    ConsumerError
    ├── ConfigurationError      the person who configured it: settings, mappings; carries every Problem at once
    ├── EventError              one event cannot be handled; it ends by name, the stream goes on
    │   ├── DecodeError         the record's bytes are no event        (stage decode)
    │   └── RejectedError       trigger, mapping or validation refused it  (stages trigger, map, validate)
    │       ├── TriggerError    the trigger could not be evaluated     (stage trigger)
    │       └── MappingError    a mapping directive failed on it       (stage map)
    ├── WebhookError            an attempt ended without an answer: connect, send, read, time-out, certificate
    ├── RegistryUnavailableError  no schema registry gave a usable answer: to be tried again, never a dead letter
    └── KafkaUnavailableError   the broker did not do what was asked in time

Outcomes that are expected (a skip, an HTTP status) are values (`consumer.outcomes`), not exceptions.
No message or attribute that is printed, logged or exported may hold the webhook URL, a secret or an event's contents:
messages name fields, kinds of values and remedies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from consumer.outcomes import FieldError, RejectReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.outcomes import DecodeReason, FailureKind


class ConsumerError(Exception):
    """The root of the tree above."""


class Problem(Struct, frozen=True):
    """One mistake in settings or mappings.

    Attributes:
        path: where it stands, dotted as in the file: ``delivery.retry.cap_seconds``, ``mappings[3].trigger``.
        message: what is wrong, what is allowed and what to do; never the value of a secret.
        line, column: 1-based, in the file, where they are known.
    """

    path: str
    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """``path (line 3, column 5): message``, as far as they are known."""
        column = f", column {self.column}" if self.column is not None else ""
        where = f" (line {self.line}{column})" if self.line is not None else ""
        return f"{self.path}{where}: {self.message}"


class ConfigurationError(ConsumerError):
    """Settings or mappings cannot be used; ``problems`` has every mistake, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class EventError(ConsumerError):
    """One event cannot be handled; the rest go on."""


class DecodeError(EventError):
    """A record's value is not a Segment event."""

    def __init__(self, reason: DecodeReason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason.value}: {detail}")


class RejectedError(EventError):
    """Mapping or validation refused an event, as the hosted destination does."""

    def __init__(self, reason: RejectReason, errors: Sequence[FieldError]) -> None:
        self.reason = reason
        self.errors = tuple(errors)
        super().__init__(f"{reason.value}: " + "; ".join(f"{e.field}: {e.message}" for e in self.errors))


class TriggerError(RejectedError):
    """A trigger cannot be evaluated on an event: the hosted one throws there (a group in which nothing was left)."""

    def __init__(self, message: str) -> None:
        super().__init__(RejectReason.TRIGGER_ERROR, (FieldError("", message),))


class MappingError(RejectedError):
    """A mapping directive failed while it was resolved against an event (@if, @case, @liquid, ...)."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(RejectReason.MAPPING_ERROR, (FieldError(field, message),))


class WebhookError(ConsumerError):
    """An attempt that ended without a complete answer.

    Attributes:
        kind: what happened, the metric label.
        ambiguous: True once the first byte of the request was written: the other side may have acted on it.
        detail: for people; holds neither URL nor body.
    """

    def __init__(self, kind: FailureKind, detail: str, *, ambiguous: bool) -> None:
        self.kind = kind
        self.detail = detail
        self.ambiguous = ambiguous
        super().__init__(f"{kind.value}: {detail}")


class RegistryUnavailableError(ConsumerError):
    """No schema registry gave a usable answer; the message names hosts and what each did, never a credential."""


class KafkaUnavailableError(ConsumerError):
    """The broker did not answer, or refused, within the deadline; the message says what was asked and what to check."""
