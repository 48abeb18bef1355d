"""What every webhook client promises (`consumer.webhook.client`), held against scripted servers on loopback.

TLS and proxies are in ``test_webhook_tls.py``.
"""

from __future__ import annotations

import asyncio

import pytest

from consumer.errors import ConfigurationError
from consumer.outcomes import FailureKind
from consumer.webhook.client import MAX_BODY_BYTES, USER_AGENT, ClientKind
from tests.integration.scripted import OK, Scripted
from tests.integration.webhook_cases import (  # noqa: F401 - three of them are fixtures
    AT_ONCE,
    BODY,
    TOKEN,
    answered,
    client_of,
    either_kind,
    either_loop,
    failure_of,
    nothing_private_is_logged,
    run,
)

RESET, PROTOCOL, TIMEOUT = FailureKind.RESET, FailureKind.PROTOCOL, FailureKind.TIMEOUT
TRAILING = pytest.param(
    ClientKind.STOCK,
    marks=pytest.mark.xfail(reason="httpcore keeps what follows an answer for the next: stock's known limit"),
)


# the request


def test_the_request_is_what_was_asked_for(kind):
    async def scenario():
        async with Scripted() as server, client_of(kind, server) as client:
            await client.post(BODY, {"x-trace": "é", "content-type": "application/x-ndjson"})
            await client.post(b"")
        return server.requests, server.port

    (first, second), port = run(scenario())
    head, _, body = first.partition(b"\r\n\r\n")
    line, *headers = head.decode("latin-1").split("\r\n")
    assert line == f"POST /hook/{TOKEN} HTTP/1.1"
    assert body == BODY
    assert {name.lower(): value for name, value in (header.split(": ", 1) for header in headers)} == {
        "host": f"127.0.0.1:{port}",
        "user-agent": USER_AGENT,
        "content-type": "application/x-ndjson",
        "accept": "*/*",
        "accept-encoding": "identity",
        "x-trace": "é",
        "content-length": str(len(BODY)),
    }
    assert b"content-type: application/json\r\n" in second
    assert second.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("headers", [{"x-a": "b\r\nx-c: d"}, {"x-a\r\nx-c": "d"}, {"x-a": "€"}])
def test_a_header_that_would_break_out_is_never_sent(kind, headers):
    async def scenario():
        async with Scripted() as server, client_of(kind, server) as client:
            with pytest.raises(ValueError, match="header"):
                await client.post(BODY, headers)
            assert server.connections == 0
            assert (await client.post(BODY)).status == 200

    run(scenario())


def test_a_large_body_arrives_whole(kind):
    body = b"x" * 2_000_000

    async def scenario():
        async with Scripted() as server, client_of(kind, server) as client:
            await client.post(body)
            await client.post(BODY)
        assert server.requests[0].endswith(b"\r\n\r\n" + body)
        assert server.connections == 1

    run(scenario())


def test_repr_tells_nothing(kind):
    async def scenario():
        async with client_of(kind, 1) as client:
            assert TOKEN not in repr(client) + str(client)

    run(scenario())


# answers


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (OK, 200, b"{}"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 201, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n", 304, b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n", 200, b"{}"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-trailer: 1\r\n\r\n", 200, b"{}"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"{}"),
        (b"HTTP/1.1 103 Early Hints\r\nx-hint: 1\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + OK, 200, b"{}"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 302, b""),
        (b"HTTP/1.1 429 \r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nslow", 429, b"slow"),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", 503, b""),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b!", 200, b"\x1f\x8b!"),
    ],
)
def test_an_answer_is_read_to_its_end_and_the_connection_kept(kind, data, status, body):
    responses, connections = answered(kind, data, posts=3)
    assert [(status, body)] * 3 == [(response.status, response.body) for response in responses]
    assert connections == 1
    assert not {"x-hint", "x-trailer"} & set(responses[0].headers)


def test_headers_are_by_lower_case_name_and_repeated_ones_joined(kind):
    data = b"HTTP/1.1 200 OK\r\nRetry-After:  7 \r\nX-A: 1\r\nx-a: \xe9\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n"
    (response,), _ = answered(kind, data)
    assert dict(response.headers) == {"retry-after": "7", "x-a": "1, é", "x-empty": "", "content-length": "0"}
    assert response.headers.get("nothing") is None
    assert len(response.headers) == 4


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
def test_a_connection_that_is_to_be_closed_is_not_used_again(kind, data):
    responses, connections = answered(kind, data, posts=3)
    assert {(response.status, response.body) for response in responses} == {(200, b"{}")}
    assert connections == 3


