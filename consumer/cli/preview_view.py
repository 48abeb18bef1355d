"""``preview --pretty``: an event's fields beside what became of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from consumer.segment import js_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumer.chartmogul.compiled import MappingSpec
    from consumer.preview import Delivery, Preview

_STYLES: Final = {"would_send": "green", "skipped": "yellow", "rejected": "red"}
_IN_TEMPLATE: Final = re.compile(r"\{\{\{?\s*([\w.$\[\]-]+)")
_LONGEST: Final = 60
"""Characters of a value; the JSON has all of them."""


def render(each: Preview, number: int, specs: Mapping[str, MappingSpec]) -> Group:
    """What a terminal shows of one event.

    Args:
        each: what becomes of it.
        number: its line in the file.
        specs: the mappings by name.
    """
    event = each.event or {}
    head = Text(f"line {number}: {event.get('type', 'no event')}", "bold")
    if event.get("messageId"):
        head.append(f"  {event['messageId']}", "dim")
    parts: list[Text | Table] = [head]
    if not each.deliveries:
        parts.append(Text(f"  {each.outcome}: {each.reason}", _STYLES[each.outcome]))
        parts += [Text(f"    {error.field} {error.message}") for error in each.errors]
    used: set[str] = set()
    for delivery in each.deliveries:
        verdict = delivery.outcome.replace("_", " ") + (f": {delivery.reason}" if delivery.reason else "")
        parts.append(Text(f"  {delivery.mapping} ({delivery.action}): ").append(verdict, _STYLES[delivery.outcome]))
        parts.append(_table(event, delivery, specs[delivery.mapping], used))
    unused = [path for path, _ in flat(event) if path not in used]
    if each.deliveries and unused:
        parts.append(Text(f"  not used: {', '.join(unused)}", "dim"))
    parts.append(Text())
    return Group(*parts)


def _table(event: dict[str, Any], delivery: Delivery, spec: MappingSpec, used: set[str]) -> Table:
    """Event field, its value, and the field that it became; what the mapping adds by itself stands last."""
    table = Table(box=None, padding=(0, 1), show_header=False, pad_edge=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    values = dict(flat(event))
    sent = dict(flat(delivery.payload or {}))
    errors = {error.field: error.message for error in delivery.errors}
    for field, node in _nodes(spec.mapping, ""):
        sources = [path for path in values if any(path == at or path.startswith(f"{at}.") for at in _paths(node))]
        used.update(sources)
        became = _became(field, sent, errors)
        if not sources:
            if field in sent or field in errors:
                table.add_row("", "", became)
            errors.pop(field, None)
            continue
        for index, path in enumerate(sources):
            table.add_row(f"  {path}", Text(_short(values[path])), became if index == 0 else "")
        errors.pop(field, None)
    for field, message in errors.items():
        table.add_row("", "", Text(f"✗ {field}: {message}" if field else f"✗ {message}", "red"))
    return table


def _became(field: str, sent: dict[str, Any], errors: dict[str, str]) -> Text:
    if field in errors:
        return Text(f"✗ {field}: {errors[field]}", "red")
    if field in sent:
        return Text(f"→ {field}: ").append(_short(sent[field]), "green")
    inner = [name for name in sent if name.startswith(f"{field}.")]
    if inner:
        return Text(f"→ {', '.join(inner)}")
    return Text(f"  {field}: not sent", "dim")


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """``traits.company.id`` and its value, for every value that is no object with something in it."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif path:
        yield path, value


def _nodes(mapping: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Each field of a mapping and its directive or literal."""
    for key, node in mapping.items():
        name = f"{path}.{key}" if path else key
        if isinstance(node, dict) and node and not any(inner.startswith("@") for inner in node):
            yield from _nodes(node, name)
        else:
            yield name, node


def _paths(node: Any) -> Iterator[str]:
    """The event's paths that a directive looks at, as far as they are written out."""
    if isinstance(node, list):
        for item in node:
            yield from _paths(item)
    elif isinstance(node, dict):
        for key, inner in node.items():
            if key == "@path" and isinstance(inner, str):
                yield inner.replace("$.", "", 1)
            elif key in ("@template", "@liquid") and isinstance(inner, str):
                yield from (found.replace("$.", "", 1) for found in _IN_TEMPLATE.findall(inner))
            else:
                yield from _paths(inner)


def _short(value: Any) -> str:
    text = str(js_json.encode(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
