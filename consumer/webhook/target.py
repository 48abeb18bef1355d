"""Where the POST goes: the webhook URL taken apart once, and the headers every request to it has."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct

from consumer.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH: Final = "destination.webhook_url"
_ALLOWED = "must be an absolute URL, https://host/path"
# What RFC 3986 lets stand in a path or query; everything else is percent-encoded, and what is encoded stays so.
_SAFE: Final = "!$&'()*+,;=:@/?%-._~"
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f]")
_BREAKS: Final = re.compile(r"[\x00\r\n]")


class Target(Struct, frozen=True):
    """A webhook URL in parts. Its path and credentials are secret, so the repr has neither.

    Attributes:
        scheme: ``http`` or ``https``.
        host: as dialled: ASCII, lower case, an IPv6 address without brackets.
        port: the scheme's own where the URL has none.
        netloc: as the Host header has it: brackets, and the port where it is not the scheme's own.
        path: path and query as the request line has them.
        authorization: value of the Authorization header where the URL has a user, else None.
    """

    scheme: str
    host: str
    port: int
    netloc: str
    path: str
    authorization: str | None

    __repr__ = object.__repr__  # fields may be secrets

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a connection can be shared for."""
        return self.scheme, self.host, self.port

    @classmethod
    def parse(cls, url: str) -> Target:
        """Take a URL apart.

        Raises:
            ConfigurationError: it cannot be used; the message does not repeat it.
        """
        text = url.strip()
        if not text:
            raise _refused("Please configure the ChartMogul webhook URL.")
        if _FORBIDDEN.search(text):
            raise _refused(f"{_ALLOWED}, without spaces or control characters")
        try:
            parts = urlsplit(text)
            port = parts.port
            host = _ascii_host(parts.hostname or "")
        except ValueError:
            raise _refused(f"{_ALLOWED}; its host or port cannot be read") from None
        if parts.scheme not in ("http", "https") or not host:
            raise _refused(_ALLOWED)
        own_port = 443 if parts.scheme == "https" else 80
        shown = f"[{host}]" if ":" in host else host
        path = quote(parts.path or "/", safe=_SAFE)
        if parts.query:
            path += "?" + quote(parts.query, safe=_SAFE)
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port if port is not None else own_port,
            netloc=shown if port in (None, own_port) else f"{shown}:{port}",
            path=path,
            authorization=authorization,
        )

    def headers(self, *, user_agent: str, content_type: str) -> dict[str, str]:
        """The headers of every request to it, lower-case, content-length aside.

        No content coding is accepted: the cap on the body could not bound what it unpacks to.
        """
        headers = {
            "host": self.netloc,
            "user-agent": user_agent,
            "content-type": content_type,
            "accept": "*/*",
            "accept-encoding": "identity",
        }
        if self.authorization is not None:
            headers["authorization"] = self.authorization
        check_headers(headers.items())
        return headers


def check_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Refuse what would end a header early.

    Raises:
        ValueError: a line break or a character beyond Latin-1; the message names the header only.
    """
    for name, value in headers:
        try:
            name.encode("ascii")
            value.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"header {name!a} is not Latin-1") from None
        if not name or _FORBIDDEN.search(name) or ":" in name or _BREAKS.search(value):
            raise ValueError(f"header {name!a} holds a line break or another character that a header cannot have")


def _ascii_host(host: str) -> str:
    if ":" in host:
        return host.lower()
    return host.encode("idna").decode("ascii").lower()  # UnicodeError, of labels too long as well, is a ValueError


def _refused(message: str) -> ConfigurationError:
    return ConfigurationError([Problem(PATH, message)])