def test_a_body_without_a_length_ends_with_the_connection(kind):
    async def script(peer):
        await peer.answer(b"HTTP/1.1 200 OK\r\nx: y\r\n\r\nfirst")
        await peer.send(b" second")

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            return [(await client.post(BODY)).body for _ in range(2)], server.connections

    assert run(scenario()) == ([b"first second"] * 2, 2)


def test_half_closed_after_the_answer(kind):
    async def script(peer):
        await peer.answer()
        peer.writer.write_eof()
        await peer.until_closed()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            return [(await client.post(BODY)).status for _ in range(3)], len(server.requests), server.connections

    assert run(scenario()) == ([200] * 3, 3, 3)


def test_half_closed_before_the_answer_is_a_loss(kind):
    async def script(peer):
        await peer.request()
        peer.writer.write_eof()
        await peer.until_closed()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            return await failure_of(client.post(BODY))

    error = run(scenario())
    assert (error.kind, error.ambiguous) == (RESET, True)


def test_an_answer_before_the_whole_request_was_sent_counts(kind):
    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        await peer.until_closed()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            return [(await client.post(b"x" * 4_000_000)).status for _ in range(2)], server.connections

    assert run(scenario()) == ([413, 413], 2)


@pytest.mark.parametrize("framing", [b"content-length: 10000000", b"transfer-encoding: chunked"])
def test_a_body_is_capped_and_the_rest_not_waited_for(kind, framing):
    async def script(peer):
        await peer.answer(b"HTTP/1.1 500 Oops\r\n" + framing + b"\r\n\r\n")
        await peer.send((b"186a0\r\n" if b"chunked" in framing else b"") + b"y" * 100_000)
        await peer.until_closed()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            return [await client.post(BODY) for _ in range(2)], server.connections

    responses, connections = run(scenario())
    assert [(response.status, response.body) for response in responses] == [(500, b"y" * MAX_BODY_BYTES)] * 2
    assert connections == 2
    assert "yyy" not in repr(responses)


# losses


def cut_answers():
    length = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{ }\n"
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    return [("length", length), ("chunked", chunked), ("1xx", b"HTTP/1.1 100 C\r\n\r\n" + length)]


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in cut_answers()])
def test_a_connection_lost_at_any_byte_of_the_answer_is_an_ambiguous_loss_and_nothing_is_sent_again(kind, data, how):
    async def script(peer):
        await peer.answer(data[: peer.index])
        if how == "reset":
            peer.reset()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            errors = [await failure_of(client.post(BODY)) for _ in range(len(data))]
            assert len(server.requests) == len(data)
            assert (await client.post(BODY)).status == 200 or how == "reset"
            return errors

    errors = run(scenario())
    assert [(RESET, True)] * len(data) == [(error.kind, error.ambiguous) for error in errors]


def test_a_connection_lost_while_the_request_is_sent_is_ambiguous(kind):
    async def script(peer):
        await peer.reader.readexactly(1000)
        peer.reset()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            error = await failure_of(client.post(b"x" * 20_000_000))
            return error.kind, error.ambiguous, server.connections

    assert run(scenario()) == (RESET, True, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\x00nonsense\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na\x00b: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_named_so(kind, data):
    async def script(peer):
        await peer.answer(data)
        await peer.until_closed()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            errors = [await failure_of(client.post(BODY)) for _ in range(2)]
            return [(error.kind, error.ambiguous) for error in errors], len(server.requests), server.connections

    assert run(scenario()) == ([(PROTOCOL, True)] * 2, 2, 2)


@pytest.mark.parametrize("piece", [b"x-filler: " + b"x" * 100 + b"\r\n", b"x" * 1000])
def test_headers_that_do_not_end_are_given_up(kind, piece):
    async def script(peer):
        await peer.answer(b"HTTP/1.1 200 OK\r\nx: y")
        while True:
            await peer.send(piece)

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            return await failure_of(client.post(BODY))

    error = run(scenario())
    assert (error.kind, error.ambiguous) == (FailureKind.TOO_LARGE, True)


def test_interim_answers_that_do_not_end_are_given_up(kind):
    async def script(peer):
        await peer.request()
        while True:
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server, timeout_seconds=0.5) as client:
            return await failure_of(client.post(BODY))

    error = run(scenario())
    assert error.kind in {FailureKind.TOO_LARGE, TIMEOUT}
    assert error.ambiguous


