"""``demo``: see the service at work on sample events, with Kafka and ChartMogul built in."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consumer.cli.options import NumberRange
from consumer.cli.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from consumer.sandbox.demo import Account, Progress

_ROWS = 12
_LINE_SECONDS = 1.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, as the last line, and nothing else.")
@click.option(
    "--events",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own events, one JSON object a line, instead of the samples.",
)
@click.option(
    "--rate",
    type=NumberRange(min=0, min_open=True, max=100_000),
    help="POSTs a second. Samples: 250; your own events: unlimited.",
)
def demo(*, as_json: bool, events: Path | None, rate: float | None) -> None:
    """Deliver sample events to a local stand-in for ChartMogul: nothing is needed, nothing leaves this machine.

    Exits 0 only if every event is accounted for: by the service, the stand-in and the broker.
    """
    from consumer.ops.log import configure_logging
    from consumer.sandbox.demo import RATE_PER_SECOND, DemoTimeoutError, run_demo
    from consumer.sandbox.samples import UNDECODABLE, load_samples

    configure_logging("error", "console")
    samples = list(load_samples(events))
    if events is None:
        middle = len(samples) // 2
        samples[middle:middle] = UNDECODABLE
        rate = rate or RATE_PER_SECOND
    if not samples:
        raise click.ClickException(f"{events} holds no events; it must have one JSON object a line")
    show, finish = _display(as_json=as_json)
    try:
        account, customers, contacts = asyncio.run(run_demo(samples, rate_per_second=rate, show=show))
    except DemoTimeoutError as error:
        raise click.ClickException(str(error)) from None
    finally:
        finish()
    if as_json:
        click.echo(json.dumps(account.as_json()))
    else:
        _report(account, customers, contacts)
    if not account.balanced:
        click.echo("Not every event is accounted for; this is a bug, please report it.", err=True)
        raise SystemExit(1)


def _display(*, as_json: bool) -> tuple[Callable[[Progress], None], Callable[[], None]]:
    """How progress is shown: live on a terminal, a line a second elsewhere, not at all before JSON."""
    if as_json:
        return (lambda _: None), (lambda: None)
    if sys.stdout.isatty():
        from rich.live import Live

        live = Live(refresh_per_second=10, transient=True)
        live.start()
        return (lambda progress: live.update(_bars(progress))), live.stop
    shown_at = -_LINE_SECONDS

    def line(progress: Progress) -> None:
        nonlocal shown_at
        if progress.seconds - shown_at >= _LINE_SECONDS:
            shown_at = progress.seconds
            click.echo("  ".join(f"{name} {value}" for name, value in _numbers(progress).items()))

    return line, (lambda: None)


def _numbers(progress: Progress) -> dict[str, str]:
    from consumer.cli.run import outcomes

    totals = outcomes(progress.snapshot.delivery)
    partitions = progress.snapshot.delivery.partitions
    lag = progress.produced - sum(view.committed for view in partitions) if partitions else progress.produced
    per_second = totals["delivered"] / progress.seconds if progress.seconds else 0.0
    return {
        "delivered": str(totals["delivered"]),
        "skipped": str(totals["skipped"]),
        "dead-lettered": str(totals["dead_lettered"]),
        "rate": f"{per_second:.0f}/s",
        "lag": str(lag),
        "seconds": f"{progress.seconds:.1f}",
    }


def _bars(progress: Progress) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 3))
    numbers = _numbers(progress)
    table.add_row(*(Text(name, style="dim") for name in numbers))
    table.add_row(*(Text(value, style="bold") for value in numbers.values()))
    done = progress.total - int(numbers["lag"]) if progress.produced == progress.total else 0
    held = progress.snapshot.delivery.held_by
    state = f"held by {held}" if held else progress.snapshot.delivery.state
    return Group(
        Text(f"Segment events → Kafka → this service → ChartMogul (stand-in): {state}", style="cyan"),
        ProgressBar(total=progress.total, completed=max(done, 0), width=60),
        table,
    )


def _report(account: Account, customers: Sequence[dict[str, Any]], contacts: Sequence[dict[str, Any]]) -> None:
    from consumer.cli.console import Console

    console = Console(highlight=False)
    console.print(_people("Customers", customers, {"id": "external_id", "name": "name", "website": "website_url"}))
    named = [{**row, "name": " ".join(filter(None, (row["first_name"], row["last_name"])))} for row in contacts]
    columns = {"name": "name", "customer": "customer_external_id", "email": "email", "id": "external_id"}
    console.print(_people("Contacts", named, columns))
    counts = {
        "Skipped": account.skipped,
        "Dead-lettered": account.dead_letters,
    }
    for title, reasons in counts.items():
        listed = ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items(), key=lambda item: -item[1]))
        console.print(f"[bold]{title}[/bold] {sum(reasons.values())}: {listed or 'none'}")
    console.print("[bold]Where the time went[/bold]")
    for phase, seconds in account.phases.items():
        console.print(f"  {seconds:6.2f} s  {phase}")
    console.print(
        f"{account.records} records: {account.delivered} delivered, {sum(account.skipped.values())} skipped, "
        f"{account.dead_lettered} dead-lettered, {account.duplicates} duplicates, committed lag "
        f"{account.committed_lag}, in {account.seconds:.1f} s."
    )
    if account.balanced:
        console.print("[green]Every event is accounted for, by the service, the stand-in and the broker.[/green]")


def _people(title: str, rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{title} ({len(rows)})", title_justify="left", title_style="bold")
    for heading in columns:
        table.add_column(heading, overflow="ellipsis", no_wrap=True, max_width=26)
    for row in sorted(rows, key=lambda row: str(row["external_id"]))[:_ROWS]:
        # As text: markup in a name is part of the name, and an escape sequence must not reach the terminal.
        table.add_row(*(Text(visible(str(row.get(column) or ""))) for column in columns.values()))
    if len(rows) > _ROWS:
        table.caption = f"and {len(rows) - _ROWS} more"
        table.caption_justify = "left"
    return table
