"""The interface to the webhook: one POST, one answer or one named failure.

What every client behind it promises; `tests/integration/test_webhook_conformance.py` holds all of them to it:

* An attempt is one request. It is never sent again by the client, and a redirect is an answer (3xx), not followed.
* One deadline spans the whole attempt: connecting, TLS, sending, and the last byte of the answer. A server that drips
  one byte a second is cut off as one that hangs.
* An answer is complete or it is a `WebhookError`: a 200 whose body was cut off has not been heard. 1xx answers are
  passed over. A body is read up to `MAX_BODY_BYTES`; what is left is not read and the connection is closed.
* `WebhookError.ambiguous` is False only where not one byte of the request can have left: name lookup, connecting, TLS.
* Neither the URL (its path is ChartMogul's only credential) nor a body is in any message, repr or log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Struct

from consumer import __version__

if TYPE_CHECKING:
    from consumer.errors import WebhookError
    from consumer.webhook.lean import LeanClient
    from consumer.webhook.stock import StockClient

MAX_BODY_BYTES: Final = 64 * 1024
"""How much of an answer's body is kept: enough for any error text, bounded for a hostile or mistaken one."""

KEEPALIVE_SECONDS: Final = 55.0
"""An idle connection is not used again after this: just below the minute after which servers and balancers drop it."""

USER_AGENT: Final = f"segment-chartmogul-consumer/{__version__}"

T = TypeVar("T")

Done = Callable[["Response | WebhookError"], None]
"""Takes how an attempt has ended."""

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class ClientKind(StrEnum):
    """Which client sends: ``stock`` is httpx (proxies, HTTP/2), ``lean`` is this project's own (least CPU)."""

    STOCK = "stock"
    LEAN = "lean"


class Response(msgspec.Struct, frozen=True, gc=False):
    """A complete answer.

    Attributes:
        status: the final status, 200 or above.
        headers: by lower-case name; repeated ones are joined by ``", "``.
        body: at most `MAX_BODY_BYTES`, as sent (no content coding is asked for).
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        """Status and size: an error body may repeat what it was sent."""
        return f"Response(status={self.status}, body={len(self.body)} bytes)"


class Headers(Mapping[str, str]):
    """A response's headers from the wire's; ``read(source)`` gives them when they are first asked for.

    After a 2xx nobody asks, and reading them is a tenth of what a request costs.
    """

    __slots__ = ("_joined", "_read_from", "_source")

    def __init__(self, read: Callable[[T], Iterable[tuple[bytes, bytes]]], source: T) -> None:
        self._read_from: Callable[[Any], Iterable[tuple[bytes, bytes]]] = read
        self._source = source
        self._joined: dict[str, str] | None = None

    def _read(self) -> dict[str, str]:
        if self._joined is None:
            joined: dict[str, str] = {}
            for name, value in self._read_from(self._source):
                key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
                joined[key] = f"{joined[key]}, {text}" if key in joined else text
            self._joined = joined
        return self._joined

    def __getitem__(self, key: str) -> str:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


class Options(Struct, frozen=True):
    """What a client keeps to; see `open_client`."""

    timeout_seconds: float
    connections: int
    ca_file: str | None
    proxy: str | None  # may hold a password
    user_agent: str
    content_type: str

    __repr__ = object.__repr__  # fields may be secrets


class WebhookClient(Protocol):
    """A client for one webhook URL, used from one event loop."""

    async def post(self, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Response:
        """Send one POST and return its answer, whatever the status.

        Args:
            body: sent as it is.
            headers: added to the client's own, replacing those of the same (lower-case) name.

        Raises:
            WebhookError: there was no complete answer before the deadline.
            ValueError: a header's name or value holds a line break or is not Latin-1.
        """
        ...

    def post_now(self, body: bytes, headers: Mapping[str, str], done: Done) -> bool:
        """Send one POST at once, without a task or a future, where that can be.

        Args:
            body: as of `post`.
            headers: as of `post`.
            done: called once with what `post` returns or raises, from the event loop, after this has returned. It must
                not raise.

        Returns:
            False where nothing was sent and `done` will not be called: there is no connection, or this client has none
            that can be used so. Then await `post`.

        Raises:
            ValueError: as `post`.
        """
        ...

    async def set_url(self, url: str) -> None:
        """Post to ``url`` from now on; attempts under way end where they began.

        Raises:
            ConfigurationError: it is no http(s) URL; the old one stays.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; attempts under way end as `WebhookError`."""
        ...


def open_client(
    kind: ClientKind | str,
    *,
    url: str,
    timeout_seconds: float = 10.0,
    connections: int = 20,
    ca_file: str | None = None,
    proxy: str | None = None,
    user_agent: str = USER_AGENT,
    content_type: str = "application/json",
) -> WebhookClient:
    """Open a client; nothing is connected before the first post.

    Args:
        kind: ``stock`` or ``lean``.
        url: the webhook; https or http (whether http is allowed is the settings' decision).
        timeout_seconds: the deadline of a whole attempt. 10, as the hosted destination's.
        connections: at most so many at once, all kept alive. The gate sends no more than that; a post above it waits
            within its deadline.
        ca_file: PEM file of the authorities to trust in place of the public ones.
        proxy: URL of an HTTP proxy; stock only.
        user_agent: sent as it is.
        content_type: of the bodies.

    Raises:
        ConfigurationError: the URL, the CA file or the proxy cannot be used, or the client cannot do it.
    """
    client: type[StockClient | LeanClient]
    if ClientKind(kind) is ClientKind.STOCK:
        from consumer.webhook.stock import StockClient as client  # noqa: PLC0415, N813 - importing httpx takes 60 ms
    else:
        from consumer.webhook.lean import LeanClient as client  # noqa: PLC0415, N813 - as above
    options = Options(
        timeout_seconds=timeout_seconds,
        connections=connections,
        ca_file=ca_file,
        proxy=proxy,
        user_agent=user_agent,
        content_type=content_type,
    )
    return client(url, options)
