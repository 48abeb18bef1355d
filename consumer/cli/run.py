"""``run``: the service, until it is told to stop."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
from typing import TYPE_CHECKING, Final

import click

from consumer.cli.exitcode import ExitCode
from consumer.cli.options import config_option, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from consumer.config.settings import Settings
    from consumer.delivery.snapshot import Snapshot

_M_MMAP_THRESHOLD: Final = -3  # malloc.h

_COLLECT_AT: Final = 10_000
"""Objects in excess of those freed, at which cycles are looked for: some three polled batches."""


@click.command()
@config_option
def run(config: Path | None) -> None:
    """Deliver events from Kafka to ChartMogul until SIGTERM.

    SIGTERM or SIGINT: stop intake, finish what is under way (delivery.drain_timeout_seconds), commit, leave. A second
    one leaves at once.
    """
    gc.disable()  # until `_collect_rarely`: what is made at the start stays, and looking through it takes 10 ms
    from consumer.ops.log import configure_logging

    _return_freed_memory()
    settings = settings_from(config)
    configure_logging(settings.log.level.value, settings.log.format.value)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        raise SystemExit(runner.run(_serve(settings)))


def _return_freed_memory() -> None:
    """Have glibc give large blocks back when they are freed.

    By default it learns from the first fetch that is freed to keep blocks of that size, megabytes each, in the heap:
    a seventh of the service's memory.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries do not have it, nor the habit
        mallopt(_M_MMAP_THRESHOLD, 128 * 1024)


def _collect_rarely() -> None:
    """Leave what was made at the start out of every search for cycles, and search rarely: there are hardly any.

    Each full search would hold up deliveries for 40 ms; with Python's own threshold (700), a batch that comes in sets
    off several small ones. All of them together are 4 µs of CPU a delivery.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AT)
    gc.enable()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Libuv's (uvloop) where it is installed (a quarter less CPU a delivery), asyncio's own where it cannot be had."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.new_event_loop
    return new_event_loop


async def _serve(settings: Settings) -> ExitCode:
    """Run to the end."""
    from consumer.app import Application
    from consumer.ops.log import EventLogger

    log = EventLogger("consumer")
    application = Application(settings)
    _collect_rarely()
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, lambda *_: os._exit(ExitCode.INTERRUPTED))
        application.stop()

    async with application:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        log.info(
            "started", port=application.port, topics=list(settings.kafka.topics), mode=settings.delivery.mode.value
        )
        await application.closed()
        snapshot = application.service.snapshot()
    log.info("stopped", **outcomes(snapshot))
    if application.failed or not asked:
        return ExitCode.FAILED
    return ExitCode.WORK_LEFT if snapshot.in_flight or not application.committed else ExitCode.OK


def outcomes(snapshot: Snapshot) -> dict[str, int]:
    """Deliveries by how they ended; ``left`` are those that the next owner of their partitions delivers."""
    totals = {"records": snapshot.stats.records, "delivered": 0, "skipped": 0, "dead_lettered": 0, "released": 0}
    for (_, _, outcome, _), number in snapshot.stats.ended.items():
        totals[outcome] += number
    totals["left"] = totals.pop("released") + sum(snapshot.in_progress.values())
    return totals
