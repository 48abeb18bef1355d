"""A real browser: Chromium without a window, told what to do over its own protocol (DevTools)."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import pytest

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS: Final = 30


class Browser:
    """One tab; an async context manager. The test skips where Chromium is not installed.

    Attributes:
        requested: every address that a page has asked for.
        complaints: what pages have written to the console, and what a policy has refused.
    """

    def __init__(self, folder: Path) -> None:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        if path is None:
            # `make test` needs nothing but Python and make; `.ci/run` installs it.
            pytest.skip("chromium is not here (Debian: apt install chromium)")
        self._path = path
        self._folder = folder
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self._numbers = itertools.count(1)
        self.requested: list[str] = []
        self.complaints: list[str] = []

    async def __aenter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: ASYNC220 - it only starts the browser: a few milliseconds, and no other test shares the loop
            [
                self._path,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-port=0",
                f"--user-data-dir={self._folder}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            await self._connect()
        except BaseException:
            self._end()
            raise
        return self

    async def _connect(self) -> None:
        address = self._folder / "DevToolsActivePort"
        async with asyncio.timeout(_SECONDS):
            while not (address.exists() and address.read_text().count("\n")):
                assert self._process.poll() is None, "chromium has ended"
                await asyncio.sleep(0.05)
            port = address.read_text().split("\n")[0]
            self._session = aiohttp.ClientSession()
            async with self._session.get(f"http://127.0.0.1:{port}/json") as answer:
                (tab,) = [each for each in await answer.json() if each["type"] == "page"]
            self._socket = await self._session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0)
        self._reader = asyncio.create_task(self._read())
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.tell(f"{domain}.enable")

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await self._socket.close()
        await self._session.close()
        self._end()

    def _end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)  # it is many processes
        self._process.wait()

    async def _read(self) -> None:
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Network.requestWillBeSent":
                self.requested.append(said["params"]["request"]["url"])
            elif said["method"] == "Page.loadEventFired":
                self._loaded.set()
            elif said["method"] in {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}:
                self.complaints.append(str(said["params"]))

    async def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(_SECONDS):
            said = await answer
        assert "error" not in said, said
        return dict(said["result"])

    async def look(self, url: str, *, width: int, scheme: str) -> None:
        """Open a page in a window so wide, for somebody who likes it ``light`` or ``dark``."""
        await self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        await self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._loaded.clear()
        await self.tell("Page.navigate", url=url)
        async with asyncio.timeout(_SECONDS):
            await self._loaded.wait()

    async def ask(self, expression: str) -> Any:
        """What the page's JavaScript says."""
        said = await self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")
