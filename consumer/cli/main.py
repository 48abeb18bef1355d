"""The command group: finds commands when they are asked for, and turns what they raise into lines and exit codes.

A command's module is imported only when that command runs: ``--help`` costs the import of click and nothing else.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from consumer import __version__
from consumer.cli.exitcode import MEANINGS, ExitCode
from consumer.errors import ConfigurationError, ConsumerError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Command(NamedTuple):
    """Where a command is, and its line in ``--help``: known without an import."""

    module: str
    attribute: str
    summary: str


COMMANDS: Final[dict[str, Command]] = {
    "run": Command("consumer.cli.run", "run", "Run the service: Kafka to ChartMogul until stopped."),
    "demo": Command(
        "consumer.cli.demo", "demo", "See it work here: Kafka, sample events and ChartMogul in one process."
    ),
    "sandbox": Command("consumer.cli.sandbox", "sandbox", "Stand in for ChartMogul's webhook on this machine."),
    "check": Command("consumer.cli.check", "check", "Check the settings, and what they name: Kafka, webhook."),
    "preview": Command("consumer.cli.preview", "preview", "Say what would be sent of events in a file, and why not."),
    "explain": Command("consumer.cli.explain", "explain", "Say what becomes of one record on a topic, and why."),
    "replay": Command(
        "consumer.cli.replay", "replay", "Send dead letters, or records of the source topics, once more."
    ),
    "import": Command("consumer.cli.import_", "import_", "Turn mappings and filters of Segment into a mappings file."),
    "mappings": Command("consumer.cli.mappings", "mappings", "Check a mappings file, or show what it does."),
}
"""In the order of ``--help``. A command whose module is not there is left out."""


class CommandGroup(click.Group):
    """Commands of `COMMANDS`, imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the interface's
        """Names of the commands that are there."""
        return [name for name, command in COMMANDS.items() if importlib.util.find_spec(command.module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        place = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(place.module), place.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in ``--help``, and the exit codes."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), meaning) for code, meaning in MEANINGS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; whatever it raises ends as lines on standard error and an exit code."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a console of few characters is no reason to fail
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (click.Abort, KeyboardInterrupt):
            ctx.exit(ExitCode.INTERRUPTED)
        except BrokenPipeError:
            # As other programs end; what is still in buffers must not be tried again at the interpreter's end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(ExitCode.NOT_READ)
        except Exception as error:  # noqa: BLE001 - the last place where an error can become a line for a person
            if ctx.params.get("debug"):
                click.echo(_masked(traceback.format_exc()), err=True, nl=False)
            for line in explain(error):
                click.echo(_masked(line), err=True)
            ctx.exit(ExitCode.CONFIGURATION if isinstance(error, ConfigurationError) else ExitCode.FAILED)


def explain(error: Exception) -> Iterator[str]:
    """What to tell a person about an error; no traceback, and nothing that an event or a secret could be in."""
    if isinstance(error, ConfigurationError):
        yield from map(str, error.problems)
    elif isinstance(error, ConsumerError):
        yield f"error: {error}"
    elif isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        yield f"error: {error.strerror}{where}"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1:]
        place = "".join(f" in {frame.name}, {frame.filename}:{frame.lineno}" for frame in last)
        yield f"error: unexpected {type(error).__name__}{place}; run it with --debug and report it"


def _masked(text: str) -> str:
    from consumer.ops.log import redactor

    return redactor(text)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="%(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:  # noqa: FBT001 - click passes it; CommandGroup.invoke reads it
    """Deliver Segment events from Kafka to ChartMogul.

    Try `chartmogul-consumer demo`; then `check` your settings and `run`.
    """
