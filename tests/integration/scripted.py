"""A server on loopback which does on each connection what a test's script says, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_RST = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


class Peer:
    """The server's end of one connection; ``index`` counts them from 0."""

    def __init__(
        self, server: Scripted, index: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.index = index
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Read a whole request and count it; `asyncio.IncompleteReadError` at the end of the connection."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        whole = head + (await self.reader.readexactly(int(found[1])) if found else b"")
        self.server.requests.append(whole)
        return whole

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, data: bytes = OK) -> bytes:
        """Read one request and send this."""
        request = await self.request()
        await self.send(data)
        return request

    async def serve(self, data: bytes = OK) -> None:
        """Answer request after request."""
        while True:
            await self.answer(data)

    async def until_closed(self) -> None:
        """Read on until the client is gone."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Close with an RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.writer.transport.abort()


class Scripted:
    """Runs ``script(peer)`` for each connection; at its end the connection is closed. An async context manager."""

    def __init__(
        self,
        script: Callable[[Peer], Awaitable[None]] = Peer.serve,
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._script = script
        self._host = host
        self._tls = tls
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.errors: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, 0, ssl=self._tls, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:  # one that still waits for the other side's end of TLS
            writer.transport.abort()
        for _ in range(3):  # the turns that a transport takes to let go of its socket
            await asyncio.sleep(0)
        assert self.errors == []

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine: asyncio's own task for it would log a cancellation at the end of a test as an error.
        task = asyncio.get_running_loop().create_task(self._run(reader, writer))
        self._tasks.add(task)
        self._writers.append(writer)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        index = self.connections
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            # A client that leaves in the middle is what most scripts are about.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._script(Peer(self, index, reader, writer))
        except Exception as error:  # noqa: BLE001 - shown at the end of the test
            self.errors.append(error)
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
