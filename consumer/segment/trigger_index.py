"""Which event types a trigger may ever want, so that a router asks it only about those.

Abstract interpretation: ``type`` is one of the texts the trigger itself compares it with, or some other value; all else
about the event is unknown. A result that may be a `TriggerError` counts as wanted: the event has to be refused by name.
"""

from __future__ import annotations

from enum import Flag

from consumer.segment.trigger_ast import Condition, Field, Group, Hole, Node, text_of
from consumer.segment.trigger_match import is_pathless, operator_test

_OTHER = None
"""Any value of ``type`` which the trigger does not mention, numbers and nothing at all included."""


class _May(Flag):
    """The ways in which a node may end."""

    NEITHER = 0
    TRUE = 1
    FALSE = 2
    FAIL = 4


_UNKNOWN = _May.TRUE | _May.FALSE


def event_types(group: Group) -> frozenset[str] | None:
    """The values of ``type`` for which the trigger may match or fail; None where that is any."""
    wanted = _May.TRUE | _May.FAIL
    if _outcomes(group, _OTHER) & wanted:
        return None
    return frozenset(text for text in mentioned_types(group) if _outcomes(group, text) & wanted)


def remaining(node: Node, event_type: str) -> Node | bool:
    """What is left to be asked of an event whose ``type`` is ``event_type``; a bool where the answer is known.

    A condition that may fail stays where it is: whether it is reached decides whether the event is refused.
    """
    match node:
        case Condition(Field.TYPE):
            test = operator_test(node)
            return test is not None and test(event_type)
        case Group(operator, children):
            end = operator != "and"  # the answer at which a group ends
            left: list[Node] = []
            for child in children:
                rest = remaining(child, event_type)
                if not isinstance(rest, bool):
                    left.append(rest)
                elif rest is end:
                    if not left:
                        return end
                    left.append(child)
            return Group(operator, tuple(left)) if left else not end
        case _:
            return node


def mentioned_types(node: Node) -> set[str]:
    """The texts that ``type`` is compared with."""
    match node:
        case Group(_, children):
            return set().union(*map(mentioned_types, children))
        case Condition(Field.TYPE, _, value):
            return {text_of(value)}
        case _:
            return set()


def _outcomes(node: Node, event_type: str | None) -> _May:
    match node:
        case Hole():
            return _May.FAIL
        case Group(operator, children):
            return _joined(children, event_type, _May.FALSE if operator == "and" else _May.TRUE)
        case Condition():
            return _condition(node, event_type)


def _joined(children: tuple[Node, ...], event_type: str | None, ends: _May) -> _May:
    """``and`` ends at the first FALSE, ``or`` at the first TRUE; both fail at the first FAIL that is reached."""
    goes_on = _May.TRUE if ends is _May.FALSE else _May.FALSE
    result = _May.NEITHER
    for child in children:
        outcome = _outcomes(child, event_type)
        result |= outcome & ~goes_on
        if not outcome & goes_on:
            return result
    return result | goes_on


def _condition(condition: Condition, event_type: str | None) -> _May:
    if condition.field is not Field.TYPE:
        return _May.FAIL if is_pathless(condition) else _UNKNOWN
    test = operator_test(condition)
    if test is None:
        return _May.FALSE
    if event_type is not _OTHER:
        return _May.TRUE if test(event_type) else _May.FALSE
    # Some value that the trigger does not name: it differs from the text of "="; of the rest nothing is known.
    return {"=": _May.FALSE, "!=": _May.TRUE}.get(condition.operator, _UNKNOWN)
