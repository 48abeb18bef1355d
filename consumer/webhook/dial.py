"""A connected socket to a host by name: all its addresses are tried, a quarter of a second after each other.

Happy Eyeballs (RFC 8305), as asyncio's own `create_connection` does it. It is here because uvloop's does not: there a
host with an IPv6 address that leads nowhere would use up an attempt's deadline before its IPv4 address is tried.
"""

from __future__ import annotations

import socket
from asyncio.staggered import staggered_race
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    AddressInfo = tuple[Any, ...]

DELAY_SECONDS: Final = 0.25


async def dial(loop: AbstractEventLoop, host: str, port: int) -> socket.socket:
    """Connect; the caller closes the socket.

    Raises:
        OSError: the name cannot be resolved, or no address could be connected to (then an ExceptionGroup of what
            each said is its cause).
    """
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    connected: list[socket.socket] = []
    tries = [partial(_connect, loop, info, connected) for info in _in_turn(found)]
    try:
        _, _, failures = await staggered_race(tries, DELAY_SECONDS)
    except BaseException:
        # Given up between a try's success and our turn to hear of it: the race forgets what was won.
        for each in connected:
            each.close()
        raise
    if connected:
        return connected[0]
    said = [failure for failure in failures if isinstance(failure, Exception)]
    raise OSError("no address could be connected to") from ExceptionGroup("each said", said)


async def _connect(loop: AbstractEventLoop, info: AddressInfo, connected: list[socket.socket]) -> None:
    family, kind, protocol, _, address = info
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)  # noqa: FBT003 - its one argument, by position only
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    connected.append(opened)


def _in_turn(found: list[AddressInfo]) -> list[AddressInfo]:
    """The resolver's order, but families in turn: a broken one costs one delay, however many addresses it has."""
    families: dict[int, list[AddressInfo]] = {}
    for info in found:
        families.setdefault(info[0], []).append(info)
    return [info for row in zip_longest(*families.values()) for info in row if info is not None]
