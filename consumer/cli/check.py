"""``check``: whether the service could start with these settings, a line a section, without connecting to anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from consumer.cli.exitcode import ExitCode
from consumer.cli.options import config_option, settings_from
from consumer.config.environment import PREFIX
from consumer.config.model import Settings
from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_FILE: Final = "file"

_SAYS: Final[dict[str, Callable[[Settings], str]]] = {
    "kafka": lambda s: (
        f"group {s.kafka.group_id}, topics {', '.join(s.kafka.topics)}, a new group starts at {s.kafka.start_from}"
    ),
    "source": lambda s: f"format {s.source.format}, envelope {s.source.envelope}",
    "destination": lambda s: f"webhook URL {_origin(s)}",
    "delivery": lambda s: f"{s.delivery.mode}, {_rate(s)}, {s.delivery.concurrency} at once",
    "dead_letter": lambda s: f"topic {s.dead_letter.topic}, halts above {s.dead_letter.halt_ratio:.0%}",
    "mappings_file": lambda s: str(s.mappings_file or "none: the two default mappings"),
    "http": lambda s: f"{s.http.host}:{s.http.port}",
    "log": lambda s: f"{s.log.level}, {s.log.format}",
}
"""What a person wants to see again of a section that is right; nothing secret."""


@click.command(short_help="Check the settings, section by section.")
@config_option
@click.option("--offline", is_flag=True, required=True, help="Connect to nothing: settings and the files they name.")
@click.pass_context
def check(ctx: click.Context, config: Path | None, offline: bool) -> None:  # noqa: FBT001, ARG001 - click passes it
    """Check the settings, section by section.

    Prints a line for each section, and below it every mistake with its path, what is allowed and what to do.
    """
    settings: Settings | None = None
    problems: Sequence[Problem] = ()
    try:
        settings = settings_from(config)
        problems = _mappings(settings)
    except ConfigurationError as error:
        problems = error.problems
    for line in report(settings, problems):
        click.echo(line)
    if problems:
        ctx.exit(ExitCode.CONFIGURATION)


def _mappings(settings: Settings) -> Sequence[Problem]:
    """What is wrong in the mappings file."""
    from consumer.config.mappings import load_mappings

    try:
        load_mappings(settings.mappings_file)
    except ConfigurationError as error:
        return [Problem(f"mappings_file.{each.path}", each.message, each.line) for each in error.problems]
    return ()


def report(settings: Settings | None, problems: Sequence[Problem]) -> list[str]:
    """The lines: ``pass`` or ``fail`` a section, then its mistakes."""
    by_section: dict[str, list[Problem]] = {}
    for problem in problems:
        by_section.setdefault(_section(problem), []).append(problem)
    lines = []
    # A file that cannot be read says nothing about its sections.
    sections = (
        [_FILE] if _FILE in by_section else [*Settings.model_fields, *(set(by_section) - set(Settings.model_fields))]
    )
    for section in sections:
        wrong = by_section.get(section, [])
        says = _SAYS[section](settings) if settings and section in _SAYS else ""
        lines.append(f"{'fail' if wrong else 'pass'}  {section:<14}{says}".rstrip())
        lines += [f"        {problem}" for problem in wrong]
    return lines


def _section(problem: Problem) -> str:
    path = problem.path
    if path.startswith(PREFIX):  # a variable that is no setting: by the section that it begins with, if any
        path = path.removeprefix(PREFIX).partition("__")[0].lower()
        return path if path in Settings.model_fields else "environment"
    section = path.partition(".")[0].partition("[")[0]
    return _FILE if section == "(file)" else section


def _origin(settings: Settings) -> str:
    if settings.destination.webhook_url_file:
        return f"from {settings.destination.webhook_url_file}"
    return "from the settings" if settings.destination.webhook_url else "not needed by a shadow"


def _rate(settings: Settings) -> str:
    rate = settings.delivery.requests_per_second
    return "no rate limit" if rate is None else f"{rate:g} requests/s"
