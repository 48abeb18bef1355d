"""When events arrive: at a webhook (which answers 200), or at a consumer that does nothing else.

    python benchmarks/arrivals.py webhook PORT FILE
    python benchmarks/arrivals.py kafka BOOTSTRAP TOPIC FILE

A messageId may begin with the time at which its event was produced, in nanoseconds. On SIGTERM a JSON array is written
with a pair for each request, or record: when it came, and how long after it was produced (0 where it does not say).
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
MARK = b"produced-"


def delay(data: bytes, now: int) -> int:
    """Of the first event in these bytes."""
    _, found, rest = data.partition(MARK)
    return now - int(rest[:19]) if found else 0


class Webhook(asyncio.Protocol):
    """One connection; one request after the other, each with a content-length."""

    seen: list[tuple[int, int]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's: it stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._held = b""

    def data_received(self, data: bytes) -> None:
        """Asyncio's: answer what is complete."""
        now = time.time_ns()
        held = self._held + data
        while (end := held.find(b"\r\n\r\n")) >= 0:
            head = held[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(held) < end + 4 + length:
                break
            self.seen.append((now, delay(held[end + 4 : end + 4 + length], now)))
            held = held[end + 4 + length :]
            self._transport.write(ANSWER)
        self._held = held


async def webhook(port: int, seen: list[tuple[int, int]]) -> None:
    Webhook.seen = seen
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Webhook, "127.0.0.1", port)
    await stop.wait()
    server.close()


def kafka(bootstrap: str, topic: str, seen: list[tuple[int, int]]) -> None:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": f"bare-{time.time_ns()}", "fetch.wait.max.ms": 100}
    )
    consumer.subscribe([topic])
    while not stopped:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            now = time.time_ns()
            seen.append((now, delay(message.value() or b"", now)))
    consumer.close()


def main() -> None:
    gc.disable()  # a search through all that was seen would be taken for a delay
    seen: list[tuple[int, int]] = []
    if sys.argv[1] == "webhook":
        asyncio.run(webhook(int(sys.argv[2]), seen))
    else:
        kafka(sys.argv[2], sys.argv[3], seen)
    Path(sys.argv[-1]).write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
