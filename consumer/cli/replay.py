"""``replay``: dead letters, or a stretch of the source topics, once more."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from consumer.cli.exitcode import ExitCode
from consumer.cli.options import NumberRange, config_option, settings_from
from consumer.outcomes import DecodeReason, DeliverReason, RejectReason, Stage

if TYPE_CHECKING:
    from consumer.cli.replay_view import Display
    from consumer.config.model import Settings
    from consumer.replay.planning import ReplayPlanner
    from consumer.replay.run import Replay, Result
    from consumer.replay.selection import Selection, Stretch
    from consumer.replay.source import BoundedSource

_REASONS: Final = sorted({reason.value for kind in (RejectReason, DecodeReason, DeliverReason) for reason in kind})
_PARTITION: Final = re.compile(r"(?P<topic>[^/]+)/(?P<number>[0-9]{1,9})")
_OFFSETS: Final = re.compile(r"(?P<first>[0-9]{1,18})(?P<to>-(?P<last>[0-9]{1,18})?)?")
_RUN_ID: Final = re.compile(r"[0-9]{8}T[0-9]{9}Z-[0-9a-f]{8}")


def _unix_ms(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """An ISO 8601 time with its zone, as Unix milliseconds; one without is another time on every machine."""
    from consumer.replay.selection import unix_ms

    if value is None:
        return None
    if not (time := unix_ms(value)):
        raise click.BadParameter(f"{value!r} is no ISO 8601 time with a zone, such as 2026-01-31T00:00:00Z")
    return time


@click.command()
@config_option
@click.option(
    "--from",
    "origin",
    type=click.Choice(["dead-letters", "source"]),
    default="dead-letters",
    show_default=True,
    help="Read the dead-letter topic, or kafka.topics.",
)
@click.option(
    "--reason", "reasons", multiple=True, type=click.Choice(_REASONS), metavar="R", help="Dead letters of it."
)
@click.option(
    "--stage", "stages", multiple=True, type=click.Choice([stage.value for stage in Stage]), help="Dead letters of it."
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="G",
    help="Dead letters that a service with this consumer group has written. Without: kafka.group_id.",
)
@click.option("--mapping", "mappings", multiple=True, metavar="M", help="Deliveries by this mapping only.")
@click.option(
    "--since", callback=_unix_ms, metavar="T", help="From this time on: dead-lettered, or the record's timestamp."
)
@click.option("--until", callback=_unix_ms, metavar="T", help="Before this time.")
@click.option("--key", "keys", multiple=True, metavar="K", help="Records with this key.")
@click.option("--partition", "partitions", multiple=True, metavar="TOPIC/N", help="A partition of what is read.")
@click.option(
    "--offsets",
    "offsets",
    multiple=True,
    metavar="A-B",
    help="Of that --partition, in turn: 7, 7-9 (both included), 7-.",
)
@click.option("--dry-run", is_flag=True, help="Count what would be sent, by mapping, stage and reason; send nothing.")
@click.option(
    "--requests-per-second",
    "rate",
    type=NumberRange(min=0, min_open=True, max=100_000),
    metavar="N",
    help="POSTs a second. Without: 10 % of delivery.requests_per_second, at least 1.",
)
@click.option("--run-id", metavar="ID", help="Continue a run that was interrupted; give the same selection.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, as the last line, and nothing else.")
@click.pass_context
def replay(ctx: click.Context, /, **options: Any) -> None:
    """Send dead letters, or records of the source topics, once more.

    Only the delivery that failed is sent again, by the mappings and filters of today. Older data may overwrite newer in
    ChartMogul: it asks before it sends anything. What fails again is dead-lettered again. It reads no further than the
    topic went when it began, and leaves the service and its offsets alone.
    """
    from consumer.cli.replay_view import Display
    from consumer.decoding import open_decoding
    from consumer.ops.log import configure_logging
    from consumer.replay.run import Replay, default_rate, open_planner, open_source, run_settings
    from consumer.replay.selection import new_run_id, run_group

    settings = settings_from(options["config"], needs_webhook=not options["dry_run"])
    selection = _selection(settings, options)
    if not (options["dry_run"] or options["yes"] or _somebody_is_there()):
        raise click.UsageError(
            "older data may overwrite newer in ChartMogul, and nobody is there to be asked: give --yes"
        )
    configure_logging("warning", "console")
    run_id = options["run_id"] or new_run_id(selection, datetime.now(UTC))
    settings = run_settings(
        settings,
        group=run_group(settings.kafka.group_id, run_id),
        rate=options["rate"] or default_rate(settings),
    )
    decoding = open_decoding(settings.source)
    planner = open_planner(settings, selection, decoding)
    source = open_source(settings, selection, decoding)
    display = Display(as_json=options["as_json"])
    scope = source.survey()
    if options["dry_run"]:
        _dry_run(source, planner, selection, display)
        return
    run = Replay(settings, planner, source, display.say)
    display.announce(run_id, settings, selection, scope)
    if not options["yes"] and scope.records and not _confirmed(run, display):
        ctx.exit(ExitCode.WORK_LEFT)
    result, interrupted = asyncio.run(_run(run, display))
    display.result(run_id, result, source.sieve)
    ctx.exit(_exit_code(result, interrupted=interrupted))


async def _run(run: Replay, display: Display) -> tuple[Result, bool]:
    """Run to the end, or to the first SIGINT or SIGTERM; whether there was one. A second one leaves at once."""
    loop = asyncio.get_running_loop()
    interrupted = False

    def stop() -> None:
        nonlocal interrupted
        interrupted = True
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, _leave_at_once)
        display.say("stopping: what is under way is finished")
        run.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        return await run.run(display.show), interrupted
    finally:
        display.close()


def _confirmed(run: Replay, display: Display) -> bool:
    """Whether somebody wants it sent; otherwise the run is closed, and that is said.

    Raises:
        click.Abort: Ctrl-C, or the end of the input.
    """
    confirmed = False
    try:
        confirmed = click.confirm("Send them?", err=True)
    finally:
        if not confirmed:
            run.abandon()
            display.say("nothing was sent")
    return confirmed


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()


def _leave_at_once(*_: object) -> NoReturn:
    os._exit(ExitCode.INTERRUPTED)


def _dry_run(source: BoundedSource, planner: ReplayPlanner, selection: Selection, display: Display) -> None:
    from consumer.replay.dry_run import forecast

    try:
        found = forecast(source, planner, selection, display.show, display.say)
    finally:
        display.close()
    display.forecast(found, source.sieve)


def _exit_code(result: Result, *, interrupted: bool) -> ExitCode:
    if result.problem:
        return ExitCode.FAILED
    if interrupted and not result.complete:
        return ExitCode.INTERRUPTED
    return ExitCode.WORK_LEFT if result.left else ExitCode.OK


def _selection(settings: Settings, options: dict[str, Any]) -> Selection:
    """What the options select.

    Raises:
        click.UsageError: options that do not go together.
    """
    from consumer.replay.selection import Origin, Selection

    origin = Origin(options["origin"])
    letters = origin is Origin.DEAD_LETTERS
    if not letters and (options["reasons"] or options["stages"] or options["groups"]):
        raise click.UsageError("--reason, --stage and --group are about dead letters, not about --from source")
    selection = Selection(
        origin,
        (settings.dead_letter.topic,) if letters else settings.kafka.topics,
        reasons=frozenset(options["reasons"]),
        stages=frozenset(options["stages"]),
        # Several services may share a topic: each sends to a ChartMogul account of its own.
        groups=frozenset(options["groups"] or [settings.kafka.group_id]) if letters else frozenset(),
        mappings=frozenset(options["mappings"]),
        since_ms=options["since"],
        until_ms=options["until"],
        keys=frozenset(key.encode() for key in options["keys"]),
        stretches=tuple(_stretches(options["partitions"], options["offsets"])),
    )
    if not letters and not selection.bounded:
        raise click.UsageError("--from source sends everything there is: say --since, --until, --key or --partition")
    run_id = options["run_id"]
    if run_id is not None and not _RUN_ID.fullmatch(run_id):
        raise click.UsageError("--run-id takes the id that the interrupted run has printed")
    if run_id is not None and not run_id.endswith(selection.digest):
        raise click.UsageError("that run had another selection: give the options that it had, and --run-id")
    return selection


def _stretches(partitions: tuple[str, ...], offsets: tuple[str, ...]) -> list[Stretch]:
    """The places that ``--partition`` and ``--offsets`` name, in turn.

    Raises:
        click.UsageError: they do not pair, or cannot be read.
    """
    from consumer.delivery.messages import Partition
    from consumer.replay.selection import Stretch

    if offsets and len(offsets) != len(partitions):
        raise click.UsageError("each --partition takes one --offsets, in the same order; or none has any")
    stretches = []
    for name, wanted in zip(partitions, offsets or ("0-",) * len(partitions), strict=True):
        place, numbers = _PARTITION.fullmatch(name), _OFFSETS.fullmatch(wanted)
        if place is None:
            raise click.UsageError(f"--partition takes TOPIC/N, such as events/0, not {name!r}")
        if numbers is None:
            raise click.UsageError(f"--offsets takes 7, 7-9 (both included) or 7-, not {wanted!r}")
        first, last = int(numbers["first"]), numbers["last"]
        end = int(last) + 1 if last else None if numbers["to"] else first + 1
        if end is not None and end <= first:
            raise click.UsageError(f"--offsets {wanted} ends before it begins")
        stretches.append(Stretch(Partition(place["topic"], int(place["number"])), first, end))
    return stretches
