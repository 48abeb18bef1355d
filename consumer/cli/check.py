"""``check``: whether the service could start with these settings, and what it depends on is there: a line each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from consumer.checks.finding import Finding, Verdict
from consumer.cli.exitcode import ExitCode
from consumer.cli.options import NumberRange, config_option, settings_from
from consumer.config.environment import PREFIX
from consumer.config.model import Settings
from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
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
    "tracing": lambda s: "on, by the OTEL_ variables" if s.tracing.enabled else "off",
}
"""What a person wants to see again of a section that is right; nothing secret."""


@click.command(short_help="Check the settings, and what they name: Kafka, webhook.")
@config_option
@click.option("--offline", is_flag=True, help="Connect to nothing: settings and the files they name.")
@click.option("--webhook", is_flag=True, help="Post {} to the webhook, as Segment's connection test does.")
@click.option(
    "--timeout",
    type=NumberRange(min=1, max=600),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="For all questions together.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def check(ctx: click.Context, /, config: Path | None, **options: Any) -> None:
    """Check the settings, and what they name.

    First every section of the settings, with each mistake, what is allowed and what to do. Then, unless offline, what
    the service depends on: brokers, topics, permissions to read, to join the group and to write dead letters, what the
    last records would become and whether their keys keep the order, and on request the webhook. It joins, commits,
    makes and writes nothing. A line says pass, warn, fail or skip; only fail is a failure.
    """
    from consumer.ops.log import redactor

    if options["offline"] and options["webhook"]:
        raise click.UsageError("--offline connects to nothing, --webhook posts: leave one out")
    shown: list[Finding] = []

    def show(found: Iterable[Finding]) -> bool:
        """Whether all is well."""
        for finding in found:
            shown.append(finding)
            if not options["as_json"]:
                click.echo(redactor("\n".join(finding.lines())))
        return all(finding.verdict is not Verdict.FAIL for finding in shown)

    settings, problems = _read(config)
    code = ExitCode.OK if show(report(settings, problems)) else ExitCode.CONFIGURATION
    if settings is not None and code is ExitCode.OK and not options["offline"]:
        from consumer.checks.online import look

        code = (
            ExitCode.OK
            if show(look(settings, seconds=options["timeout"], ask_webhook=options["webhook"]))
            else ExitCode.FAILED
        )
    if options["as_json"]:
        account = {"ok": code is ExitCode.OK, "checks": [finding.as_json() for finding in shown]}
        click.echo(redactor(json.dumps(account, ensure_ascii=False)))
    ctx.exit(code)


def _read(config: Path | None) -> tuple[Settings | None, Sequence[Problem]]:
    """The settings, and what is wrong in them and in the files that they name."""
    try:
        settings = settings_from(config)
    except ConfigurationError as error:
        return None, error.problems
    from consumer.checks.offline import problems

    return settings, problems(settings)


def report(settings: Settings | None, problems: Sequence[Problem]) -> Iterator[Finding]:
    """A finding for each section, with its mistakes."""
    by_section: dict[str, list[Problem]] = {}
    for problem in problems:
        by_section.setdefault(_section(problem), []).append(problem)
    # A file that cannot be read says nothing about its sections.
    sections = (
        [_FILE] if _FILE in by_section else [*Settings.model_fields, *(set(by_section) - set(Settings.model_fields))]
    )
    for section in sections:
        wrong = by_section.get(section, [])
        if section == "mappings_file" and settings is None and not wrong:
            yield Finding(section, Verdict.SKIP, "read once the settings are right")
            continue
        says = _SAYS[section](settings) if settings and section in _SAYS else ""
        yield Finding(section, Verdict.FAIL if wrong else Verdict.PASS, says, tuple(map(str, wrong)))


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
