"""Asks whether a version in requirements.lock has a known vulnerability, and claims no more than was looked at.

    python deploy/audit.py [LOCK]     exit 0: none is known, or the advisories could not be asked, and then says so
                                      exit 1: some are known; each is named with the versions that mend it

pip-audit does the asking. It says "No known vulnerabilities found" also of packages that it skipped, for example
because the index that it can reach has no advisories at all: hence this count of what was really looked at.
"""
# ruff: noqa: INP001, T201 - a script, and what it prints is its result; deploy is no package

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[1]
_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of the packages of a lock file.

    Attributes:
        audited: packages whose advisories were seen.
        skipped: packages of which nothing is known.
        vulnerable: a line for each vulnerability.
    """

    audited: int
    skipped: int
    vulnerable: Sequence[str]

    @property
    def exit_code(self) -> int:
        """1 if something has to be done."""
        return 1 if self.vulnerable else 0

    def __str__(self) -> str:
        """The result, for a person."""
        total = self.audited + self.skipped
        if self.vulnerable:
            return "\n".join(["known vulnerabilities:", *self.vulnerable])
        if not self.audited:
            return f"NOT AUDITED: the advisories of none of {total} packages could be asked from here"
        unknown = f"; NOT AUDITED: the other {self.skipped}" if self.skipped else ""
        return f"no known vulnerability in {self.audited} of {total} packages{unknown}"


def verdict(report: Mapping[str, Any]) -> Verdict:
    """Read pip-audit's JSON report."""
    seen = [each for each in report["dependencies"] if "skip_reason" not in each]
    return Verdict(
        audited=len(seen),
        skipped=len(report["dependencies"]) - len(seen),
        vulnerable=[
            f"{package['name']} {package['version']}: {found['id']}, mended in {' '.join(found['fix_versions']) or '-'}"
            for package in seen
            for found in package["vulns"]
        ],
    )


def main(arguments: Sequence[str]) -> int:
    """Audit one lock file; the exit code."""
    (lock,) = arguments or [str(ROOT / "requirements.lock")]
    # The lock has every package with its hash: nothing is resolved, downloaded or built to be asked about.
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--require-hashes", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - ours
        found = verdict(json.loads(ran.stdout))
    except subprocess.TimeoutExpired:
        print(f"NOT AUDITED: no answer within {_SECONDS} seconds")
        return 0
    except json.JSONDecodeError:
        # Without a report it ended before it knew anything: the advisories cannot be reached, or it is not installed.
        reason = (ran.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        print(f"NOT AUDITED: {reason[:300]}")
        return 0
    print(found)
    return found.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
