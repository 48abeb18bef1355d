"""The lean client's connection without a network: whatever comes, in whatever pieces."""

from __future__ import annotations

import asyncio
import itertools
import socket

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.errors import WebhookError
from consumer.outcomes import FailureKind
from consumer.webhook.client import Response, open_client
from consumer.webhook.exchange import Connection

ANSWERS = [
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\r\nX-A: 2\r\n\r\n{}",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\nx-hint: 1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 500 E\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=f\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n",
    b"HTTP/1.1 429 Slow\r\nretry-after: 3\r\nconnection: close\r\ncontent-length: 1\r\n\r\n!",
]
EXPECTED = [
    (200, {"content-length": "2", "x-a": "1, 2"}, b"{}"),
    (204, {}, b""),
    (200, {"content-length": "0"}, b""),
    (500, {"transfer-encoding": "chunked"}, b"abcde"),
    (429, {"retry-after": "3", "connection": "close", "content-length": "1"}, b"!"),
]


class Transport(asyncio.Transport):
    """Takes what is written and remembers whether it was aborted."""

    def __init__(self, raw: socket.socket) -> None:
        super().__init__()
        self.raw = raw
        self.written = b""
        self.aborted = False

    def get_extra_info(self, name, default=None):
        return self.raw if name == "socket" else default

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.aborted

    def get_write_buffer_size(self):
        return 0

    def abort(self):
        self.aborted = True


class Rig:
    """A client with one connection, idle."""

    def __init__(self, raw: socket.socket) -> None:
        self.client = open_client("lean", url="http://host/path", timeout_seconds=60)
        self.connection = Connection(self.client, ("http", "host", 80), asyncio.get_running_loop())
        self.transport = Transport(raw)
        self.connection.connection_made(self.transport)

    async def begin(self) -> asyncio.Task:
        """A request is under way."""
        task = asyncio.ensure_future(self.exchange())
        await asyncio.sleep(0)
        assert self.transport.written.endswith(b"request")
        self.transport.written = b""
        return task

    async def exchange(self) -> Response:
        """As the client's `post`, on this connection."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()

        def done(outcome) -> None:
            if not answer.done():
                (answer.set_exception if isinstance(outcome, WebhookError) else answer.set_result)(outcome)

        self.client._free -= 1
        self.client.begin(self.connection, b"request", done, loop.time() + 60, loop)
        try:
            return await answer
        finally:
            self.connection.leave(done)

    def receive(self, data: bytes) -> None:
        for start in range(0, len(data), 65536):
            piece = data[start : start + 65536]
            self.connection.get_buffer(-1)[: len(piece)] = piece
            self.connection.buffer_updated(len(piece))


def with_rig(scenario):
    async def main():
        left, right = socket.socketpair()
        with left, right:
            rig = Rig(left)
            try:
                return await scenario(rig, right)
            finally:
                rig.client.connections.clear()
                await rig.client.aclose()

    return asyncio.run(main())


def seen(response):
    return response.status, dict(response.headers), response.body


@settings(max_examples=60)
@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 200), max_size=12))
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(data, cuts):
    async def whole(rig, _):
        attempt = await rig.begin()
        rig.receive(data)
        return seen(await attempt)

    async def in_pieces(rig, _):
        attempt = await rig.begin()
        edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        for start, end in itertools.pairwise(edges):
            assert not attempt.done()
            rig.receive(data[start:end])
        assert rig.transport.aborted == (b"close" in data)
        return seen(await attempt)

    assert EXPECTED[ANSWERS.index(data)] == with_rig(whole) == with_rig(in_pieces)


@settings(max_examples=100)
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(ANSWERS), st.just(b"\r\n\r\n")), max_size=5))
def test_whatever_comes_an_exchange_ends_once_or_goes_on(pieces):
    async def scenario(rig, _):
        attempt = await rig.begin()
        for piece in pieces:
            if rig.transport.aborted:
                break
            if piece:
                rig.receive(piece)
        rig.connection.connection_lost(None)
        (result,) = await asyncio.gather(attempt, return_exceptions=True)
        assert result.ambiguous if isinstance(result, WebhookError) else result.status >= 200

    with_rig(scenario)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000, FailureKind.TOO_LARGE),
        (b"HTTP/1.1 100 C\r\n\r\n" * 10_000, FailureKind.TOO_LARGE),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + (b"1;" + b"x" * 2000 + b"\r\ny\r\n") * 600,
            FailureKind.TOO_LARGE,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 200_000,
            FailureKind.TOO_LARGE,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\x00\r\n\r\n", FailureKind.PROTOCOL),
    ],
)
def test_what_has_no_end_is_given_up(data, kind):
    async def scenario(rig, _):
        attempt = await rig.begin()
        rig.receive(data)
        with pytest.raises(WebhookError) as caught:
            await attempt
        assert kind == caught.value.kind
        assert rig.transport.aborted

    with_rig(scenario)


def test_it_is_live_while_nothing_has_come_and_it_is_not_old():
    async def scenario(rig, other_side):
        attempt = await rig.begin()
        rig.receive(ANSWERS[0])
        await attempt
        now = asyncio.get_running_loop().time()
        assert rig.connection.is_live(now)
        assert not rig.connection.is_live(now + 56)
        other_side.send(b"x")
        assert not rig.connection.is_live(now)

    with_rig(scenario)


def test_the_end_of_an_idle_connection_is_seen_before_the_loop_sees_it():
    async def scenario(rig, other_side):
        attempt = await rig.begin()
        rig.receive(ANSWERS[0])
        await attempt
        other_side.close()
        assert not rig.connection.is_live(asyncio.get_running_loop().time())

    with_rig(scenario)


def test_an_answer_to_a_request_still_being_written_ends_the_connection(monkeypatch):
    async def scenario(rig, _):
        monkeypatch.setattr(rig.transport, "get_write_buffer_size", lambda: 7)
        attempt = await rig.begin()
        rig.receive(ANSWERS[0])
        assert (await attempt).status == 200
        assert rig.transport.aborted

    with_rig(scenario)


def test_a_task_cancelled_after_its_answer_came_leaves_the_connection_to_the_next():
    async def scenario(rig, _):
        first = await rig.begin()
        rig.receive(ANSWERS[0])
        first.cancel()  # the answer is there, the task has not run yet
        second = asyncio.ensure_future(rig.exchange())
        await asyncio.sleep(0)
        rig.receive(ANSWERS[1])
        assert (await second).status == 204
        assert not rig.transport.aborted
        await asyncio.gather(first, return_exceptions=True)

    with_rig(scenario)


def test_the_parser_is_the_strict_one():
    """No leniency is switched on: a bare line feed or a space in chunk sizes is how answers are smuggled."""
    parser = httptools.HttpResponseParser(type("Nothing", (), {})())
    with pytest.raises(httptools.HttpParserError):
        parser.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n")
