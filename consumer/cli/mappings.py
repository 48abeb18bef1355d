"""``mappings check`` and ``mappings explain``: a mappings file without anything else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consumer.cli.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.chartmogul.compiled import MappingSpec
    from consumer.config.mappings import MappingsFile

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def mappings() -> None:
    """Check a mappings file, or show what it does; nothing is connected to."""


@mappings.command()
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Check FILE: every mistake at once, with line, path and remedy."""
    from consumer.config.mappings import load_mappings

    loaded = load_mappings(file)
    on = sum(spec.enabled for spec in loaded.specs)
    click.echo(
        f"pass  {file}: {_number(len(loaded.specs), 'mapping')}, {on} enabled, {_number(len(loaded.filters), 'filter')}"
    )
    for quirk in loaded.quirks:
        click.echo(f"        allowed: {quirk}")


@mappings.command()
@click.argument("file", type=_FILE, required=False)
def explain(file: Path | None) -> None:
    """Show what FILE does: trigger → action → fields; without FILE the hosted default mappings."""
    from consumer.cli.console import Console
    from consumer.config.mappings import load_mappings

    console = Console(highlight=False)
    _explain(console, load_mappings(file))


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _explain(console: Any, loaded: MappingsFile) -> None:
    from rich.table import Table

    if loaded.consent_categories:
        console.print("[bold]Consent[/bold] needed for:", _text(", ".join(sorted(loaded.consent_categories))))
    if loaded.filters:
        filters = Table(title="Filters, before any mapping", title_justify="left", title_style="bold", show_lines=True)
        filters.add_column("If")
        filters.add_column("Then")
        for each in loaded.filters:
            state = "" if each.enabled else " (off)"
            filters.add_row(_text(each.condition + state), _text("\n".join(map(_then, each.actions))))
        console.print(filters)
    table = Table(title="Mappings", title_justify="left", title_style="bold", show_lines=True)
    for heading in ("Trigger", "Action", "Fields"):
        table.add_column(heading, overflow="fold")
    for spec in loaded.specs:
        table.add_row(_trigger(spec), _action(spec), _text("\n".join(_fields(spec.mapping, ""))))
    console.print(table)


def _then(action: Any) -> str:
    """A filter's action in words."""
    from consumer.segment.filters import AllowProperties, DropProperties, Sample

    if isinstance(action, Sample):
        return f"let {action.percent:.4g} of them through, by {action.path or 'messageId'}"
    if isinstance(action, DropProperties | AllowProperties):
        verb = "remove" if isinstance(action, DropProperties) else "keep only"
        return "; ".join(f"{verb} {', '.join(keys)} of {path or 'the event'}" for path, keys in action.fields.items())
    return "drop the event"


def _trigger(spec: MappingSpec) -> Any:
    from consumer.segment.trigger_lint import lint

    text = _text(spec.trigger)
    traps = lint(spec.trigger)
    if traps:
        text.append_text(_text(f"\nruns as: {traps[0].effective}", "yellow"))
    return text


def _text(text: str, style: str = "") -> Any:
    """Text of the file for a terminal: its own lines, but neither markup nor control characters nor half characters."""
    from rich.text import Text

    return Text("\n".join(map(visible, text.split("\n"))), style)


def _action(spec: MappingSpec) -> Any:
    from rich.text import Text

    text = Text(spec.action.value)
    if spec.name:
        text.append(f"\n{spec.name}", "dim")
    if not spec.enabled:
        text.append("\noff", "yellow")
    return text


def _fields(mapping: dict[str, Any], path: str) -> Iterator[str]:
    for key, node in mapping.items():
        name = f"{path}.{key}" if path else key
        if isinstance(node, dict) and node and not any(inner.startswith("@") for inner in node):
            yield from _fields(node, name)
        else:
            yield f"{name} ← {describe(node)}"


def describe(node: Any) -> str:
    """A mapping's value in words: ``traits.email``, ``traits.a, else traits.b``; without words as it is written."""
    from consumer.segment import js_json

    match node:
        case {"@path": str(path)}:
            return path.removeprefix("$.") or "the whole event"
        case {"@template": str(template)}:
            return f"template {template}"
        case {"@if": {"blank": first, "then": then, "else": otherwise}} if first == then:
            return f"{describe(first)}, else {describe(otherwise)}"
        case {"@if": {"exists": first, "then": then, "else": otherwise}} if first == then:
            return f"{describe(first)}, else {describe(otherwise)}"
        case _:
            return str(js_json.encode(node))
