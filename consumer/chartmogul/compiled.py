"""One mapping, compiled: whether it wants an event, and what it makes of it.

The order is the hosted destination's: the mapping is resolved; empty values are removed, the others coerced and
validated; then the one unguarded access of the original to the event, which fails on some; then the action's own
checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from consumer.chartmogul import contact, customer
from consumer.chartmogul.body import encode
from consumer.chartmogul.fields import shape
from consumer.chartmogul.fused import fuse
from consumer.errors import ConfigurationError, MappingError, Problem, TriggerError
from consumer.outcomes import Action, FieldError, Planned, Post, Reject, RejectReason, Stage
from consumer.segment.mapping import compile_mapping
from consumer.segment.read_paths import mapping_paths, trigger_paths
from consumer.segment.trigger import TriggerSyntaxError, compile_trigger

if TYPE_CHECKING:
    from consumer.chartmogul.fields import Field
    from consumer.segment.read_paths import Path

_new = tuple.__new__  # what Post() does, without the call of a function in Python

Payload = dict[str, Any]
Check = Callable[[Payload], "str | tuple[RejectReason, FieldError]"]
"""Whose customer or contact a payload is about, or why it is refused."""


@dataclass(frozen=True, slots=True)
class MappingSpec:
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
        self._fused: Callable[[dict[str, Any]], Payload | None] = fuse(spec.mapping, self._fields) or _never
        self._name, self._action, self._lane_prefix = spec.name, spec.action, f"{spec.action.value}:"

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
        payload = self._fused(event)
        context = event.get("context")
        if payload is None or context.__class__ is not dict or "personas" in context:
            found = self._carefully(event, event_type, payload)
            if isinstance(found, Reject):
                return found
            payload = found
        whose = self._check(payload)
        if isinstance(whose, tuple):
            return Reject(whose[0], Stage.VALIDATE, self._name, event_type, (whose[1],))
        lane = self._lane_prefix + whose
        message_id = event.get("messageId")
        if message_id.__class__ is not str:
            message_id = ""
        return _new(Post, (self._name, self._action, lane, encode(payload), message_id, event_type))

    def _carefully(self, event: dict[str, Any], event_type: str, payload: Payload | None) -> Payload | Reject:
        """The payload of an event that is not of the plainest kind; None is one that the fused way has not made."""
        if payload is None:
            try:
                payload, errors = shape(self._resolve(event), self._fields)
            except MappingError as error:
                return Reject(RejectReason.MAPPING_ERROR, Stage.MAP, self._name, event_type, error.errors)
            if errors:
                return Reject(RejectReason.INVALID_PAYLOAD, Stage.VALIDATE, self._name, event_type, tuple(errors))
        fault = unguarded_access(event)
        if fault is not None:
            return Reject(RejectReason.INTERNAL_ERROR, Stage.VALIDATE, self._name, event_type, (fault,))
        return payload

    def refused(self, error: TriggerError, event_type: str) -> Reject:
        """What becomes of an event on which the trigger fails."""
        return Reject(error.reason, Stage.TRIGGER, self._name, event_type, error.errors)


def _never(_event: dict[str, Any]) -> None:
    """The fused way of a mapping that has none."""


def unguarded_access(event: dict[str, Any]) -> FieldError | None:
    """Where the original fails on an event: it looks for an Engage audience without a guard against null.

    Source: actions-core ``audience-membership.ts``.
    """
    context = event.get("context", _ABSENT)
    if context is None:
        return FieldError("context", "is null, on which the hosted destination fails; leave it out or send an object")
    if type(context) is not dict:
        return None
    personas = context.get("personas", _ABSENT)
    if personas is None:
        return FieldError("context.personas", "is null, on which the hosted destination fails; leave it out")
    if type(personas) is not dict or personas.get("computation_class") not in _AUDIENCES:
        return None
    holder = _MEMBERSHIP.get(_text(event.get("type")))
    if holder is None or event.get(holder, _ABSENT) is None:
        return None
    if _has_no_text(personas.get("computation_key")):
        return FieldError("context.personas.computation_key", "is an object that has no text; send the audience's key")
    return None


_ABSENT: Final = object()
_AUDIENCES: Final = ("audience", "journey_step")
_MEMBERSHIP: Final = {"identify": "traits", "track": "properties"}
"""Where the original looks an audience's key up, by the event's type."""
PRESENT: Final = tuple(_MEMBERSHIP.values())
"""Keys of an event of which it matters whether they hold anything."""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _has_no_text(value: Any) -> bool:
    """Whether JavaScript cannot turn a value into a key: an object that says ``toString`` is something else."""
    if isinstance(value, list):
        return any(map(_has_no_text, value))
    return isinstance(value, dict) and "toString" in value
