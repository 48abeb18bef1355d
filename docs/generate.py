"""Makes what is made from the code: the settings' JSON Schema and the reference pages. ``--check`` only compares.

Run it with the project's environment after a change of settings, metrics, reasons or commands; a test tells when it is
due. Pages hold nothing that is not in the code, so what they say is what runs.
"""
# ruff: noqa: INP001 - a script; docs is no package

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from consumer.cli.exitcode import MEANINGS
from consumer.cli.main import cli
from consumer.config.mappings_schema import mappings_schema
from consumer.config.model import Settings
from consumer.config.owned import OWNED
from consumer.config.shape import descriptions, is_section
from consumer.ops.catalogue import CATALOGUE, PREFIX
from consumer.ops.reasons import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic.fields import FieldInfo

ROOT: Final = Path(__file__).resolve().parents[1]
NOTE: Final = "<!-- Made by docs/generate.py from the code: change it there. -->\n\n"


def describe(section: type[BaseModel]) -> None:
    """Have the fields of a section, and of those in it, know what the texts below them say."""
    for name, text in descriptions(section).items():
        section.model_fields[name].description = text
    for field in section.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            describe(field.annotation)
    section.model_rebuild(force=True)


describe(Settings)


def settings_schema() -> str:
    """The JSON Schema of the settings file, for editors and for CI of those who keep one."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of segment-chartmogul-consumer",
    } | Settings.model_json_schema()
    schema["title"] = "Settings of segment-chartmogul-consumer"
    schema["description"] = (
        "The settings file. What environment variables (CHARTMOGUL_CONSUMER_SECTION__NAME) say need not be in it."
    )
    return json.dumps(_tidy(schema), indent=2, ensure_ascii=False) + "\n"


def mappings_schema_text() -> str:
    """The JSON Schema of the mappings file."""
    return json.dumps(mappings_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(value: Any) -> Any:
    """Without pydantic's titles, which repeat the names, and with descriptions in one line."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    tidied = {key: _tidy(item) for key, item in value.items() if not (key == "title" and "properties" not in value)}
    if isinstance(tidied.get("description"), str):
        tidied["description"] = _line(tidied["description"])
    return tidied


_SETTINGS_INTRO: Final = """# Settings

A YAML file (`--config FILE`), environment variables, or both; a variable wins over the file.
`CHARTMOGUL_CONSUMER_DELIVERY__RETRY__CAP_SECONDS=60` is `delivery.retry.cap_seconds: 60`. A value is written as in
YAML; a list may also be `a,b`; a librdkafka property's dots become underscores
(`CHARTMOGUL_CONSUMER_KAFKA__PROPERTIES__SASL_PASSWORD`). Paths are relative to the working directory.

All of it is checked before anything starts; `chartmogul-consumer check --offline --config FILE` does only that. For
editors there is a JSON Schema: `schemas/json/settings.schema.json`.

Secrets (`webhook_url`, `proxy`, passwords among `kafka.properties`) come from the environment or, better, from a file;
they appear in no log, metric, message or page.
"""


def settings_page() -> str:
    """Every setting: default, what is allowed, why."""
    lines = [_SETTINGS_INTRO]
    lines += _sections(Settings, "")
    lines.append("## Properties that the service owns\n")
    lines.append("`kafka.properties` may not set these.\n")
    lines += _table(("Property", "Instead"), ((f"`{name}`", why) for name, why in sorted(OWNED.items())))
    return NOTE + "\n".join(lines)


