"""What a replay shows: what it is about to do, how far it is, what became of it.

Standard output has the result, its last line in a fixed form (or the JSON object); all else goes to standard error.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from consumer.cli.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from rich.live import Live

    from consumer.config.model import Settings
    from consumer.replay.dry_run import Forecast
    from consumer.replay.run import Progress, Result
    from consumer.replay.selection import Selection, Sieve
    from consumer.replay.survey import Scope

_LINE_SECONDS: Final = 5.0
_WIDTH: Final = 500


class Display:
    """A bar on a terminal, a line now and then elsewhere; only complaints before JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._live: Live | None = None
        self._terminal = sys.stderr.isatty()
        self._shown_at = 0.0

    def say(self, line: str) -> None:
        """A line about what goes wrong, or what is being done about it."""
        if self._live is not None:
            self._live.console.print(_masked(line), markup=False, highlight=False)
        else:
            click.echo(_masked(line), err=True)

    def announce(self, run_id: str, settings: Settings, selection: Selection, scope: Scope) -> None:
        """What is about to be done, and what it may do."""
        if self._as_json:
            return
        rate = settings.delivery.requests_per_second
        assert rate is not None
        self.say(f"run {run_id}: {selection.origin} of {', '.join(selection.topics)}; {_selected(selection)}")
        self.say(
            f"  {scope.records} records to look through; {rate:g} POSTs a second: "
            f"{_duration(scope.records / rate)} if each is sent once"
        )
        if settings.delivery.mode == "shadow":
            self.say("  delivery.mode is shadow: nothing is posted")
        self.say(
            "Events are sent as they were then: where ChartMogul has newer data of a customer or contact, "
            "older data may overwrite it."
        )

    def show(self, progress: Progress) -> None:
        """How far it is."""
        if self._as_json:
            return
        if self._terminal:
            if self._live is None:
                self._live = _live()
            self._live.update(_bar(progress))
        elif progress.seconds - self._shown_at >= _LINE_SECONDS:
            self._shown_at = progress.seconds
            self.say("  ".join(f"{name} {value}" for name, value in _numbers(progress)))

    def close(self) -> None:
        """End the bar."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def result(self, run_id: str, result: Result, sieve: Sieve) -> None:
        """What became of a run."""
        self._remarks(sieve)
        if result.problem:
            self.say(f"error: {result.problem}")
        if not result.complete and not self._as_json:
            self.say(f"continue it with the same options and --run-id {run_id}")
        if self._as_json:
            click.echo(json.dumps({**result.as_json(), "run_id": run_id}))
            return
        for (outcome, mapping, reason), number in sorted(result.reasons.items()):
            named = visible(mapping) or "before any mapping"
            click.echo(f"{outcome.replace('_', '-')}: {reason} {number} ({named})")
        if result.merged:
            click.echo(f"skipped: {result.merged} letters of a delivery that another letter stands for")
        click.echo("  ".join(f"{name} {value}" for name, value in result.as_json().items()))

    def forecast(self, found: Forecast, sieve: Sieve) -> None:
        """What a run would do."""
        self._remarks(sieve)
        if self._as_json:
            click.echo(json.dumps(found.as_json()))
            return
        rows = found.as_json()["groups"]
        if rows:
            _table(rows)
        click.echo(f"selected {found.selected}  merged {found.merged}  left {found.left}  seconds {found.seconds:.2f}")

    def _remarks(self, sieve: Sieve) -> None:
        if sieve.foreign:
            self.say(f"passed over, for they are no dead letters of this software: {sieve.foreign}")
        if sieve.others:
            named = ", ".join(sorted(sieve.other_groups))
            self.say(f"passed over, for services of other groups wrote them ({named}): {sieve.others}; see --group")
        if sieve.left:
            more = ", …" if sieve.left > len(sieve.left_places) else ""
            self.say(
                f"left, for their values were too large for the dead-letter topic: {sieve.left}. Their records are at "
                f"{', '.join(sieve.left_places)}{more}: --from source --partition TOPIC/N --offsets A --mapping M"
            )


def _selected(selection: Selection) -> str:
    parts = [
        f"{name} {', '.join(sorted(values))}"
        for name, values in (
            ("reason", selection.reasons),
            ("stage", selection.stages),
            ("mapping", selection.mappings),
        )
        if values
    ]
    parts += [
        f"{name} {datetime.fromtimestamp(ms / 1000, UTC).isoformat()}"
        for name, ms in (("since", selection.since_ms), ("until", selection.until_ms))
        if ms is not None
    ]
    # Keys are often a person's: how many there are is enough.
    if selection.keys:
        parts.append(f"{len(selection.keys)} keys")
    parts += [
        f"{topic}/{number} from {first}{'' if end is None else f' to {end - 1}'}"
        for (topic, number), first, end in selection.stretches
    ]
    chosen = "; ".join(parts) or "all of them"
    return f"{chosen}; of group {', '.join(sorted(selection.groups))}" if selection.groups else chosen


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _numbers(progress: Progress) -> Iterator[tuple[str, str]]:
    yield "looked through", f"{progress.done}/{progress.total}"
    yield "selected", str(progress.selected)
    if progress.snapshot is not None:
        from consumer.cli.run import outcomes

        totals = outcomes(progress.snapshot)
        yield "delivered", str(totals["delivered"])
        yield "skipped", str(totals["skipped"])
        yield "dead-lettered", str(totals["dead_lettered"])
    yield "seconds", f"{progress.seconds:.0f}"
    if progress.held_by:
        yield "held by", progress.held_by


def _live() -> Live:
    from rich.live import Live

    from consumer.cli.console import Console

    live = Live(console=Console(stderr=True), refresh_per_second=10, transient=True)
    live.start()
    return live


def _bar(progress: Progress) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 3))
    numbers = list(_numbers(progress))
    table.add_row(*(Text(name, style="dim") for name, _ in numbers))
    table.add_row(*(Text(value, style="bold") for _, value in numbers))
    return Group(ProgressBar(total=max(progress.total, 1), completed=progress.done, width=60), table)


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from consumer.cli.console import Console

    table = Table()
    for name in rows[0]:
        text = isinstance(rows[0][name], str)
        table.add_column(name.replace("_", " "), justify="left" if text else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(str(value))) for value in row.values()))
    # Where there is no terminal there is no width to keep to.
    Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH).print(table)


def _masked(text: str) -> str:
    from consumer.ops.log import redactor

    return redactor(text)