SMUGGLED = b"HTTP/1.1 201 Smuggled\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("kind", [TRAILING, ClientKind.LEAN, AT_ONCE])
@pytest.mark.parametrize("extra", [b"garbage", SMUGGLED, SMUGGLED[:9]], ids=["garbage", "answer", "part"])
def test_what_follows_an_answer_is_never_taken_for_the_next(kind, extra):
    responses, connections = answered(kind, OK + extra, posts=3)
    assert [response.status for response in responses] == [200] * 3
    assert connections == 3


@pytest.mark.parametrize("extra", [b"garbage", SMUGGLED], ids=["garbage", "answer"])
def test_nor_is_what_comes_later_unasked(kind, extra):
    async def script(peer):
        await peer.answer()
        await idle.wait()
        await peer.send(extra)
        sent.set()
        await peer.serve()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            await client.post(BODY)
            idle.set()
            await sent.wait()
            return (await client.post(BODY)).status, server.connections

    idle, sent = asyncio.Event(), asyncio.Event()
    assert run(scenario()) == (200, 2)


# time


def test_a_hung_server_is_left_at_the_deadline(kind):
    async def script(peer):
        await peer.request()
        await peer.until_closed()
        gone.set()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server, timeout_seconds=0.2) as client:
            error = await failure_of(client.post(BODY))
            await gone.wait()
            return error.kind, error.ambiguous, len(server.requests)

    gone = asyncio.Event()
    assert run(scenario()) == (TIMEOUT, True, 1)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"])
def test_a_slow_drip_does_not_move_the_deadline(kind, first):
    async def script(peer):
        await peer.answer(first or b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            await peer.send(b"y")
            await asyncio.sleep(0.02)  # the pace is the subject: faster than any time-out between two reads

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server, timeout_seconds=0.3) as client:
            began = asyncio.get_running_loop().time()
            error = await failure_of(client.post(BODY))
            return error.kind, error.ambiguous, asyncio.get_running_loop().time() - began

    failure, ambiguous, seconds = run(scenario())
    assert (failure, ambiguous) == (TIMEOUT, True)
    assert 0.29 < seconds < 3


def test_the_deadline_holds_on_a_reused_connection_and_each_has_its_own(kind):
    async def script(peer):
        await peer.answer()
        request = await peer.request()
        if b"hang" in request:
            await peer.until_closed()
        else:
            await peer.send(OK)
            await peer.serve()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server, timeout_seconds=0.4) as client:
            await asyncio.gather(*(client.post(BODY) for _ in range(4)))
            hung = [asyncio.ensure_future(failure_of(client.post(b"hang"))) for _ in range(2)]
            for _ in range(200):  # the others go on meanwhile, and their connections are used again
                assert (await client.post(BODY)).status == 200
            return [(error.kind, error.ambiguous) for error in await asyncio.gather(*hung)]

    assert run(scenario()) == [(TIMEOUT, True)] * 2


def test_a_post_above_the_connections_waits_for_one(kind):
    async def scenario():
        async with Scripted() as server, client_of(kind, server, connections=3) as client:
            responses = await asyncio.gather(*(client.post(BODY) for _ in range(20)))
            return [response.status for response in responses], server.most_open, len(server.requests)

    assert run(scenario()) == ([200] * 20, 3, 20)


def test_it_is_sent_at_once_where_a_connection_is_idle_and_permitted():
    async def scenario():
        async with Scripted() as server, client_of(AT_ONCE, server, connections=2) as client:
            counts = []
            for posts in (1, 1, 3):
                await asyncio.gather(*(client.post(BODY) for _ in range(posts)))
                counts.append(client.at_once)
            return counts, server.connections

    counts, connections = run(scenario())
    assert counts == [0, 1, 2], "none is idle; one is; of three one is idle, one opened, and one waits"
    assert connections == 2


def test_a_client_that_never_sends_at_once_says_so():
    async def scenario():
        async with Scripted() as server, client_of(ClientKind.STOCK, server) as client:
            await client.post(BODY)
            return client.post_now(BODY, {}, lambda _: None), len(server.requests)

    assert run(scenario()) == (False, 1)


