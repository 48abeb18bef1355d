"""The stock client: httpx's own transport. Serves proxies, and HTTP/2 where the h2 package is installed.

It calls the transport rather than `httpx.AsyncClient`: an attempt needs no cookies, redirects, authentication flow or
log line with the URL in it, and without them there is none to switch off (they also cost more than 50 µs a request).

Each connection has a transport of its own, for httpcore 1.0's pool costs time that grows with the square of its
connections: 20 ms of CPU a request at 64 of them, against less than 1 ms. So HTTP/2 carries one request at a time.

Known limit, httpcore's: bytes that follow an answer in the same packet are taken for the beginning of the next answer.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from typing import TYPE_CHECKING, Any

import httpx

from consumer.errors import ConfigurationError, Problem, WebhookError
from consumer.outcomes import FailureKind
from consumer.webhook.client import KEEPALIVE_SECONDS, MAX_BODY_BYTES, NO_HEADERS, Headers, Options, Response
from consumer.webhook.failures import garbled, lost, not_connected, oversized, timed_out
from consumer.webhook.target import PATH, Target, check_headers
from consumer.webhook.tls import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.webhook.client import Done

# At debug these loggers would print hosts, headers and answers.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_CONNECT_SHARE = 0.45
"""Of the deadline, for connecting and for TLS each. The deadline covers everything, but it ends an attempt by
cancelling it, and httpcore 1.0 does not close a socket whose TLS handshake is cancelled; one that times out it closes.
"""


class StockClient:
    """A `consumer.webhook.client.WebhookClient` on httpx; see `open_client` for the arguments."""

    def __init__(self, url: str, options: Options) -> None:
        self._options = options
        self._connect_seconds = options.timeout_seconds * _CONNECT_SHARE
        self._timeouts = {"connect": self._connect_seconds, "read": None, "write": None, "pool": None}
        self._trust = Trust(options.ca_file)
        self._url, self._headers = self._aim(url)
        self._proxy = self._parse_proxy(options.proxy)
        self._http2 = importlib.util.find_spec("h2") is not None
        self._permits = asyncio.Semaphore(options.connections)
        self._idle: list[httpx.AsyncHTTPTransport] = []  # last in, first out: the least used are left to expire
        self._all: list[httpx.AsyncHTTPTransport] = []

    def __repr__(self) -> str:
        """Nothing of the URL."""
        return "StockClient()"

    async def post(self, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Response:
        """See `WebhookClient.post`."""
        if headers:
            check_headers(headers.items())
        sent = _Sent()
        request = httpx.Request(
            "POST",
            self._url,
            headers=_encoded({**self._headers, **headers}),
            content=body,
            extensions={"trace": sent, "timeout": self._timeouts},
        )
        try:
            async with asyncio.timeout(self._options.timeout_seconds), self._permits:
                transport = self._idle.pop() if self._idle else self._open()
                try:
                    return await self._exchange(transport, request)
                finally:
                    self._idle.append(transport)
        except TimeoutError:
            failure = timed_out(self._options.timeout_seconds, ambiguous=sent.possibly)
        except (httpx.HTTPError, OSError, RuntimeError) as error:
            # RuntimeError: the transport was closed under the attempt.
            failure = _failure(error, self._connect_seconds, sent=sent.possibly)
        # Out of the handler: nothing of the foreign exception stays on ours, not even as its context.
        raise failure

    async def _exchange(self, transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> Response:
        answer = await transport.handle_async_request(request)
        stream = answer.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        body = bytearray()
        try:
            async for chunk in stream:
                body += chunk
                if len(body) >= MAX_BODY_BYTES:
                    break
        finally:
            await stream.aclose()
        if answer.status_code < 200:
            raise httpx.RemoteProtocolError("switching protocols was not asked for")
        return Response(answer.status_code, Headers(list, answer.headers.raw), bytes(body[:MAX_BODY_BYTES]))

    def post_now(self, body: bytes, headers: Mapping[str, str], done: Done) -> bool:  # noqa: ARG002 - the interface's
        """Never."""
        return False

    async def set_url(self, url: str) -> None:
        """See `WebhookClient.set_url`."""
        self._url, self._headers = self._aim(url)

    async def aclose(self) -> None:
        """See `WebhookClient.aclose`."""
        for transport in self._all:
            await transport.aclose()

    def _open(self) -> httpx.AsyncHTTPTransport:
        # A pool keeps fewer connections alive than it opens unless both limits are the same.
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS)
        transport = httpx.AsyncHTTPTransport(
            verify=self._trust.context, trust_env=False, http2=self._http2, limits=limits, proxy=self._proxy, retries=0
        )
        self._all.append(transport)
        return transport

    def _aim(self, url: str) -> tuple[httpx.URL, dict[str, str]]:
        target = Target.parse(url)
        shown = f"[{target.host}]" if ":" in target.host else target.host
        try:
            parsed = httpx.URL(f"{target.scheme}://{shown}:{target.port}{target.path}")
        except httpx.InvalidURL:
            raise ConfigurationError([Problem(PATH, "is no valid URL")]) from None
        if target.scheme == "https":
            self._trust.ready()
        return parsed, target.headers(user_agent=self._options.user_agent, content_type=self._options.content_type)

    def _parse_proxy(self, proxy: str | None) -> httpx.Proxy | None:
        if proxy is None:
            return None
        try:
            parsed = httpx.Proxy(proxy, ssl_context=self._trust.context)
        except (httpx.InvalidURL, ValueError):
            parsed = None
        if parsed is None or parsed.url.scheme not in ("http", "https") or not parsed.url.host:
            raise ConfigurationError([Problem("destination.proxy", "must be an http:// or https:// URL with a host")])
        if parsed.url.scheme == "http":
            return httpx.Proxy(proxy)  # httpx refuses a context for a proxy spoken to without TLS
        self._trust.ready()
        return parsed


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """As bytes: httpx takes a text for ASCII only."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


class _Sent:
    """httpcore's trace hook: notes when the request's first byte may have been written."""

    __slots__ = ("possibly",)

    def __init__(self) -> None:
        self.possibly = False

    async def __call__(self, name: str, info: dict[str, Any]) -> None:
        # A tunnel through a proxy opens with a CONNECT of its own: that is not our request.
        if name.endswith("send_request_headers.started") and info["request"].method == b"POST":
            self.possibly = True


def _failure(error: Exception, connect_seconds: float, *, sent: bool) -> WebhookError:
    if isinstance(error, httpx.TimeoutException):
        return timed_out(connect_seconds, ambiguous=sent)
    if isinstance(error, httpx.ProxyError):
        status = str(error)[:3]
        answer = f"answered {status}" if status.isdigit() else "refused the tunnel"
        return WebhookError(FailureKind.CONNECT, f"the proxy {answer}", ambiguous=sent)
    if isinstance(error, httpx.ProtocolError):
        # h11 and httpcore tell these cases apart in words only.
        text = str(error)
        if "too long" in text:
            return oversized()
        if "disconnected" in text or "closed connection" in text:
            return lost(None, ambiguous=sent)
        return garbled(ambiguous=sent)
    return lost(error) if sent else not_connected(error)
