"""Triggers with the meaning they have in Segment's hosted destination, compiled.

People bring the triggers of their hosted mappings, so they keep exactly that meaning, bug for bug: it is *not* the
documented Filter Query Language (`consumer.segment.fql`, which destination filters use).
`consumer.segment.trigger_lint` tells where the two part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from consumer.errors import TriggerError
from consumer.segment.trigger_ast import Group, TriggerSyntaxError, parse_trigger
from consumer.segment.trigger_index import event_types, remaining
from consumer.segment.trigger_match import Event, compile_node
from consumer.segment.trigger_text import printable, write_trigger

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Event", "Trigger", "TriggerError", "TriggerSyntaxError", "compile_trigger"]


@dataclass(frozen=True, slots=True)
class Trigger:
    """A compiled trigger.

    Attributes:
        text: as it was written.
        matches: whether an event (a JSON object) is wanted; raises `TriggerError` where the hosted evaluation throws.
        event_types: the event types it may ever match or fail on; None is any. For all others ``matches`` is False.
        effective: the trigger as it really runs, written back: what was dropped or ignored is gone.
        group: the trigger as it was parsed.
    """

    text: str
    matches: Callable[[Event], bool]
    event_types: frozenset[str] | None
    effective: str
    group: Group = field(repr=False)

    def test_for(self, event_type: str) -> Callable[[Event], bool] | None:
        """``matches`` for events that are objects of this type; None where it wants them all."""
        rest = remaining(self.group, event_type)
        if isinstance(rest, bool):
            return None if rest else _nothing
        return compile_node(rest)


def _nothing(_event: Event) -> bool:
    return False


def compile_trigger(text: Any) -> Trigger:
    """Compile a mapping's trigger (the hosted ``subscribe``).

    Raises:
        TriggerSyntaxError: it is no text, empty, or not parsable by the hosted destination, which then skips every
            event as ``invalid_subscription``.
    """
    if not isinstance(text, str) or not text:
        raise TriggerSyntaxError('a trigger is a text that is not empty; write for instance: type = "identify"')
    group = parse_trigger(text)
    inner = compile_node(group)

    def matches(event: Event) -> bool:
        if event.__class__ is dict:
            return inner(event)
        if event is None:
            raise TriggerError("the event is null")
        return inner({})  # any other JSON value has none of the fields

    return Trigger(text, matches, event_types(group), printable(write_trigger(group)), group)
