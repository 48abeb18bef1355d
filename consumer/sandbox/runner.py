"""The stand-in run as a program, or in a thread beside a test."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from consumer.sandbox.server import Sandbox
from consumer.sandbox.store import CompanyMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


_T = TypeVar("_T")


def run_sandbox(
    port: int,
    db: str | None = None,
    *,
    host: str = "127.0.0.1",
    token: str = "token",  # noqa: S107 - a stand-in's default, guards nothing
    rate_per_second: float | None = 40,
    max_parallel: int | None = 20,
    company_mode: CompanyMode = CompanyMode.ADDED_TO_COMPANY,
    started: Callable[[str], None] = print,
) -> None:
    """Serve until SIGTERM or SIGINT, then write everything and return.

    Args:
        port: to listen on; 0 takes a free one.
        db: SQLite file to keep everything in; None: in memory.
        host: to listen on.
        token: the last part of the webhook's path.
        rate_per_second: above it 429; None: no limit.
        max_parallel: above it 503; None: no limit.
        company_mode: when a contact makes a customer.
        started: called with the webhook's URL once it listens.

    Raises:
        OSError: the port cannot be had.
        sqlite3.Error: the database cannot be opened.
    """
    sandbox = Sandbox(
        token, rate_per_second=rate_per_second, max_parallel=max_parallel, db=db, company_mode=company_mode
    )

    async def serve() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await sandbox.start(host, port)
        started(sandbox.url)
        try:
            await stopping.wait()
        finally:
            await sandbox.stop()

    asyncio.run(serve())


class ThreadedSandbox:
    """A `Sandbox` on a thread and event loop of its own, as a context manager; arguments are the sandbox's."""

    def __init__(self, token: str = "token", *, host: str = "127.0.0.1", port: int = 0, **settings: Any) -> None:  # noqa: S107 - as above
        self.sandbox = Sandbox(token, **settings)
        self._host = host
        self._port = port
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """The webhook's URL."""
        return self.sandbox.url

    @property
    def base_url(self) -> str:
        """Where the views are."""
        return self.sandbox.url.partition("/hook/")[0]

    def stats(self) -> dict[str, Any]:
        """See `Sandbox.stats`."""
        return self._call(self.sandbox.stats)

    def deliveries(self) -> list[dict[str, Any]]:
        """Every delivery whose request has ended, in order of arrival."""
        return self._call(lambda: self.sandbox.store.deliveries(limit=-1))

    def contacts(self) -> list[dict[str, Any]]:
        """All of them, as ``GET /contacts`` lists them."""
        return self._call(lambda: self.sandbox.store.contacts(limit=1_000_000)[0])

    def customers(self) -> list[dict[str, Any]]:
        """All of them, as ``GET /customers`` lists them."""
        return self._call(lambda: self.sandbox.store.customers(limit=1_000_000)[0])

    def set_faults(self, *rules: dict[str, Any]) -> None:
        """Replace the fault rules; none clears them.

        Raises:
            FaultError: a rule cannot be understood.
        """
        self._call(lambda: self.sandbox.faults.replace(list(rules)))

    def _call(self, function: Callable[[], _T]) -> _T:
        async def run() -> _T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for the start
            self._failure = error
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        await self.sandbox.start(self._host, self._port)
        self._started.set()
        try:
            await self._stopping.wait()
        finally:
            await self.sandbox.stop()
