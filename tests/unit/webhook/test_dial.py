"""Which addresses are tried, in which order, and what is left open."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from consumer.webhook import dial as module
from consumer.webhook.dial import dial

SIX, FOUR = socket.AF_INET6, socket.AF_INET


class Loop:
    """Resolves to ``addresses``; connecting to one does what it says: "ok", "hangs", or an errno."""

    def __init__(self, *addresses) -> None:
        self.addresses = addresses
        self.tried = []
        self.sockets = []

    async def getaddrinfo(self, host, port, *, type):  # noqa: A002 - asyncio's signature
        assert (host, port) == ("hook.example", 443)
        return [(family, type, 0, "", (name, outcome)) for family, name, outcome in self.addresses]

    async def sock_connect(self, opened, address):
        name, outcome = address
        self.tried.append(name)
        self.sockets.append(opened)
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not opened.getblocking()
        if outcome == "hangs":
            await asyncio.get_running_loop().create_future()
        if outcome != "ok":
            raise OSError(outcome, "refused")


def open_ones(loop):
    return [index for index, each in enumerate(loop.sockets) if each.fileno() != -1]


def connect(loop):
    async def scenario():
        connected = await asyncio.wait_for(dial(loop, "hook.example", 443), 20)
        assert open_ones(loop) == [loop.sockets.index(connected)]
        connected.close()

    asyncio.run(scenario())


@pytest.fixture(autouse=True)
def short_delay(monkeypatch):
    monkeypatch.setattr(module, "DELAY_SECONDS", 0.001)


def test_the_first_address_that_answers_is_taken():
    loop = Loop((FOUR, "a", "ok"), (FOUR, "b", "ok"))
    connect(loop)
    assert loop.tried == ["a"]


def test_an_address_that_leads_nowhere_costs_one_delay_and_families_take_turns():
    loop = Loop((SIX, "six", "hangs"), (SIX, "six too", "hangs"), (FOUR, "four", "ok"))
    connect(loop)
    assert loop.tried == ["six", "four"]


def test_a_refusal_goes_on_to_the_next_at_once(monkeypatch):
    monkeypatch.setattr(module, "DELAY_SECONDS", 3600.0)
    loop = Loop((SIX, "six", errno.ECONNREFUSED), (FOUR, "four", "ok"))
    connect(loop)
    assert loop.tried == ["six", "four"]


def test_what_all_said_is_the_cause():
    loop = Loop((SIX, "six", errno.ENETUNREACH), (FOUR, "four", errno.ECONNREFUSED))
    with pytest.raises(OSError, match="no address") as caught:
        connect(loop)
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [each.errno for each in caught.value.__cause__.exceptions] == [errno.ENETUNREACH, errno.ECONNREFUSED]
    assert open_ones(loop) == []


def test_giving_up_closes_what_was_tried():
    loop = Loop((SIX, "six", "hangs"), (FOUR, "four", "hangs"))

    async def scenario():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(dial(loop, "hook.example", 443), 0.05)

    asyncio.run(scenario())
    assert loop.tried == ["six", "four"]
    assert open_ones(loop) == []


def test_giving_up_at_the_moment_of_success_closes_it_too():
    class Late(Loop):
        async def sock_connect(self, opened, address):
            await super().sock_connect(opened, address)
            attempt.cancel()

    async def scenario():
        nonlocal attempt
        attempt = asyncio.ensure_future(dial(loop, "hook.example", 443))
        with pytest.raises(asyncio.CancelledError):
            await attempt

    attempt, loop = None, Late((FOUR, "a", "ok"))
    asyncio.run(scenario())
    assert loop.tried == ["a"]
    assert open_ones(loop) == []
