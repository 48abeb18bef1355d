"""``import``: mappings out of Segment, by its Public API's JSON or Terraform's."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click


@click.command("import")
@click.argument(
    "files",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    nargs=-1,
    required=True,
    metavar="FILE...",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write the mappings file, instead of standard output.",
)
@click.option("--destination", default="", metavar="ID", help="Which destination's mappings, where there are several.")
def import_(*, files: tuple[Path, ...], output: Path | None, destination: str) -> None:
    """Turn mappings and filters of Segment into a mappings file.

    FILE is what the Public API answers (subscriptions, filters, destination), `terraform show -json`, or Terraform's
    state; give all of them at once; - is standard input. The report on standard error says what was taken, what is off
    or left out, and where a mapping does not do what it reads. The webhook's URL is never written.
    """
    from consumer.config.importing import MOST_BYTES, Found
    from consumer.config.importing_build import build
    from consumer.config.mappings import decode_text, read_text
    from consumer.errors import ConfigurationError, Problem
    from consumer.ops.redact import Redactor

    found = Found()
    for file in files:
        if str(file) == "-":
            raw = sys.stdin.buffer.read(MOST_BYTES + 1)
            found.read(decode_text(raw, "standard input", MOST_BYTES), "standard input")
        else:
            own = len(found.files)
            found.read(read_text(file, MOST_BYTES), file.name)
            if output is not None and output.exists() and output.samefile(file) and len(found.files) == own:
                message = "is the file that is read, which is Segment's or Terraform's; name another for the mappings"
                raise ConfigurationError([Problem("--output", message)])
    masked = Redactor()
    for secret in found.secrets:
        masked.register_secret(secret)
    text, report = build(found, destination)
    for line in report:
        click.echo(masked(str(line)), err=True)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)
        click.echo(f"written: {output}; see chartmogul-consumer mappings explain {output}", err=True)


def _write(path: Path, text: str) -> None:
    """All or nothing: a service may be watching the file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
