"""One connection of the lean client: an asyncio protocol that carries one request at a time.

`Connection.begin` writes head and body in one call, and the parser's last callback calls back with the answer: no task,
future, stream or lock. Headers are not picked apart on the way: what came is kept up to their end, for who asks.
What comes after an answer, or unasked, makes the connection unusable: it is closed, and never read as the next answer.
An answer that is larger than `_MAX_ANSWER_BYTES` with its framing, or its headers than `_MAX_HEAD_BYTES`, is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from typing import TYPE_CHECKING, Final, cast

import httptools

from consumer.webhook.client import KEEPALIVE_SECONDS, MAX_BODY_BYTES, Headers, Response
from consumer.webhook.failures import garbled, lost, oversized

if TYPE_CHECKING:
    from consumer.errors import WebhookError
    from consumer.webhook.client import Done
    from consumer.webhook.lean import LeanClient

_MAX_HEAD_BYTES: Final = 64 * 1024
_MAX_ANSWER_BYTES: Final = 1024 * 1024


class Connection(asyncio.BufferedProtocol):
    """Idle, or in one exchange; between `LeanClient`, which owns it, asyncio and the parser."""

    def __init__(self, client: LeanClient, origin: tuple[str, str, int], loop: asyncio.AbstractEventLoop) -> None:
        self.origin = origin
        self._client = client
        self._buffer = client.buffer
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._poll = select.poll()
        self._use_until = 0.0
        self._exchange: Done | None = None  # the one under way, by whom it tells of its end
        self._transport: asyncio.Transport

    def begin(self, data: bytes, done: Done) -> None:
        """Send a request; ``done`` is called once, with its answer or a `WebhookError`, unless `leave` comes before."""
        self._received = 0
        self._head: list[bytes] = []
        self._await_answer()
        self._exchange = done
        self._transport.write(data)

    def leave(self, done: Done) -> None:
        """Nobody waits any more. Where the answer had not come (the task was cancelled) the connection is closed.

        Where it had, the connection may be in its next exchange by now, which is not to be touched.
        """
        if self._exchange is done:
            self._end()
            self.abort()

    def is_live(self, now: float) -> bool:
        """Nothing has come on the idle connection, its end included, nor is it old: it may be used."""
        return now < self._use_until and not self._transport.is_closing() and not self._poll.poll(0)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def fail(self, error: WebhookError) -> None:
        """End the exchange under way."""
        done = self._end()
        self.abort()
        if done is not None:
            done(error)

    def _await_answer(self) -> None:
        """Make ready for an answer, or for the one after a 1xx."""
        self._status = self._body_bytes = 0
        self._body: list[bytes] = []
        self._done = self._keep_alive = False

    def _end(self) -> Done | None:
        done, self._exchange = self._exchange, None
        if done is not None:
            self._client.ended(self)
        return done

    def _finish(self, *, reusable: bool) -> None:
        done = self._end()
        # An answer that came before the whole request was written: the rest of it must not meet the next one.
        reusable = reusable and not self._transport.get_write_buffer_size()
        self._use_until = self._loop.time() + KEEPALIVE_SECONDS
        if not reusable or not self._client.keep(self):
            self.abort()
        if done is not None:
            body = b"".join(self._body)[:MAX_BODY_BYTES]
            done(Response(self._status, Headers(_headers, self._head), body))

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands, TLS included."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._client.connections.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Where to read to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So much was read."""
        if self._exchange is None:
            self.abort()  # nothing was asked
            return
        self._received += nbytes
        broken = False
        data = self._buffer[:nbytes]
        if not self._status:
            self._head.append(data.tobytes())
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            broken = True
        if self._done:
            self._finish(reusable=self._keep_alive and not broken)
        elif broken:
            self.fail(garbled())
        elif self._received > (_MAX_ANSWER_BYTES if self._status else _MAX_HEAD_BYTES):
            self.fail(oversized())

    def eof_received(self) -> None:
        """The server will send no more; asyncio then closes the connection."""
        self._lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, whoever closed it."""
        self._lost(exc)
        self._client.forget(self)

    def _lost(self, error: Exception | None) -> None:
        if self._exchange is None:
            return
        if self._status >= 200 and error is None:
            names = {name.lower() for name, _ in _headers(self._head)}
            if not names & {b"content-length", b"transfer-encoding"}:
                self._finish(reusable=False)  # the end of the connection is the end of the body
                return
        self.fail(lost(error))

    # the parser's side; what these raise comes out of feed_data as an HttpParserError

    def on_message_begin(self) -> None:
        """The first byte of an answer, or of what follows it."""
        if self._done:
            raise ValueError("there is more after the answer")

    def on_headers_complete(self) -> None:
        """The status is known."""
        self._status = self._parser.get_status_code()

    def on_body(self, chunk: bytes) -> None:
        """A piece of the body."""
        self._body.append(chunk)
        self._body_bytes += len(chunk)
        if self._body_bytes >= MAX_BODY_BYTES:
            self._done = True
            raise ValueError("enough")

    def on_message_complete(self) -> None:
        """The answer's last byte; a 1xx is not the answer."""
        if self._status < 200:
            self._await_answer()
        else:
            self._done = True
            self._keep_alive = self._parser.should_keep_alive()


class _Collector:
    """The callbacks of a second parser, which picks a final answer's headers apart."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self._final = False

    def on_message_begin(self) -> None:
        if not self._final:
            self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._final:  # else a trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._final = self.parser.get_status_code() >= 200


def _headers(received: list[bytes]) -> list[tuple[bytes, bytes]]:
    """The final answer's headers in what was received up to their end, and a little after it."""
    collector = _Collector()
    with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):  # that little after it
        collector.parser.feed_data(b"".join(received))
    return collector.headers
