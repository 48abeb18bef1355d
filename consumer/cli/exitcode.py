"""What a command's exit code means; shown by ``--help`` and in docs/reference/cli.md."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """For scripts, probes and whoever restarts the service."""

    OK = 0
    FAILED = 1
    CONFIGURATION = 2
    WORK_LEFT = 3
    INTERRUPTED = 130
    NOT_READ = 141


MEANINGS: Final = {
    ExitCode.OK: "done; for run: stopped as asked, everything taken in was delivered and committed",
    ExitCode.FAILED: "failed; one line on standard error says why and what to do; check: something that the"
    " service needs is missing, its line says what to do",
    ExitCode.CONFIGURATION: "wrong settings, mappings or arguments, a line each on standard error; nothing was started",
    ExitCode.WORK_LEFT: "run: stopped at the drain deadline with POSTs under way, or without its last commit; nothing"
    " is lost, the next start sends them again; replay: some of what was selected is left where it is",
    ExitCode.INTERRUPTED: "interrupted from the keyboard; run: told to stop a second time",
    ExitCode.NOT_READ: "whoever read the output had seen enough (… | head); what was not said is not known",
}
