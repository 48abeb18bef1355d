"""What the tests of the webhook clients share: the clients, the secrets, and how a failure is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import traceback

import pytest

from consumer.errors import WebhookError
from consumer.webhook.client import ClientKind, open_client
from tests.integration.scripted import Scripted

TOKEN = "s3cr3t-t0ken"
_loop = asyncio.new_event_loop
BODY = b'{"email":"pr1vate@example.com"}'


@pytest.fixture(params=list(ClientKind), name="kind")
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
    client = open_client(kind, url=f"{scheme}://{shown}:{port}/hook/{TOKEN}", **{"timeout_seconds": 5.0, **options})
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
