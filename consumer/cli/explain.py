"""``explain``: what became of one record on a topic, stage by stage, and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from consumer.cli.options import config_option, settings_from
from consumer.errors import ConsumerError, KafkaUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from confluent_kafka import Message

    from consumer.explain.reading import Place, Reader
    from consumer.explain.stages import Explainer

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _since(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Unix milliseconds of ``30m``, ``1h``, ``2d`` ago, or of an ISO-8601 time with a zone."""
    if value is None:
        return None
    if value[:-1].isdigit() and value[-1] in _UNITS and len(value) < 10:
        at = datetime.now(UTC) - timedelta(seconds=int(value[:-1]) * _UNITS[value[-1]])
        return int(at.timestamp() * 1000)
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        at = datetime.min  # noqa: DTZ901 - no zone is what makes it refused
    if at.tzinfo is None:
        raise click.BadParameter("takes 30m, 1h, 2d, or an ISO-8601 time with a zone such as 2026-01-31T10:00:00Z")
    if at > datetime.now(UTC):
        raise click.BadParameter("is in the future; nothing is written since then")
    return int(at.timestamp() * 1000)


@click.command()
@config_option
@click.argument("place", metavar="[TOPIC/PARTITION/OFFSET]", required=False)
@click.option("--message-id", metavar="ID", help="Look for the events with this messageId instead; needs --since.")
@click.option("--since", callback=_since, metavar="T", help="From where to look: 30m, 1h, 2d ago, or an ISO-8601 time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each record.")
@click.pass_context
def explain(
    ctx: click.Context,
    /,
    *,
    config: Path | None,
    place: str | None,
    message_id: str | None,
    since: int | None,
    as_json: bool,
) -> None:
    """Say what becomes of one record: bytes, event, filters, triggers, mappings, body, and its dead letters.

    With the settings and mappings as they are now, so that it may differ from what was delivered then. It joins no
    group, commits nothing and posts nothing. It shows what the record contains: personal data.
    """
    from consumer.config.mappings import load_mappings
    from consumer.decoding import open_decoding
    from consumer.explain.reading import Reader, parse_place
    from consumer.explain.stages import Explainer
    from consumer.preview import Previewer

    if (place is None) is (message_id is None) or (message_id is None) is not (since is None):
        raise click.UsageError("give TOPIC/PARTITION/OFFSET, or --message-id with --since")
    wanted = parse_place(place) if place is not None else None
    if place is not None and wanted is None:
        raise click.UsageError(f"the place is TOPIC/PARTITION/OFFSET, such as events/0/1234, not {place!r}")
    settings = settings_from(config, needs_webhook=False)
    mappings = load_mappings(settings.mappings_file)
    decoding = open_decoding(settings.source)
    if decoding.schemas is not None:
        decoding.schemas.start()
    explainer = Explainer(decoding, Previewer(settings, mappings), mappings)
    reader = Reader(settings, lambda problem: click.echo(problem, err=True))
    found = [wanted] if wanted is not None else list(_places(reader, explainer, message_id or "", since or 0))
    if not found:
        raise KafkaUnavailableError("no event with that messageId since then; look further back, or at another topic")
    for each in found:
        document = _explained(reader, explainer, each)
        if as_json:
            click.echo(json.dumps(document))
        else:
            from consumer.cli.explain_view import lines

            click.echo("\n".join(lines(document)))
    ctx.exit(0)


def _places(reader: Reader, explainer: Explainer, message_id: str, since: int) -> Iterator[Place]:
    """Where events with this messageId stand; a record that cannot be decoded is passed by."""
    from consumer.explain.reading import place_of

    needle = message_id.encode()
    for message in reader.since(since):
        value = message.value()
        # Text stands in JSON and in Avro as it is, unless it needs escapes: then every record is decoded.
        if value is not None and (needle in value or not _plain(message_id)) and _holds(explainer, message, message_id):
            yield place_of(message)


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and not set(text) & set('"\\/')


def _holds(explainer: Explainer, message: Message, message_id: str) -> bool:
    return any(isinstance(event, dict) and event.get("messageId") == message_id for event in explainer.events(message))


def _explained(reader: Reader, explainer: Explainer, place: Place) -> dict[str, Any]:
    """The explanation as JSON data."""
    from consumer.explain.document import document_of

    message, committed = reader.record(place)
    kind, timestamp = message.timestamp()
    stages = explainer.stages(message)
    letters: list[dict[str, str]] | str
    try:
        letters = [{"at_place": str(where), **said} for where, said in reader.letters(place, timestamp if kind else 0)]
    except ConsumerError as error:
        letters = f"the dead-letter topic cannot be read: {error}"
    return document_of(place, message, committed, stages, letters)
