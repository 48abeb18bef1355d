"""``sandbox``: the stand-in for ChartMogul as a program."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

import click

from consumer.cli.options import NumberRange
from consumer.errors import ConsumerError
from consumer.sandbox.runner import run_sandbox
from consumer.sandbox.store import CompanyMode


@click.command(short_help="Stand in for ChartMogul's webhook on this machine.")
@click.option("--port", type=click.IntRange(0, 65_535), required=True, help="Port to listen on; 0 takes any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--db",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="SQLite file that keeps what arrived; in memory without.",
)
@click.option("--token", default="token", show_default=True, help="Last part of the webhook's path, /hook/TOKEN.")
@click.option(
    "--rate",
    type=NumberRange(min=0),
    default=40,
    show_default=True,
    help="Requests a second above which it answers 429; 0 is no limit.",
)
@click.option(
    "--max-parallel",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Requests at once above which it answers 503; 0 is no limit.",
)
@click.option(
    "--company-mode",
    type=click.Choice(CompanyMode, case_sensitive=False),
    default=CompanyMode.ADDED_TO_COMPANY,
    show_default=True,
    help="When a contact makes a customer of its own: ChartMogul's setting of that name.",
)
def sandbox(
    *, port: int, host: str, db: Path | None, token: str, rate: float, max_parallel: int, company_mode: CompanyMode
) -> None:
    """Stand in for ChartMogul's webhook on this machine.

    Prints the webhook's URL. GET /contacts, /customers, /deliveries and /stats show what arrived, PUT /faults makes it
    fail on purpose, GET / lists the rest. It is no copy of ChartMogul: what it assumes is marked as assumed.
    """
    if quote(token, safe="") != token:
        raise click.BadParameter("is a part of a URL: letters, digits, - . _ ~", param_hint="--token")
    try:
        run_sandbox(
            port,
            str(db) if db else None,
            host=host,
            token=token,
            rate_per_second=rate or None,
            max_parallel=max_parallel or None,
            company_mode=company_mode,
            started=lambda url: click.echo(f"webhook: {url}"),
        )
    except OSError as error:
        message = f"{host}:{port} cannot be listened on ({error.strerror}); choose another --port or --host"
        raise ConsumerError(message) from error
    except sqlite3.Error as error:
        raise ConsumerError(f"{db} cannot be used as --db ({error}); give a new file") from error
