from __future__ import annotations

import errno
import socket
import ssl

import pytest

from consumer.outcomes import FailureKind
from consumer.webhook.failures import garbled, lost, not_connected, oversized, timed_out

SECRET = "https://h/s3cr3t"


def caused(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


def verification() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, SECRET)
    error.verify_message = f"Hostname mismatch, certificate is not valid for '{SECRET}'."
    return error


@pytest.mark.parametrize(
    ("error", "kind", "word"),
    [
        (socket.gaierror(-2, SECRET), FailureKind.DNS, "resolved"),
        (caused(RuntimeError(SECRET), socket.gaierror(-2, SECRET)), FailureKind.DNS, "resolved"),
        (verification(), FailureKind.CERTIFICATE, "Hostname mismatch"),
        (caused(OSError(SECRET), verification()), FailureKind.CERTIFICATE, "not trusted"),
        (ssl.SSLError(1, SECRET), FailureKind.CONNECT, "TLS"),
        (ConnectionRefusedError(errno.ECONNREFUSED, SECRET), FailureKind.CONNECT, "ECONNREFUSED"),
        (ExceptionGroup(SECRET, [OSError(errno.EHOSTUNREACH, SECRET)]), FailureKind.CONNECT, "EHOSTUNREACH"),
        (OSError(SECRET), FailureKind.CONNECT, "OSError"),
    ],
)
def test_before_the_first_byte_a_failure_is_never_ambiguous(error, kind, word):
    failure = not_connected(error)
    assert kind == failure.kind
    assert failure.ambiguous is False
    assert word in failure.detail
    assert "s3cr3t" not in str(failure)


def test_a_cycle_of_causes_ends():
    first, second = OSError(1, "a"), OSError(2, "b")
    first.__context__, second.__context__ = second, first
    assert not_connected(first).kind is FailureKind.CONNECT


def test_the_others_name_their_kind_and_nothing_else():
    assert lost(ConnectionResetError(errno.ECONNRESET, SECRET)).detail.endswith("ECONNRESET")
    assert lost(None).detail.endswith("closed by the server")
    assert [(f.kind, f.ambiguous) for f in (lost(None), garbled(), oversized())] == [
        (FailureKind.RESET, True),
        (FailureKind.PROTOCOL, True),
        (FailureKind.TOO_LARGE, True),
    ]
    assert timed_out(2.5, ambiguous=False).detail == "2.5 s passed before the request could be sent"
    assert timed_out(10, ambiguous=True).detail == "10 s passed without a complete answer"
