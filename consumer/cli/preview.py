"""``preview``: what would be sent of events in a file, and why not; no Kafka, no POST."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from consumer.cli.options import NEEDS_NO_WEBHOOK, config_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from consumer.config.model import Settings
    from consumer.preview import Preview, Previewer

_STAND_INS: Final = {
    "CHARTMOGUL_CONSUMER_KAFKA__BOOTSTRAP_SERVERS": "-",
    "CHARTMOGUL_CONSUMER_KAFKA__TOPICS": "-",
    "CHARTMOGUL_CONSUMER_KAFKA__START_FROM": "latest",
    "CHARTMOGUL_CONSUMER_DEAD_LETTER__TOPIC": "--",
}
"""Laid below the environment where there is no settings file: required, and nothing that a preview asks for."""


@click.command()
@config_option
@click.option(
    "--mappings",
    "-m",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Mappings, instead of the settings' mappings_file. Without either: the hosted default mappings.",
)
@click.option("--pretty", is_flag=True, help="For people: each event's fields beside what became of them.")
@click.argument(
    "events",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    default="-",
    required=False,
)
def preview(*, config: Path | None, mappings: Path | None, pretty: bool, events: Path) -> None:
    """Say what would be sent of each event in EVENTS (JSON lines; - or nothing is standard input), and why not.

    Prints a JSON object for each event. Reads no Kafka and posts nothing; the webhook's URL is not needed. What is
    wrong with a line that is no event stands on standard error.
    """
    from consumer.config.mappings import load_mappings
    from consumer.preview import Previewer

    settings = _settings(config, mappings, os.environ)
    previewer = Previewer(settings, load_mappings(settings.mappings_file))
    show = _show_pretty(previewer) if pretty else _show_json
    for number, value in _lines(events):
        for each in previewer.line(value):
            show(each, number)


def _show_json(each: Preview, number: int) -> None:
    click.echo(each.as_json())
    for error in each.errors:
        click.echo(f"line {number}: {each.reason}: {error.field} {error.message}", err=True)


def _show_pretty(previewer: Previewer) -> Callable[[Preview, int], None]:
    from consumer.cli.console import Console
    from consumer.cli.preview_view import render

    console = Console(highlight=False)
    return lambda each, number: console.print(render(each, number, previewer.specs))


def _settings(config: Path | None, mappings: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings without what only a running service needs."""
    from consumer.config.settings import load_settings

    joined = ({} if config else _STAND_INS) | dict(environ) | NEEDS_NO_WEBHOOK
    if mappings:
        joined["CHARTMOGUL_CONSUMER_MAPPINGS_FILE"] = str(mappings)
    return load_settings(config, joined)


def _lines(events: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not empty, with their numbers."""
    from_stdin = str(events) == "-"
    if from_stdin and sys.stdin is None:
        raise click.UsageError("standard input is closed; name a file of events")
    if from_stdin and sys.stdin.isatty():
        click.echo("reading events from the terminal, one JSON object a line; Ctrl-D ends", err=True)
    with click.open_file(str(events), "rb") as file:
        for number, line in enumerate(file, start=1):
            value = line.strip()
            if value:
                yield number, value
