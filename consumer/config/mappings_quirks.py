"""Where a mapping is valid to the hosted destination and yet does not do what its author must have meant.

Each is an error in a mappings file unless that mapping says ``allow_hosted_quirks: true``: triggers that run otherwise
than they read or wait for types that no event has, fields that the action does not have (dropped without a word),
required fields that are not mapped (every event refused), a path or a template written as plain text (sent as it is),
paths that are read otherwise than they read, directives that fail for every event.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from consumer.chartmogul import contact, customer
from consumer.chartmogul.compiled import DEFAULT_MAPPINGS
from consumer.chartmogul.fields import PASSED_THROUGH, Field, FieldType, Refused, coerce
from consumer.chartmogul.router import SUPPORTED_TYPES
from consumer.config.shape import nearest
from consumer.errors import Problem
from consumer.outcomes import Action
from consumer.segment.mapping import ROOT_DIRECTIVE, explain_mapping
from consumer.segment.mapping_check import below
from consumer.segment.mapping_path import directive_keys, path_mistake
from consumer.segment.trigger import compile_trigger
from consumer.segment.trigger_index import mentioned_types
from consumer.segment.trigger_lint import lint
from consumer.segment.trigger_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INTERNAL: Final = "__segment_internal_"
"""Keys that Segment's app keeps in a mapping for itself; the destination ignores all but the root directive's."""

_PATH: Final = re.compile(r"\$\.[\w.\[\]'-]+")
_IDENTITIES: Final = ("user_id", "anonymous_id")


def action_fields(action: Action) -> tuple[Field, ...]:
    """The fields that an action takes, as its hosted schema has them but for the company's id."""
    return contact.fields(require_company_id=False) if action is Action.SEND_CONTACT else customer.FIELDS


def type_literal(action: Action) -> str:
    """What the body's ``type`` says: a hidden field in Segment's app, so people's mappings may come without it."""
    return str(_default_node(action, "type"))


def trigger_quirks(trigger: str) -> Iterator[Problem]:
    """The traps in a trigger that the hosted destination can read; paths are below the mapping's entry."""
    traps = lint(trigger)
    for trap in traps:
        runs = "" if trap.effective == trigger else f" It runs as: {trap.effective}"
        yield Problem("trigger", f"does not do what it reads ({trap.kind.value}): {trap.message}{runs}")
    if not traps:
        yield from _types(trigger)


def directive_quirks(mapping: Mapping[str, Any]) -> Iterator[Problem]:
    """The directives of a valid mapping that fail for every event, or do not do what they read."""
    for note in explain_mapping(mapping):
        yield Problem(f"mapping.{note.path}" if note.path else "mapping", note.message)
    yield from _paths(mapping, "mapping")


