"""One mapping, compiled: whether it wants an event, and what it makes of it.

The order is the hosted destination's: the mapping is resolved; empty values are removed, the others coerced and
validated; then the one unguarded access of the original to the event, which fails on some; then the action's own
checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from consumer.chartmogul import contact, customer
from consumer.chartmogul.body import encode
from consumer.chartmogul.fields import shape
from consumer.chartmogul.fused import Check, fuse
from consumer.chartmogul.unguarded import unguarded_access
from consumer.errors import ConfigurationError, MappingError, Problem, TriggerError
from consumer.outcomes import Action, Planned, Post, Reject, RejectReason, Stage
from consumer.segment.mapping import compile_mapping
from consumer.segment.read_paths import mapping_paths, trigger_paths
from consumer.segment.trigger import TriggerSyntaxError, compile_trigger

if TYPE_CHECKING:
    from consumer.chartmogul.fields import Field
    from consumer.segment.read_paths import Path


class MappingSpec(Struct, frozen=True):
    """One mapping as a person writes it.

    Attributes:
        name: how metrics, logs and dead letters call it; unique.
        action: what it sends.
        trigger: which events it wants, in the hosted dialect.
        mapping: the fields, values or directives; never changed.
        enabled: a disabled mapping is checked, and wants no event.
        allow_hosted_quirks: a trigger that does not do what it reads is meant so. Read by the configuration's check;
        here the
            trigger always means what it means to the hosted destination.
    """

    name: str
    action: Action
    trigger: str
    mapping: dict[str, Any]
    enabled: bool = True
    allow_hosted_quirks: bool = False


DEFAULT_MAPPINGS = (
    MappingSpec("Send Contact", Action.SEND_CONTACT, contact.DEFAULT_TRIGGER, contact.DEFAULT_MAPPING),
    MappingSpec("Send Customer", Action.SEND_CUSTOMER, customer.DEFAULT_TRIGGER, customer.DEFAULT_MAPPING),
)
"""What the hosted destination offers when a mapping is added: contacts from identify, customers from group."""


class CompiledMapping:
    """A mapping ready for events. Building it raises `ConfigurationError` with every mistake in it.

    Attributes:
        spec: what it was built from.
        trigger: which events it wants.
        event_types: the types of event that the trigger can match; None where it can match any.
    """

    def __init__(self, spec: MappingSpec, *, require_company_id: bool) -> None:
        self.spec = spec
        problems: list[Problem] = []
        try:
            self.trigger = compile_trigger(spec.trigger)
            self.event_types = self.trigger.event_types
        except TriggerSyntaxError as error:
            problems.append(Problem("trigger", str(error)))
        try:
            self._resolve = compile_mapping(spec.mapping)
        except ConfigurationError as error:
            problems += [Problem(f"mapping.{each.path}", each.message, each.line) for each in error.problems]
        if problems:
            raise ConfigurationError(problems)
        self._fields: tuple[Field, ...]
        self._check: Check
        if spec.action is Action.SEND_CONTACT:
            self._fields = contact.fields(require_company_id=require_company_id)
            self._check = contact.check
        else:
            self._fields, self._check = customer.FIELDS, customer.check
        self._fused = fuse(spec.mapping, self._fields, self._check, spec.name, spec.action)

    @property
    def reads(self) -> list[Path]:
        """The paths of an event that its deliveries depend on, beside whether there is anything at `PRESENT`."""
        paths = mapping_paths(self.spec.mapping) + trigger_paths(self.trigger.group)
        return [*paths, ("type",), ("messageId",), ("context", "personas")]

    def deliver(self, event: dict[str, Any], event_type: str) -> Planned | None:
        """What becomes of an event; None where the trigger does not want it.

        Args:
            event: never changed.
            event_type: its type as metrics call it.
        """
        try:
            return self.make(event, event_type) if self.trigger.matches(event) else None
        except TriggerError as error:
            return self.refused(error, event_type)

    def make(self, event: dict[str, Any], event_type: str) -> Planned:
        """What becomes of an event that the trigger wants; arguments as of `deliver`."""
        fused = self._fused
        return (fused and fused(event, event_type)) or self._step_by_step(event, event_type)

    def _step_by_step(self, event: dict[str, Any], event_type: str) -> Planned:
        """The same for any event; this way alone says what is refused."""
        name = self.spec.name
        try:
            payload, errors = shape(self._resolve(event), self._fields)
        except MappingError as error:
            return Reject(RejectReason.MAPPING_ERROR, Stage.MAP, name, event_type, error.errors)
        if errors:
            return Reject(RejectReason.INVALID_PAYLOAD, Stage.VALIDATE, name, event_type, tuple(errors))
        fault = unguarded_access(event)
        if fault is not None:
            return Reject(RejectReason.INTERNAL_ERROR, Stage.VALIDATE, name, event_type, (fault,))
        whose = self._check(payload)
        if isinstance(whose, tuple):
            return Reject(whose[0], Stage.VALIDATE, name, event_type, (whose[1],))
        message_id = event.get("messageId")
        if not isinstance(message_id, str):
            message_id = ""
        return Post(
            name, self.spec.action, f"{self.spec.action.value}:{whose}", encode(payload), message_id, event_type
        )

    def refused(self, error: TriggerError, event_type: str) -> Reject:
        """What becomes of an event on which the trigger fails."""
        return Reject(error.reason, Stage.TRIGGER, self.spec.name, event_type, error.errors)
