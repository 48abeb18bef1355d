"""Writes a mappings file: the same mappings always give the same text, and reading it gives the same mappings.

Fields stand in lines of their own, their directives within the line. Beside each allowed quirk stands a comment that
says what the mapping really does.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from typing import TYPE_CHECKING, Any, Final

from consumer.config.mappings_quirks import directive_quirks, field_quirks, one_line, trigger_quirks
from consumer.errors import ConfigurationError, Problem
from consumer.segment.filters import AllowProperties, DropProperties, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consumer.chartmogul.compiled import MappingSpec
    from consumer.config.mappings import MappingsFile
    from consumer.segment.filters import Action, Filter

_HEADER: Final = """\
# Mappings of chartmogul-consumer. To see what they do: chartmogul-consumer mappings explain FILE
"""
_WIDTH: Final = 110
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NOT_PLAIN: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_ESCAPED: Final = re.compile("[\x7f-\x9f\xa0\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON leaves as it is and YAML does not take, or takes for a line's end."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def spec_quirks(spec: MappingSpec) -> tuple[Problem, ...]:
    """Every quirk of a mapping that is valid."""
    found = trigger_quirks(spec.trigger), field_quirks(spec.action, spec.mapping), directive_quirks(spec.mapping)
    return tuple(quirk for each in found for quirk in each)


def write_mappings(file: MappingsFile) -> str:
    """The text of a mappings file.

    Raises:
        ConfigurationError: a text or number cannot be written (half a character, infinity).
    """
    lines = [_HEADER + "mappings:"]
    for index, spec in enumerate(file.specs):
        lines += _written(_entry(spec), f"mappings[{index}]")
    if file.filters:
        lines.append("filters:")
    for index, each in enumerate(file.filters):
        lines += _written(_filter(each), f"filters[{index}]")
    if file.consent_categories:
        lines += _written(_consent(file), "consent_categories")
    return "\n".join(lines) + "\n"


def _written(lines: Iterable[str], path: str) -> list[str]:
    try:
        return list(lines)
    except ValueError as error:
        raise ConfigurationError([Problem(path, str(error))]) from None


def _entry(spec: MappingSpec) -> Iterator[str]:
    for quirk in spec_quirks(spec):
        comment = one_line(f"{quirk.path}: {quirk.message}")
        yield from textwrap.wrap(comment, _WIDTH, initial_indent="  # ", subsequent_indent="  #   ")
    yield f"  - name: {flow(spec.name)}"
    if not spec.enabled:
        yield "    enabled: false"
    yield f"    action: {spec.action.value}"
    yield f"    trigger: {flow(spec.trigger)}"
    if spec.allow_hosted_quirks:
        yield "    allow_hosted_quirks: true"
    yield from _block("mapping", spec.mapping, "    ")


def _block(key: str, value: dict[str, Any], indent: str) -> Iterator[str]:
    """An object with a line a key; directives and empty objects within the line."""
    if not value or any(inner.startswith("@") for inner in value):
        yield f"{indent}{flow(key)}: {flow(value)}"
        return
    yield f"{indent}{flow(key)}:"
    for inner, node in value.items():
        if isinstance(node, dict):
            yield from _block(inner, node, indent + "  ")
        else:
            yield f"{indent}  {flow(inner)}: {flow(node)}"


def _filter(spec: Filter) -> Iterator[str]:
    yield f"  - if: {flow(spec.condition)}"
    if spec.title:
        yield f"    title: {flow(spec.title)}"
    if not spec.enabled:
        yield "    enabled: false"
    yield "    actions:"
    for action in spec.actions:
        yield f"      - {flow(_action(action))}"


def _consent(file: MappingsFile) -> Iterator[str]:
    yield f"consent_categories: {flow(sorted(file.consent_categories))}"


def _action(action: Action) -> dict[str, Any]:
    if isinstance(action, Sample):
        return {"type": "SAMPLE", "percent": action.percent} | ({"path": action.path} if action.path else {})
    if isinstance(action, DropProperties | AllowProperties):
        kind = "DROP_PROPERTIES" if isinstance(action, DropProperties) else "ALLOW_PROPERTIES"
        return {"type": kind, "fields": {path: list(keys) for path, keys in action.fields.items()}}
    return {"type": "DROP"}


def flow(value: Any) -> str:
    """A JSON value as YAML within a line.

    Raises:
        ValueError: it holds half of a surrogate pair, or a number that JSON has not.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return "{" + _joined(f"{_key(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    return "[" + _joined(map(flow, value)) + "]"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def _key(key: str) -> str:
    written = _text(key)
    # YAML takes keys of up to 1,024 characters unless they are marked.
    return written if len(written) < 1_000 else f"? {written}"


def _text(text: str) -> str:
    if _SURROGATE.search(text):
        raise ValueError("has half of a surrogate pair in a text, which no file can hold; remove it")
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN:
        return text
    if ('"' in text or "\\" in text) and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _number(number: float) -> str:
    if not math.isfinite(number):
        raise ValueError("has a number that is infinite or none; remove it")
    text = repr(number)
    mantissa, exponent_mark, exponent = text.partition("e")
    if not exponent_mark:
        return text
    # YAML 1.1 knows an exponent only behind a fraction and with its sign.
    point = "" if "." in mantissa else ".0"
    return f"{mantissa}{point}e{exponent if exponent[0] in '+-' else '+' + exponent}"