def _sections(model: type[BaseModel], path: str) -> Iterator[str]:
    here = [(name, field) for name, field in model.model_fields.items() if not is_section(field.annotation)]
    if here:
        if path:
            yield f"{'#' * (path.count('.') + 2)} {path}\n"
            yield f"{_line(model.__doc__)}\n"
        else:
            yield "## At the top\n"
        schema = model.model_json_schema()
        rows = (
            (f"`{name}`", _default(field), _allowed(schema, name), _line(field.description)) for name, field in here
        )
        yield from _table(("Setting", "Default", "Allowed", "What it is for"), rows)
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _sections(field.annotation, f"{path}.{name}" if path else name)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    assert value is not PydanticUndefined
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{value}`" if value != {} else "`{}`"


def _allowed(schema: dict[str, Any], name: str) -> str:
    return _kind(schema["properties"][name], schema.get("$defs", {}))


def _kind(spec: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A JSON Schema in words."""
    if "$ref" in spec:
        return _kind(definitions[spec["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in spec:
        return " or ".join(_kind(each, definitions) for each in spec["anyOf"])
    if "enum" in spec:
        return ", ".join(f"`{value}`" for value in spec["enum"])
    if spec.get("type") == "array":
        return f"list of: {_kind(spec['items'], definitions)}"
    if spec.get("type") == "object":
        return "names and values"
    low = next(
        (f"{sign} {spec[key]:,}" for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">")) if key in spec), ""
    )
    high = f"≤ {spec['maximum']:,}" if "maximum" in spec else ""
    words = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "null": "`null`"}
    formats = {"path": "path", "password": "text, secret", "date-time": "ISO-8601 time with a zone"}
    kind = formats.get(spec.get("format", ""), words.get(str(spec.get("type")), "text"))
    return " ".join(part for part in (kind, ", ".join(filter(None, (low, high)))) if part)


_METRICS_INTRO: Final = f"""# Metrics

At `/metrics`, in Prometheus' text format. All numbers of one scrape are of one moment. For each mapping and scrape:
`{PREFIX}deliveries_planned_total` = `{PREFIX}deliveries_ended_total` + `{PREFIX}deliveries_in_progress`.
The series of a partition are gone once it is revoked. The process's own metrics (`process_*`, `python_*`) come beside
these.

Reasons and kinds of failure: [reasons](reasons.md).
"""


def metrics_page() -> str:
    """Every metric."""
    lines = [_METRICS_INTRO]
    rows = (
        (
            f"`{metric.name}`",
            metric.kind.value,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.help,
        )
        for metric in CATALOGUE
    )
    lines += _table(("Name", "Kind", "Labels", "What it says"), rows)
    return NOTE + "\n".join(lines)


_HEADS: Final = {
    "SkipReason": ("Skipped", "Nothing had to be sent; the offset passes."),
    "RejectReason": ("Rejected by mapping or validation", "Dead-lettered, unless `dead_letter.skip_reasons` names it."),
    "DecodeReason": ("Not an event", "The record's value could not be read: dead-lettered as it is, bytes untouched."),
    "DeliverReason": ("Given up after attempts", "Dead-lettered with the last answer."),
    "FailureKind": ("Attempts without an answer", "Tried again, but a certificate that is not trusted halts delivery."),
    "HaltReason": ("Halted", "Delivery stands still and `/readyz` is red; nothing is lost. A person has to act."),
}


def reasons_page() -> str:
    """Every reason by name."""
    lines = ["# Reasons\n", "The words in metrics, logs, dead letters and on the status page.\n"]
    for kind, members in REASONS.items():
        head, text = _HEADS[kind.__name__]
        lines += [f"## {head}\n", f"{text}\n"]
        lines += _table(("Reason", "What it means, what to do"), ((f"`{m.value}`", why) for m, why in members.items()))
    return NOTE + "\n".join(lines)


def cli_page() -> str:
    """Every command with its options, and the exit codes."""
    context = click.Context(cli, info_name="chartmogul-consumer", help_option_names=["-h", "--help"])
    lines = ["# Command line\n", f"{_line(cli.help)}\n"]
    lines += _table(("Option", "What it does"), _options(cli, context))
    for command, inner in _commands(cli, context):
        usage = f"{inner.command_path} {' '.join(command.collect_usage_pieces(inner))}"
        lines += [f"## {inner.command_path.partition(' ')[2]}\n", f"```\n{usage}\n```\n"]
        lines += [f"{_line(paragraph)}\n" for paragraph in (command.help or "").split("\n\n")]
        lines += _table(("Option", "What it does"), _options(command, inner))
    lines.append("## Exit codes\n")
    lines += _table(("Code", "Meaning"), ((str(code.value), meaning) for code, meaning in MEANINGS.items()))
    return NOTE + "\n".join(lines)


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command with its context; those of a group come after it."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield command, inner
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1]:
            yield f"`{record[0]}`", _line(record[1])


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + " --- |" * len(heads)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def _line(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").split())


PAGES: Final[dict[str, Callable[[], str]]] = {
    "schemas/json/settings.schema.json": settings_schema,
    "schemas/json/mappings.schema.json": mappings_schema_text,
    "docs/reference/settings.md": settings_page,
    "docs/reference/metrics.md": metrics_page,
    "docs/reference/reasons.md": reasons_page,
    "docs/reference/cli.md": cli_page,
}
"""Path below the repository's root → what makes it."""


def stale(root: Path = ROOT) -> list[str]:
    """Pages that are not what the code says now."""
    return [
        name
        for name, make in PAGES.items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != make()
    ]


def main() -> int:
    """Write the pages that differ, or with ``--check`` name them and fail."""
    names = stale()
    if "--check" in sys.argv[1:]:
        sys.stdout.writelines(f"{name} is not current: run docs/generate.py\n" for name in names)
        return 1 if names else 0
    for name in names:
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PAGES[name](), encoding="utf-8")
        sys.stdout.write(f"{name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
