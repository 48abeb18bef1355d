"""The command line: one file a command. ``app.py`` wires the service; commands parse, call and print."""

from __future__ import annotations


def main() -> None:
    """Entry point of the ``chartmogul-consumer`` script."""
    from consumer.cli.main import cli

    cli()