def field_quirks(action: Action, mapping: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the fields of a mapping, which may have invalid directives too."""
    if has_fields(mapping):
        yield from _fields(action, mapping)


def one_line(text: str) -> str:
    """``text`` as a message or a comment may hold it: control characters in keys and triggers end neither."""
    return "".join(each if each.isprintable() else "?" for each in text)


def has_fields(mapping: Mapping[str, Any]) -> bool:
    """Whether a mapping's keys are the action's fields: a directive at the root can make any object."""
    return ROOT_DIRECTIVE not in mapping and not any(str(key).startswith("@") for key in mapping)


def _fields(action: Action, mapping: Mapping[str, Any]) -> Iterator[Problem]:
    fields = {field.name: field for field in action_fields(action)}
    for key, node in mapping.items():
        if not isinstance(key, str) or key.startswith(INTERNAL) or key == PASSED_THROUGH:
            continue
        if key in fields:
            yield from _value(fields[key], node, f"mapping.{key}")
        else:
            yield _unknown(f"mapping.{key}", key, action.value, list(fields))
    missing = [field.name for field in fields.values() if field.required and mapping.get(field.name) in (None, "")]
    if missing:
        examples = ", ".join(f"{name}: {_written(_default_node(action, name))}" for name in missing)
        yield Problem(
            "mapping",
            f"lacks {' and '.join(missing)}, without which every event would be refused; map what is missing, usually "
            f"as {examples}",
        )
    if action is Action.SEND_CONTACT and all(mapping.get(name) in (None, "") for name in _IDENTITIES):
        yield Problem(
            "mapping",
            "lacks user_id and anonymous_id, one of which a contact must have; map them, for instance "
            'user_id: {"@path": "$.userId"}',
        )


def _types(trigger: str) -> Iterator[Problem]:
    """Types of events that a trigger waits for in vain."""
    compiled = compile_trigger(trigger)
    wanted = compiled.event_types
    if wanted is None:
        wanted = frozenset(SUPPORTED_TYPES)
    there_are = f"those that come here are {', '.join(SUPPORTED_TYPES)}"
    # type != "" is always true, and may be meant so; type != "Identify" is not.
    for name in sorted(mentioned_types(compiled.group).difference(SUPPORTED_TYPES)):
        meant = name.strip().lower()
        if name in wanted or meant in SUPPORTED_TYPES:
            near = nearest(meant, SUPPORTED_TYPES)
            yield Problem("trigger", f'compares type with "{printable(name)}", as no event has it: {there_are}{near}')
    if not wanted:
        yield Problem("trigger", 'fires for no event, for its conditions on type exclude each other; write "or"')


def _paths(node: Any, where: str) -> Iterator[Problem]:
    """The paths that do not do what they read; what stands in an ``@literal`` is none."""
    if isinstance(node, list):
        for index, inner in enumerate(node):
            yield from _paths(inner, below(where, index))
    elif isinstance(node, dict):
        for key, inner in node.items():
            place = below(where, key)
            text = inner[0] if key == "@arrayPath" and isinstance(inner, list) and inner else inner
            if key in ("@path", "@arrayPath") and isinstance(text, str) and (mistake := path_mistake(text)):
                yield Problem(place, f"{mistake}; it looks up {' → '.join(directive_keys(text)) or 'the event'}")
            if key != "@literal":
                yield from _paths(inner, place)


def _unknown(path: str, key: str, owner: str, names: list[str]) -> Problem:
    there_are = nearest(key, names) or f"; there are {', '.join(names)}"
    return Problem(path, f"is no field of {owner}, and nothing of it would be sent{there_are}")


def _value(field: Field, node: Any, path: str) -> Iterator[Problem]:
    if field.type is FieldType.OBJECT:
        if isinstance(node, dict):
            if not any(str(key).startswith("@") for key in node):
                children = {child.name: child for child in field.children}
                for key, inner in node.items():
                    if key in children:
                        yield from _value(children[key], inner, f"{path}.{key}")
                    else:
                        yield _unknown(f"{path}.{key}", str(key), field.name, list(children))
        elif node not in (None, ""):
            names = ", ".join(child.name for child in field.children)
            yield Problem(path, f"must be an object of {names}: every event would be refused")
    elif isinstance(node, str) and _PATH.fullmatch(node):
        yield Problem(
            path, f'is plain text and would be sent as it is; to send what is there, write {{"@path": "{node}"}}'
        )
    elif isinstance(node, str) and "{{" in node:
        yield Problem(path, 'is plain text and would be sent as it is; to fill it in, write {"@template": "…"}')
    elif isinstance(node, str | int | float) and node != "":
        result = coerce(node, field)
        if isinstance(result, Refused):
            yield Problem(path, f"{result.message}: every event would be refused")


def _default_node(action: Action, field: str) -> Any:
    return next(spec.mapping[field] for spec in DEFAULT_MAPPINGS if spec.action is action)


def _written(node: Any) -> str:
    return f'{{"@path": "{node["@path"]}"}}' if isinstance(node, dict) else f'"{node}"'
