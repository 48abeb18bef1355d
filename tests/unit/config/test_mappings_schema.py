"""The JSON Schema says what the reader says: it takes what is right, and refuses names that are not known."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
import yaml

from consumer.config.mappings_presets import PRESETS
from consumer.config.mappings_schema import mappings_schema

SCHEMA = mappings_schema()
TYPES = {"object": dict, "array": list, "string": str, "number": (int, float), "boolean": bool, "null": type(None)}


def valid(value, schema) -> bool:
    """As much of JSON Schema as ours uses; an unknown keyword fails."""
    if schema is True:
        return True
    known = {
        "$schema", "title", "description", "default", "$defs", "$ref", "type", "properties", "additionalProperties",
        "patternProperties", "required", "enum", "const", "items", "minItems", "maxItems", "minLength", "maxLength",
        "minProperties", "minimum", "maximum", "oneOf", "anyOf", "allOf", "if", "then",
    }  # fmt: skip
    assert set(schema) <= known, set(schema) - known
    if "$ref" in schema and not valid(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]):
        return False
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(
            isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool)) for name in names
        ):
            return False
    if ("enum" in schema and value not in schema["enum"]) or ("const" in schema and value != schema["const"]):
        return False
    if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9):
        return False
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9):
            return False
        if not all(valid(item, schema.get("items", True)) for item in value):
            return False
    if isinstance(value, dict) and not _object(value, schema):
        return False
    if "if" in schema and valid(value, schema["if"]) and not valid(value, schema["then"]):
        return False
    return (
        all(valid(value, each) for each in schema.get("allOf", ()))
        and ("anyOf" not in schema or any(valid(value, each) for each in schema["anyOf"]))
        and ("oneOf" not in schema or sum(valid(value, each) for each in schema["oneOf"]) == 1)
    )


def _object(value, schema) -> bool:
    if any(name not in value for name in schema.get("required", ())) or len(value) < schema.get("minProperties", 0):
        return False
    for key, inner in value.items():
        found = [schema["properties"][key]] if key in schema.get("properties", {}) else []
        found += [each for pattern, each in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
        other = schema.get("additionalProperties", True)
        if not found and other is False:
            return False
        if not all(valid(inner, each) for each in found or [other]):
            return False
    return True


def written(name: str) -> dict:
    return {
        "mappings": [
            {
                "name": spec.name,
                "action": spec.action.value,
                "trigger": spec.trigger,
                "mapping": copy.deepcopy(spec.mapping),
            }
            for spec in PRESETS[name]
        ]
    }


EXAMPLE = Path(__file__).parents[3] / "schemas" / "examples" / "engage-mappings.yaml"


@pytest.mark.parametrize(
    "file",
    [
        {"preset": "default"},
        written("default"),
        written("segment-spec"),
        yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")),
        {
            "preset": "segment-spec",
            "$schema": "x",
            "consent_categories": ["c"],
            "filters": [
                {
                    "if": "all",
                    "actions": [
                        {"type": "SAMPLE", "percent": 0.5},
                        {"type": "DROP"},
                        {"type": "DROP_PROPERTIES", "fields": {"": ["a"]}},
                    ],
                }
            ],
        },
    ],
)
def test_what_is_right(file):
    assert valid(json.loads(json.dumps(file)), SCHEMA)


def broken(change) -> dict:
    file = written("default")
    change(file["mappings"][0])
    return file


@pytest.mark.parametrize(
    "file",
    [
        {},
        {"preset": "other"},
        {"preset": "default", "mappings": written("default")["mappings"]},
        {"mappings": []},
        {"mappings": written("default")["mappings"] * 26},
        {"preset": "default", "filter": []},
        {"preset": "default", "filters": [{"if": "all", "actions": [{"type": "DROPP"}]}]},
        broken(lambda entry: entry.update(action="send")),
        broken(lambda entry: entry.pop("trigger")),
        broken(lambda entry: entry.update(nam="x")),
        broken(lambda entry: entry["mapping"].update(emial={"@path": "$.x"})),
        broken(lambda entry: entry["mapping"]["company"].update(domain="x")),
        broken(lambda entry: entry["mapping"].update(email={"@pth": "$.x"})),
    ],
)
def test_what_is_wrong(file):
    assert not valid(file, SCHEMA)


def test_quirks_may_be_allowed():
    assert valid(
        broken(lambda entry: (entry["mapping"].update(emial={"@path": "$.x"}), entry.update(allow_hosted_quirks=True))),
        SCHEMA,
    )
