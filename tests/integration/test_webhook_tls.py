"""What every webhook client promises, continued: connecting, certificates, proxies, and what it refuses to open."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import traceback

import pytest

from consumer.errors import ConfigurationError
from consumer.outcomes import FailureKind
from consumer.webhook.client import ClientKind, open_client
from tests.integration.scripted import OK, Peer, Scripted
from tests.integration.webhook_cases import (  # noqa: F401 - three of them are fixtures
    BODY,
    TOKEN,
    client_of,
    either_kind,
    either_loop,
    failure_of,
    nothing_private_is_logged,
    run,
)

RESET, PROTOCOL, TIMEOUT = FailureKind.RESET, FailureKind.PROTOCOL, FailureKind.TIMEOUT


# connecting


def test_a_refused_connection_is_not_ambiguous(kind):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def scenario():
        async with client_of(kind, port) as client:
            return await failure_of(client.post(BODY))

    error = run(scenario())
    assert (error.kind, error.ambiguous) == (FailureKind.CONNECT, False)
    assert "ECONNREFUSED" in error.detail


def test_a_name_that_cannot_be_resolved_is_not_ambiguous(kind, monkeypatch):
    def unknown(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # asking a real resolver can take any time

    async def scenario():
        async with client_of(kind, 80, host="nowhere.invalid") as client:
            return await failure_of(client.post(BODY))

    error = run(scenario())
    assert (error.kind, error.ambiguous) == (FailureKind.DNS, False)


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6(kind):
    async def scenario():
        async with Scripted(host="::1") as server, client_of(kind, server, host="::1") as client:
            assert (await client.post(BODY)).status == 200
            assert f"\r\nhost: [::1]:{server.port}\r\n".encode() in server.requests[0].lower()

    run(scenario())


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Two for localhost; self-signed, so each is its own authority."""
    if shutil.which("openssl") is None:
        # The standard library makes no certificates, and a dependency for two test modules would be one too many.
        pytest.skip("certificates are made with the openssl command")
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("good", "other"):
        command = (
            f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
            f" -addext subjectAltName=DNS:localhost -keyout {folder}/{name}.key -out {folder}/{name}.pem"
        )
        subprocess.run(command.split(), capture_output=True, check=True)
    return folder


def server_context(certificates, name="good"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


def tls_failure(kind, certificates, *, name="good", host="localhost", ca_file="good"):
    async def scenario():
        options = {} if ca_file is None else {"ca_file": str(certificates / f"{ca_file}.pem")}
        async with Scripted(tls=server_context(certificates, name)) as server:
            async with client_of(kind, server, scheme="https", host=host, **options) as client:
                error = await failure_of(client.post(BODY))
            assert server.requests == []
            return error

    return run(scenario())


def test_a_certificate_of_the_given_authority_is_trusted(kind, certificates):
    async def scenario():
        options = {"scheme": "https", "host": "localhost", "ca_file": str(certificates / "good.pem")}
        async with Scripted(tls=server_context(certificates)) as server, client_of(kind, server, **options) as client:
            bodies = [(await client.post(BODY)).body for _ in range(3)]
            assert server.requests[0].endswith(BODY)
            return bodies, server.connections

    assert run(scenario()) == ([b"{}"] * 3, 1)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"ca_file": None}, "self-signed certificate"),
        ({"ca_file": "other"}, "self-signed certificate"),
        ({"host": "127.0.0.1"}, "mismatch"),
    ],
)
def test_a_certificate_that_does_not_hold_is_named_so(kind, certificates, how, words):
    error = tls_failure(kind, certificates, **how)
    assert (error.kind, error.ambiguous) == (FailureKind.CERTIFICATE, False)
    assert words.replace("-", " ") in error.detail.replace("-", " ")


def test_a_server_that_speaks_no_tls_is_a_failure_to_connect(kind):
    async def script(peer):
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server, scheme="https") as client:
            return await failure_of(client.post(BODY))

    error = run(scenario())
    assert (error.kind, error.ambiguous) == (FailureKind.CONNECT, False)


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_connection_lost_in_the_handshake_is_not_ambiguous(kind, how):
    async def script(peer):
        await peer.reader.read(1)
        if how == "reset":
            peer.reset()

    async def scenario():
        async with Scripted(script) as server, client_of(kind, server, scheme="https") as client:
            return await failure_of(client.post(BODY))

    error = run(scenario())
    assert (error.kind, error.ambiguous) == (FailureKind.CONNECT, False)


