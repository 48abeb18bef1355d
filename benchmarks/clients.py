"""CPU of a POST by HTTP client: ours, the stock one, and those that were weighed against it; nginx on loopback.

    python benchmarks/clients.py [--requests 20000]

Each client runs in a process of its own: 64 at a time, a body of 600 bytes, kept-alive connections, http and TLS, the
same rounds for each. aiohttp is there for the sandbox; pyreqwest takes part where it is installed (``pip install
pyreqwest``). ``bare`` is a protocol as one writes it first: it never fails, closes or is late. It is about the client
alone: `pipeline.py` has the whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httptools

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Post = Callable[[], Awaitable[int]]

CONCURRENT = 64
BODY = b'{"email":"' + b"x" * 588 + b'"}'
HEADERS = {"content-type": "application/json"}
SLOW = {"httpx": 10}
"""A client that takes this many times as long gets that much less to do."""


async def ours(url: str, ca_file: str, kind: str) -> tuple[Post, Callable[[], Awaitable[Any]]]:
    from consumer.webhook.client import open_client

    client = open_client(kind, url=url, connections=CONCURRENT, ca_file=ca_file)

    async def post() -> int:
        return (await client.post(BODY)).status

    return post, client.aclose


async def aiohttp(url: str, ca_file: str, _kind: str) -> tuple[Post, Callable[[], Awaitable[Any]]]:
    import aiohttp

    trusted = ssl.create_default_context(cafile=ca_file)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENT, ssl=trusted))

    async def post() -> int:
        async with session.post(url, data=BODY, headers=HEADERS) as answer:
            await answer.read()
            return answer.status

    return post, session.close


async def pyreqwest(url: str, ca_file: str, _kind: str) -> tuple[Post, Callable[[], Awaitable[Any]]]:
    from pyreqwest.client import ClientBuilder

    pem = await asyncio.to_thread(Path(ca_file).read_bytes)
    client = ClientBuilder().add_root_certificate_pem(pem).build()

    async def post() -> int:
        answer = await client.post(url).headers(HEADERS).body_bytes(BODY).build().send()
        await answer.bytes()
        return int(answer.status)

    return post, client.close


class Bare(asyncio.Protocol):
    """One connection that never fails, and one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.done: asyncio.Future[int]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's."""
        made = cast("asyncio.Transport", transport)
        self.write, self.close = made.write, made.close

    def data_received(self, data: bytes) -> None:
        """Asyncio's."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The parser's."""
        self.done.set_result(self._parser.get_status_code())


async def bare(url: str, ca_file: str, _kind: str) -> tuple[Post, Callable[[], Awaitable[Any]]]:
    at, loop = urlsplit(url), asyncio.get_running_loop()
    trusted = ssl.create_default_context(cafile=ca_file) if at.scheme == "https" else None
    opened = [await loop.create_connection(Bare, at.hostname, at.port, ssl=trusted) for _ in range(CONCURRENT)]
    free = [connection for _, connection in opened]
    head = f"POST {at.path} HTTP/1.1\r\nhost: {at.netloc}\r\ncontent-type: application/json\r\ncontent-length: "

    async def post() -> int:
        connection = free.pop()
        connection.done = loop.create_future()
        connection.write(b"%b%d\r\n\r\n%b" % (head.encode(), len(BODY), BODY))
        status = await connection.done
        free.append(connection)
        return status

    async def close() -> None:
        for connection in free:
            connection.close()

    return post, close


CLIENTS = {
    "bare": (bare, ""),
    "lean": (ours, "lean"),
    "pyreqwest": (pyreqwest, ""),
    "aiohttp": (aiohttp, ""),
    "httpx": (ours, "stock"),
}


async def measure(name: str, url: str, ca_file: str, requests: int) -> dict[str, float]:
    """One client's figures."""
    make, kind = CLIENTS[name]
    post, close = await make(url, ca_file, kind)

    async def worker(number: int) -> None:
        for _ in range(number):
            assert await post() == 200

    await asyncio.gather(*(worker(requests // CONCURRENT // 10) for _ in range(CONCURRENT)))
    began, used = time.monotonic(), time.process_time()
    each = requests // CONCURRENT
    await asyncio.gather(*(worker(each) for _ in range(CONCURRENT)))
    passed, used = time.monotonic() - began, time.process_time() - used
    await close()
    done = each * CONCURRENT
    return {"cpu_us": round(used / done * 1e6, 1), "per_second": round(done / passed)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, loop, url, ca_file = arguments.one
        factory = asyncio.new_event_loop
        if loop == "uvloop":
            from uvloop import new_event_loop as factory
        with asyncio.Runner(loop_factory=factory) as runner:
            print(json.dumps(runner.run(measure(name, url, ca_file, arguments.requests))))
        return
    from benchmarks import rig

    best: dict[tuple[str, str, bool], dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, rig.Nginx(Path(folder)) as nginx:
        cases = [(name, loop, tls) for tls in (False, True) for name in CLIENTS for loop in ("asyncio", "uvloop")]
        for _ in range(arguments.rounds):
            for name, loop, tls in cases:
                requests = str(arguments.requests // SLOW.get(name, 1))
                one = ["--one", name, loop, nginx.url(tls=tls), str(nginx.ca_file)]
                done = subprocess.run(
                    [sys.executable, __file__, "--requests", requests, *one], capture_output=True, check=False
                )
                if done.returncode:
                    said = done.stderr.decode().strip().splitlines()[-1:]
                    print(f"{name} on {loop} cannot be measured: {said}", file=sys.stderr)
                    continue
                figures = json.loads(done.stdout)
                if figures["cpu_us"] < best.get((name, loop, tls), {"cpu_us": 1e9})["cpu_us"]:
                    best[name, loop, tls] = figures
    rows = [
        {"client": name, "loop": loop, "transport": "TLS" if tls else "http", **figures}
        for (name, loop, tls), figures in best.items()
    ]
    rig.report("clients", rows, requests=arguments.requests, rounds=arguments.rounds, body_bytes=len(BODY))


if __name__ == "__main__":
    main()
