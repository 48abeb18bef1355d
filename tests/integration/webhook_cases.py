"""What the tests of the webhook clients share: the clients, the secrets, and how a failure is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import traceback

import pytest

from consumer.errors import WebhookError
from consumer.webhook.client import NO_HEADERS, ClientKind, open_client
from tests.integration.scripted import Scripted

TOKEN = "s3cr3t-t0ken"
_loop = asyncio.new_event_loop
BODY = b'{"email":"pr1vate@example.com"}'


AT_ONCE = "lean, at once"
"""The lean client, by `post_now` where that can be, as the service uses it."""


class AtOnce:
    """A client's `post`, by `post_now` where it says that it can."""

    def __init__(self, client):
        self._client = client
        self.at_once = 0

    def __getattr__(self, name):
        return getattr(self._client, name)

    async def post(self, body, headers=NO_HEADERS):
        ended = asyncio.get_running_loop().create_future()

        def done(outcome):
            assert returned, "it calls back later"
            if not ended.done():
                (ended.set_exception if isinstance(outcome, WebhookError) else ended.set_result)(outcome)

        returned = False
        if not self._client.post_now(body, headers, done):
            return await self._client.post(body, headers)
        returned = True
        self.at_once += 1
        return await ended


@pytest.fixture(params=[*ClientKind, AT_ONCE], name="kind")
def either_kind(request):
    return request.param


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def either_loop(request, monkeypatch):
    """The service runs on uvloop where it is installed, on asyncio's loop where it is not."""
    if request.param == "uvloop":
        uvloop = pytest.importorskip("uvloop")
        monkeypatch.setattr(sys.modules[__name__], "_loop", uvloop.new_event_loop)


@pytest.fixture(autouse=True)
def nothing_private_is_logged(caplog):
    """At the lowest level, in any logger."""
    caplog.set_level(logging.DEBUG)
    yield
    assert TOKEN not in caplog.text
    assert "pr1vate" not in caplog.text


def run(scenario):
    """On a loop of its own; a client that hangs fails the test."""

    async def limited():
        async with asyncio.timeout(30):
            return await scenario

    with asyncio.Runner(debug=False, loop_factory=_loop) as runner:
        return runner.run(limited())


@contextlib.asynccontextmanager
async def client_of(kind, server, *, scheme="http", host="127.0.0.1", **options):
    port = server if isinstance(server, int) else server.port
    shown = f"[{host}]" if ":" in host else host
    url = f"{scheme}://{shown}:{port}/hook/{TOKEN}"
    client = open_client(ClientKind.LEAN if kind == AT_ONCE else kind, url=url, **{"timeout_seconds": 5.0, **options})
    if kind == AT_ONCE:
        client = AtOnce(client)
    try:
        yield client
    finally:
        await client.aclose()


async def failure_of(attempt):
    """The `WebhookError` that it ends with; neither it nor anything behind it names what is private."""
    with pytest.raises(WebhookError) as caught:
        await attempt
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caught.value.detail
    assert TOKEN not in shown
    assert "pr1vate" not in shown
    assert caught.value.__context__ is None or isinstance(caught.value.__context__, TimeoutError)
    return caught.value


def answered(kind, data, *, posts=1):
    """What a server that answers each request with ``data`` and stays open makes of so many posts."""

    async def scenario():
        async with Scripted(lambda peer: peer.serve(data)) as server, client_of(kind, server) as client:
            responses = [await client.post(BODY) for _ in range(posts)]
            assert len(server.requests) == posts
            return responses, server.connections

    return run(scenario())