def test_a_handshake_that_hangs_ends_at_the_deadline_and_is_not_ambiguous(kind):
    async def scenario():
        options = {"scheme": "https", "timeout_seconds": 1.0}
        async with Scripted(Peer.until_closed) as server, client_of(kind, server, **options) as client:
            return await failure_of(client.post(BODY))

    error = run(scenario())
    assert (error.kind, error.ambiguous) == (TIMEOUT, False)


@pytest.mark.parametrize("cut", [0, 1, 20, len(OK) - 1])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_loss_under_tls_is_one_as_well(kind, certificates, cut, how):
    async def script(peer):
        await peer.answer(OK[:cut])
        if how == "reset":
            peer.reset()

    async def scenario():
        ca_file = str(certificates / "good.pem")
        async with Scripted(script, tls=server_context(certificates)) as server:
            async with client_of(kind, server, scheme="https", host="localhost", ca_file=ca_file) as client:
                error = await failure_of(client.post(BODY))
            return error.kind, error.ambiguous, len(server.requests)

    assert run(scenario()) == (RESET, True, 1)


@pytest.mark.parametrize("kind", ClientKind)
def test_a_ca_file_that_cannot_be_used_is_found_at_once(kind, tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    for path, words in ((empty, "holds no certificate"), (tmp_path / "none.pem", "cannot be read")):
        with pytest.raises(ConfigurationError, match=words) as caught:
            open_client(kind, url="https://h/", ca_file=str(path))
        assert [problem.path for problem in caught.value.problems] == ["destination.ca_file"]


# proxies


def test_the_stock_client_posts_through_a_proxy():
    async def scenario():
        async with Scripted() as proxy:
            options = {"proxy": f"http://user:{TOKEN}@127.0.0.1:{proxy.port}"}
            async with client_of(ClientKind.STOCK, 80, host="hooks.invalid", **options) as client:
                assert (await client.post(BODY)).status == 200
            (request,) = proxy.requests
            assert request.startswith(f"POST http://hooks.invalid/hook/{TOKEN} HTTP/1.1\r\n".encode())
            assert b"\r\nproxy-authorization: basic " in request.lower()

    run(scenario())


def test_a_proxy_that_refuses_the_tunnel_is_a_failure_to_connect():
    async def script(peer):
        await peer.answer(b"HTTP/1.1 407 " + TOKEN.encode() + b"\r\ncontent-length: 0\r\n\r\n")

    async def scenario():
        async with Scripted(script) as proxy:
            options = {"proxy": f"http://127.0.0.1:{proxy.port}"}
            async with client_of(ClientKind.STOCK, 443, scheme="https", host="hooks.invalid", **options) as client:
                error = await failure_of(client.post(BODY))
            assert proxy.requests[0].startswith(b"CONNECT hooks.invalid:443 ")
            return error

    error = run(scenario())
    assert (error.kind, error.ambiguous) == (FailureKind.CONNECT, False)
    assert "407" in error.detail


@pytest.mark.parametrize("proxy", [f"ftp://{TOKEN}@p", TOKEN, f"http://user:{TOKEN}@", "http://"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(proxy):
    with pytest.raises(ConfigurationError) as caught:
        open_client(ClientKind.STOCK, url="https://h/", proxy=proxy)
    assert [problem.path for problem in caught.value.problems] == ["destination.proxy"]
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_the_lean_client_refuses_a_proxy_and_says_what_to_do():
    with pytest.raises(ConfigurationError, match="use stock") as caught:
        open_client("lean", url="https://h/", proxy="http://proxy:3128")
    assert [problem.path for problem in caught.value.problems] == ["destination.proxy"]


@pytest.mark.parametrize("kind", ClientKind)
def test_a_url_that_cannot_be_used_is_refused_at_once(kind):
    with pytest.raises(ConfigurationError) as caught:
        open_client(kind, url=f"//{TOKEN}")
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_kind_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="fat"):
        open_client("fat", url="https://h/")
