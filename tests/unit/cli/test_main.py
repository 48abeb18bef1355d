"""The command line: help without imports, errors as lines, exit codes."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from consumer import __version__
from consumer.cli.exitcode import MEANINGS, ExitCode
from consumer.cli.main import COMMANDS, CommandGroup, cli
from consumer.errors import ConfigurationError, KafkaUnavailableError, Problem


@pytest.fixture
def run():
    return lambda *arguments: CliRunner().invoke(cli, arguments)


@pytest.fixture
def failing(monkeypatch):
    """A command that raises what the test gives it."""

    def make(error: BaseException):
        @click.command()
        def fails() -> None:
            raise error

        monkeypatch.setattr(CommandGroup, "get_command", lambda *_: fails)
        return lambda *arguments: CliRunner().invoke(cli, [*arguments, "fails"])

    return make


def test_help_lists_the_commands_and_the_exit_codes(run):
    result = run("--help")
    assert result.exit_code == 0
    for name in ("sandbox", "check"):
        assert COMMANDS[name].summary in result.output
    for code in MEANINGS:
        assert f"\n  {code.value} " in result.output


def test_help_imports_no_command_and_no_library_but_click():
    code = (
        "import sys; from consumer.cli import main; sys.argv = ['x', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'yaml', 'aiohttp', 'httpx', 'confluent_kafka', 'rich', 'orjson', 'asyncio'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)), [m for m in sys.modules if m.startswith('consumer.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert "LOADED [] ['consumer.cli.exitcode', 'consumer.cli.main']" in done.stdout.replace(
        "['consumer.cli.main', 'consumer.cli.exitcode']", "['consumer.cli.exitcode', 'consumer.cli.main']"
    )


def test_every_command_that_is_there_has_the_summary_of_its_own_help():
    context = click.Context(cli)
    names = cli.list_commands(context)
    assert {"sandbox", "check"} <= set(names)
    for name in names:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


def test_a_command_whose_module_is_missing_is_no_command(run, monkeypatch):
    monkeypatch.setitem(COMMANDS, "ghost", COMMANDS["check"]._replace(module="consumer.cli.ghost"))
    assert "ghost" not in run("--help").output
    result = run("ghost")
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "No such command" in result.output


def test_version(run):
    assert run("--version").output == f"{__version__}\n"


def test_every_configuration_problem_has_its_line_and_the_code_is_2(failing):
    result = failing(ConfigurationError([Problem("a.b", "is wrong", 3), Problem("c", "is missing")]))()
    assert result.exit_code == ExitCode.CONFIGURATION
    assert result.stderr == "a.b (line 3): is wrong\nc: is missing\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KafkaUnavailableError("no broker answered; check it"), "error: no broker answered; check it\n"),
        (
            FileNotFoundError(2, "No such file or directory", "events.jsonl"),
            "error: No such file or directory (events.jsonl)\n",
        ),
    ],
)
def test_an_expected_error_is_one_line_and_the_code_is_1(failing, error, line):
    result = failing(error)()
    assert result.exit_code == ExitCode.FAILED
    assert result.stderr == line


def test_an_unexpected_error_names_type_and_place_and_no_contents(failing):
    result = failing(KeyError("CANARY"))()
    assert result.exit_code == ExitCode.FAILED
    assert result.stderr.startswith("error: unexpected KeyError in fails, ")
    assert result.stderr.count("\n") == 1
    assert "CANARY" not in result.stderr


def test_debug_shows_the_traceback_without_secrets(failing, monkeypatch):
    from consumer.ops import log
    from consumer.ops.redact import Redactor

    monkeypatch.setattr(log, "redactor", Redactor())
    log.redactor.register_secret("https://host/hook/CANARY-token")
    result = failing(KafkaUnavailableError("https://host/hook/CANARY-token"))("--debug")
    assert result.exit_code == ExitCode.FAILED
    assert "Traceback" in result.stderr
    assert "CANARY" not in result.stderr


def test_an_interrupt_is_130(failing):
    assert failing(KeyboardInterrupt())().exit_code == ExitCode.INTERRUPTED


def test_a_wrong_argument_is_2(run):
    assert run("sandbox").exit_code == ExitCode.CONFIGURATION
    assert run("sandbox", "--port", "70000").exit_code == ExitCode.CONFIGURATION


def test_help_within_the_time_that_a_person_waits():
    """Import and all: 0.1 s here. The limit leaves room for a busy machine, not for an import of pydantic and asyncio."""
    import time

    best = 9.0
    for _ in range(3):
        before = time.perf_counter()
        subprocess.run([sys.executable, "-m", "consumer", "--help"], capture_output=True, check=True, timeout=30)
        best = min(best, time.perf_counter() - before)
    assert best < 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--timeout"),
        ("replay", "--requests-per-second"),
        ("demo", "--rate"),
        ("sandbox", "--rate"),
    ],
)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "x"])
def test_a_number_has_to_be_one(run, arguments, value):
    result = run(*arguments, value)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert arguments[1] in result.output