def test_nor_does_it_wait_beyond_its_deadline(kind):
    async def script(peer):
        await peer.request()
        arrived.set()
        await peer.until_closed()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server, connections=1, timeout_seconds=0.3) as client:
            first = asyncio.ensure_future(failure_of(client.post(BODY)))
            await arrived.wait()
            # When the first is given up the others have a moment left, which one of them may use to send.
            others = await asyncio.gather(*(failure_of(client.post(BODY)) for _ in range(5)))
            assert {error.kind for error in [await first, *others]} == {TIMEOUT}
            return sum(error.ambiguous for error in others)

    arrived = asyncio.Event()
    assert run(scenario()) <= 1


def test_a_cancelled_attempt_takes_its_connection_with_it(kind):
    async def script(peer):
        if peer.index == 0:
            await peer.request()
            arrived.set()
            await peer.until_closed()
        await peer.serve()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server, connections=1) as client:
            attempt = asyncio.ensure_future(client.post(BODY))
            await arrived.wait()
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
            return (await client.post(BODY)).status, server.connections

    arrived = asyncio.Event()
    assert run(scenario()) == (200, 2)


def test_closing_the_client_ends_what_is_under_way(kind):
    async def script(peer):
        await peer.request()
        arrived.set()
        await peer.until_closed()
        gone.set()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            attempt = asyncio.ensure_future(failure_of(client.post(BODY)))
            await arrived.wait()
            await client.aclose()
            await gone.wait()
            return (await attempt).ambiguous

    arrived, gone = asyncio.Event(), asyncio.Event()
    assert run(scenario()) is True


# connections


def test_a_connection_that_the_server_closed_between_requests_costs_no_error(kind):
    async def script(peer):
        await peer.answer()
        peer.writer.close()
        await peer.writer.wait_closed()
        closed.set()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server) as client:
            for _ in range(50):
                closed.clear()
                assert (await client.post(BODY)).status == 200
                await closed.wait()
            return server.connections, len(server.requests)

    closed = asyncio.Event()
    assert run(scenario()) == (50, 50)


def test_connections_are_kept_and_shared(kind):
    async def scenario():
        async with Scripted() as server, client_of(kind, server, connections=8) as client:
            for _ in range(5):
                await asyncio.gather(*(client.post(BODY) for _ in range(8)))
            return server.connections, len(server.requests)

    assert run(scenario()) == (8, 40)


def test_a_url_can_be_replaced_at_run_time(kind):
    async def scenario():
        async with Scripted() as first, Scripted() as second, client_of(kind, first) as client:
            await client.post(BODY)
            await client.set_url(f"http://127.0.0.1:{first.port}/new-path?x=1")
            await client.post(BODY)
            with pytest.raises(ConfigurationError) as caught:
                await client.set_url(f"gopher://{TOKEN}")
            assert TOKEN not in str(caught.value)
            await client.post(BODY)
            assert [request.split(b" ", 2)[1] for request in first.requests[1:]] == [b"/new-path?x=1"] * 2
            assert first.connections == 1
            await client.set_url(f"http://127.0.0.1:{second.port}/second")
            await client.post(BODY)
            return len(first.requests), len(second.requests)

    assert run(scenario()) == (3, 1)


def test_an_attempt_under_way_ends_where_it_began_when_the_url_changes(kind):
    async def script(peer):
        await peer.request()
        arrived.set()
        await go_on.wait()
        await peer.send(OK)
        await peer.until_closed()

    async def scenario():
        async with Scripted(script) as first, Scripted() as second, client_of(kind, first) as client:
            attempt = asyncio.ensure_future(client.post(BODY))
            await arrived.wait()
            await client.set_url(f"http://127.0.0.1:{second.port}/")
            go_on.set()
            assert (await attempt).status == 200
            await client.post(BODY)
            return len(first.requests), len(second.requests)

    arrived, go_on = asyncio.Event(), asyncio.Event()
    assert run(scenario()) == (1, 1)


def test_a_redirect_is_an_answer_and_not_followed(kind):
    async def scenario():
        async with Scripted() as other:
            location = (
                f"HTTP/1.1 307 T\r\nlocation: http://127.0.0.1:{other.port}/\r\ncontent-length: 0\r\n\r\n".encode()
            )
            async with Scripted(lambda peer: peer.serve(location)) as server, client_of(kind, server) as client:
                response = await client.post(BODY)
            return response.status, other.connections

    assert run(scenario()) == (307, 0)
