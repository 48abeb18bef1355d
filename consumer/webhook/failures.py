"""From exceptions to `WebhookError`: what went wrong, in our own words.

Texts of foreign exceptions are never passed on: they may hold the URL, a header or a piece of the answer. Kinds of
errors and errno names are all that is taken from them.
"""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING

from consumer.errors import WebhookError
from consumer.outcomes import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERIFY_REMEDY = "the server's certificate is not trusted"


def timed_out(seconds: float, *, ambiguous: bool) -> WebhookError:
    """The deadline passed."""
    phase = "without a complete answer" if ambiguous else "before the request could be sent"
    return WebhookError(FailureKind.TIMEOUT, f"{seconds:g} s passed {phase}", ambiguous=ambiguous)


def not_connected(error: BaseException) -> WebhookError:
    """Name lookup, connecting or TLS failed: not one byte of the request was written."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return WebhookError(FailureKind.DNS, "the webhook's host name cannot be resolved", ambiguous=False)
        if isinstance(cause, ssl.SSLCertVerificationError):
            # OpenSSL's own words for the check that failed: "self-signed certificate", "Hostname mismatch, ...".
            reason = _verify_reason(cause)
            return WebhookError(FailureKind.CERTIFICATE, f"{_VERIFY_REMEDY}: {reason}", ambiguous=False)
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            name = getattr(cause, "reason", None) or "unknown"  # absent where Python itself raised it
            return WebhookError(FailureKind.CONNECT, f"the TLS handshake failed: {name}", ambiguous=False)
    return WebhookError(FailureKind.CONNECT, f"cannot connect: {_name(causes)}", ambiguous=False)


def lost(error: BaseException | None, *, ambiguous: bool = True) -> WebhookError:
    """The connection ended before the answer was complete."""
    name = "closed by the server" if error is None else _name(list(_causes(error)))
    return WebhookError(
        FailureKind.RESET, f"connection lost before the answer was complete: {name}", ambiguous=ambiguous
    )


def garbled(what: str = "the answer is no valid HTTP", *, ambiguous: bool = True) -> WebhookError:
    """What was received is no answer."""
    return WebhookError(FailureKind.PROTOCOL, what, ambiguous=ambiguous)


def oversized() -> WebhookError:
    """The answer's headers do not end."""
    return WebhookError(FailureKind.TOO_LARGE, "the answer's headers are too large", ambiguous=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what is behind it, exception groups (several addresses tried) opened; each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += (each.__context__, each.__cause__)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions


def _name(causes: list[BaseException]) -> str:
    """The errno's name (``ECONNREFUSED``), else the class of the innermost exception."""
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno in errno.errorcode:
            return errno.errorcode[cause.errno]
    return type(causes[-1]).__name__


def _verify_reason(error: ssl.SSLCertVerificationError) -> str:
    message = str(getattr(error, "verify_message", "") or "unknown")
    # "Hostname mismatch, certificate is not valid for 'host'." names the host: not needed to act on it.
    return message.split(",", maxsplit=1)[0].strip().rstrip(".")
