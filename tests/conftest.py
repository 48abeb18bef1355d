"""What every test has: the real broker as a fixture, the account of what ran on it, and which tests are left out.

- ``slow`` tests run with ``--slow``, with CI=true, and when one is named by its node id; elsewhere they are left out.
- ``real_kafka`` tests skip where no Apache Kafka can be had; with CI=true that skip is a failure, for a build that has
  quietly stopped testing against Kafka looks exactly like one that is fine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.canary import leaks

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.kafka.client import Broker

_IN_CI = os.environ.get("CI", "").lower() == "true"
_DESCRIPTION = pytest.StashKey[str]()
_LEFT_OUT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too (CI=true does)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "real_kafka" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real_kafka)
    named = any("::" in argument for argument in config.args)
    if _IN_CI or named or config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
    config.stash[_LEFT_OUT] = len(slow)


@pytest.fixture(scope="session")
def real_kafka(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Apache Kafka, one for the whole run: take topic and group names from ``broker.unique``."""
    from tests.kafka.discover import real_kafka
    from tests.kafka.or_skip import or_skip

    context = real_kafka()
    with or_skip():
        broker = context.__enter__()
    request.config.stash[_DESCRIPTION] = broker.description
    try:
        yield broker
    finally:
        context.__exit__(None, None, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and report.passed:
        shown = "".join(text for name, text in report.sections if "stdout" not in name)
        if found := leaks(shown):  # what a command prints for whoever asked (stdout) is another matter
            report.outcome = "failed"
            report.longrepr = f"standard error or the log shows {', '.join(found)}:\n{shown}"
    if _IN_CI and report.skipped and item.get_closest_marker("real_kafka"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"with CI=true a test on the real broker must run, this one did not. {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    ran = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call" and "real_kafka" in report.keywords
    ]
    where = config.stash.get(_DESCRIPTION, "none was used")
    terminalreporter.write_line(f"real broker: {len(ran)} tests ran on it ({where})")
    if left_out := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(f"slow tests: {left_out} left out; `make test-all` runs them")
