"""The lean client: asyncio's transports, httptools' parser, and nothing between them.

How it works. `consumer.webhook.exchange.Connection` carries one request at a time; here they are opened, kept and given
their deadlines. There is no stream, lock or timer per request, and where a connection is idle no task or future. Idle
connections are kept last in, first out; before one is used again its socket is polled (1 µs), because a server that
closes an idle connection and a request that is written to it can cross.

Deadlines stand in one table, with one timer at the earliest. It is moved back when it fires, not when an exchange ends:
in the usual case, where no attempt times out, that is once every `timeout_seconds`.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING

from consumer.errors import ConfigurationError, Problem, WebhookError
from consumer.outcomes import FailureKind
from consumer.webhook.client import NO_HEADERS, Options, Response
from consumer.webhook.dial import dial
from consumer.webhook.exchange import Connection
from consumer.webhook.failures import not_connected, timed_out
from consumer.webhook.target import Target, check_headers
from consumer.webhook.tls import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.webhook.client import Done


class LeanClient:
    """A `consumer.webhook.client.WebhookClient`; see `open_client` for the arguments."""

    def __init__(self, url: str, options: Options) -> None:
        if options.proxy is not None:
            raise ConfigurationError([Problem("destination.proxy", "the lean client has no proxy support; use stock")])
        self._options = options
        self._trust = Trust(options.ca_file)
        self._aim(url)
        self._free = options.connections
        self._queue: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._idle: list[Connection] = []
        self._deadlines: dict[Connection, float] = {}  # of those in an exchange
        self.connections: set[Connection] = set()  # all
        self.buffer = memoryview(bytearray(64 * 1024))  # for all: what is read is parsed before the next is read

    def __repr__(self) -> str:
        """Nothing of the URL."""
        return "LeanClient()"

    async def post(self, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Response:
        """See `WebhookClient.post`."""
        data = self._request(body, headers)
        loop = asyncio.get_running_loop()
        now = loop.time()
        deadline = now + self._options.timeout_seconds
        if self._free:
            self._free -= 1
        else:
            await self._wait_for_turn(loop, deadline)
        try:
            connection = self._live(now) or await self._connect(loop, deadline)
        except BaseException:
            self._next_turn()
            raise
        answer: asyncio.Future[Response] = loop.create_future()

        def done(outcome: Response | WebhookError) -> None:
            if answer.done():
                return  # the task was cancelled
            if isinstance(outcome, WebhookError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        self.begin(connection, data, done, deadline, loop)
        try:
            return await answer
        finally:
            connection.leave(done)

    def post_now(self, body: bytes, headers: Mapping[str, str], done: Done) -> bool:
        """See `WebhookClient.post_now`."""
        data = self._request(body, headers)
        loop = asyncio.get_running_loop()
        now = loop.time()
        connection = self._live(now) if self._free else None
        if connection is None:
            return False
        self._free -= 1
        self.begin(connection, data, done, now + self._options.timeout_seconds, loop)
        return True

    async def set_url(self, url: str) -> None:
        """See `WebhookClient.set_url`."""
        self._aim(url)
        for connection in self._idle:
            if connection.origin != self._origin:
                connection.abort()  # and with that forgotten

    async def aclose(self) -> None:
        """See `WebhookClient.aclose`."""
        self._closed = True
        for connection in tuple(self.connections):
            connection.abort()
        while self.connections:  # noqa: ASYNC110 - a turn or two, until the transports have let go of their sockets
            await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()

    def _aim(self, url: str) -> None:
        target = Target.parse(url)
        headers = target.headers(user_agent=self._options.user_agent, content_type=self._options.content_type)
        if target.scheme == "https":
            self._trust.ready()
        self._target, self._origin = target, target.origin
        self._headers, self._head = headers, _head(target, headers)

    def _request(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        head = self._head
        if headers:
            check_headers(headers.items())
            head = _head(self._target, {**self._headers, **headers})
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    def _live(self, now: float) -> Connection | None:
        """An idle connection that can be used; those that cannot are closed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_live(now):
                return connection
            connection.abort()
        return None

    async def _connect(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection:
        target = self._target
        context = self._trust.context if target.scheme == "https" else None
        try:
            async with asyncio.timeout_at(deadline):
                opened = await dial(loop, target.host, target.port)
                try:
                    _, connection = await loop.create_connection(
                        lambda: Connection(self, target.origin, loop),
                        sock=opened,
                        ssl=context,
                        server_hostname=target.host if context is not None else None,
                    )
                except BaseException:
                    opened.close()  # where TLS failed its transport has done so already
                    raise
        except TimeoutError:
            failure = timed_out(self._options.timeout_seconds, ambiguous=False)
        except OSError as error:
            failure = not_connected(error)
        else:
            if not self._closed:
                return connection
            connection.abort()
            failure = WebhookError(FailureKind.CONNECT, "the client is closed", ambiguous=False)
        raise failure  # out of the handlers: nothing of the foreign exception stays on it, not even as its context

    def begin(
        self, connection: Connection, data: bytes, done: Done, deadline: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Start an exchange; the permit that was taken for it, and its deadline, last until it has `ended`."""
        self._deadlines[connection] = deadline
        if deadline < self._timer_at:
            self._expire_at(loop, deadline)
        connection.begin(data, done)

    def ended(self, connection: Connection) -> None:
        """An exchange is over."""
        del self._deadlines[connection]
        self._next_turn()

    def keep(self, connection: Connection) -> bool:
        """A connection may be used again; False if it is not wanted."""
        if self._closed or connection.origin != self._origin:
            return False
        self._idle.append(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _expire_at(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = (loop.call_at(at, self._expire, loop), at) if at < math.inf else (None, at)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self._timer_at
        for connection in [each for each, deadline in self._deadlines.items() if deadline <= now]:
            connection.fail(timed_out(self._options.timeout_seconds, ambiguous=True))
        self._expire_at(loop, min(self._deadlines.values(), default=math.inf))

    async def _wait_for_turn(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        turn: asyncio.Future[None] = loop.create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._next_turn()  # it came with the deadline
            if isinstance(error, TimeoutError):
                raise timed_out(self._options.timeout_seconds, ambiguous=False) from None
            raise

    def _next_turn(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _head(target: Target, headers: Mapping[str, str]) -> bytes:
    """The request up to the value of content-length."""
    lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
    return f"POST {target.path} HTTP/1.1\r\n{lines}content-length: ".encode("latin-1")
