"""The JSON Schema of the mappings file, for editors and for CI of those who keep one.

Made from what the reader knows: keys, actions, fields, presets and directives. It says less than the reader checks
(triggers, conditions and what directives do are the reader's), and nothing else.
"""

from __future__ import annotations

from typing import Any, Final

from consumer.chartmogul.fields import FieldType
from consumer.config.mappings import ENTRY_KEYS, FILE_KEYS, MAXIMUM_MAPPINGS, MAXIMUM_NAME, SCHEMA_KEY
from consumer.config.mappings_presets import PRESETS
from consumer.config.mappings_quirks import action_fields
from consumer.outcomes import Action
from consumer.segment.directives import DIRECTIVES
from consumer.segment.filters import MAXIMUM_FILTERS
from consumer.segment.mapping import ROOT_DIRECTIVE

_NODE: Final = {"$ref": "#/$defs/node"}


def mappings_schema() -> dict[str, Any]:
    """The schema, draft 2020-12."""
    properties = {
        SCHEMA_KEY: {"type": "string", "description": "For editors; means nothing here."},
        "preset": {"$ref": "#/$defs/preset", "description": "A mapping for each action, instead of mappings."},
        "mappings": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAXIMUM_MAPPINGS,
            "items": {"$ref": "#/$defs/mapping"},
            "description": "What is sent of which events; an event is sent once for each mapping that wants it.",
        },
        "filters": {
            "type": "array",
            "maxItems": MAXIMUM_FILTERS,
            "items": {"$ref": "#/$defs/filter"},
            "description": "Destination filters, as Segment's Public API gives them; they apply before all mappings.",
        },
        "consent_categories": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "description": "An event is skipped unless its end user has agreed to all of these categories.",
        },
    }
    assert properties.keys() == {*FILE_KEYS, SCHEMA_KEY}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mappings of segment-chartmogul-consumer",
        "description": "Which Segment events become which ChartMogul contacts and customers.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "oneOf": [{"required": ["preset"]}, {"required": ["mappings"]}],
        "$defs": {
            "preset": {
                "enum": list(PRESETS),
                "description": "default: the hosted destination's defaults. segment-spec: also the other spellings of "
                "Segment's spec (firstName, created_at, postal_code).",
            },
            "mapping": _mapping(),
            **{action.value: _fields(action) for action in Action},
            "node": _node(),
            "filter": _filter(),
        },
    }


def _mapping() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAXIMUM_NAME,
            "description": "What metrics, logs and dead letters call it; unique.",
        },
        "enabled": {
            "type": "boolean",
            "default": True,
            "description": "A disabled mapping is checked and sends nothing.",
        },
        "action": {"enum": [action.value for action in Action], "description": "What is sent."},
        "preset": {
            "$ref": "#/$defs/preset",
            "description": "Trigger and fields to start from; mapping changes single ones.",
        },
        "trigger": {"type": "string", "minLength": 1, "description": "Which events it wants, in the hosted dialect."},
        "mapping": {"type": "object", "description": "The action's fields, each a directive or a literal."},
        "allow_hosted_quirks": {
            "type": "boolean",
            "default": False,
            "description": "The mapping is meant to do what the hosted destination does with it, not what it reads.",
        },
    }
    assert properties.keys() == set(ENTRY_KEYS)
    return {
        "type": "object",
        "properties": properties,
        "required": ["name", "action"],
        "anyOf": [{"required": ["preset"]}, {"required": ["trigger", "mapping"]}],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {
                    "properties": {"action": {"const": action.value}, "allow_hosted_quirks": {"const": False}},
                    "required": ["action"],
                },
                "then": {"properties": {"mapping": {"$ref": f"#/$defs/{action.value}"}}},
            }
            for action in Action
        ],
    }


def _fields(action: Action) -> dict[str, Any]:
    """The fields of an action: no others, but a directive in their place is any."""
    properties: dict[str, Any] = {}
    for field in action_fields(action):
        if field.type is FieldType.OBJECT:
            children = {child.name: _NODE for child in field.children}
            inner = {"type": "object", "properties": children, "additionalProperties": False}
            properties[field.name] = {"anyOf": [inner, {"$ref": "#/$defs/node"}]}
        else:
            properties[field.name] = _NODE
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {"^@": True, "^__segment_internal_": True, f"^{ROOT_DIRECTIVE}$": True},
        "additionalProperties": False,
    }


def _node() -> dict[str, Any]:
    return {
        "description": "A literal, or an object with one directive.",
        "anyOf": [
            {"type": ["string", "number", "boolean", "null", "array"]},
            {
                "type": "object",
                "properties": dict.fromkeys([*sorted(DIRECTIVES), "_metadata"], True),
                "additionalProperties": False,
            },
        ],
    }


def _filter() -> dict[str, Any]:
    fields = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    }
    percent = {"type": "number", "minimum": 0, "maximum": 1}
    shapes: tuple[tuple[str, dict[str, Any], list[str]], ...] = (
        ("DROP", {}, []),
        ("SAMPLE", {"percent": percent, "path": {"type": "string"}}, ["percent"]),
        ("DROP_PROPERTIES", {"fields": fields}, ["fields"]),
        ("ALLOW_PROPERTIES", {"fields": fields}, ["fields"]),
    )
    return {
        "type": "object",
        "properties": {
            "if": {"type": "string", "minLength": 1, "description": 'FQL; "all" is every event.'},
            "title": {"type": "string"},
            "enabled": {"type": "boolean", "default": True},
            "actions": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "oneOf": [
                        {
                            "type": "object",
                            "properties": {"type": {"const": kind}} | properties,
                            "required": ["type", *required],
                        }
                        for kind, properties, required in shapes
                    ]
                },
            },
        },
        "required": ["if", "actions"],
    }
