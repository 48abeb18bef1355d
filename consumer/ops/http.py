"""The operators' endpoints: /metrics, /healthz, /readyz, /status, on threads of their own.

Theory of operation
    The standard library's server, one thread a connection, bounded: at most `MAX_CONNECTIONS`, each read and write with
    a time-out, one answer a connection. When all are taken the new one is closed, and those older than
    `MAX_CONNECTION_SECONDS` are cut off (a client that drips a byte a second defeats a time-out per read).

    Nothing here runs on the event loop's thread, so /healthz answers, in red, when the loop hangs. Nothing raises into
    the service: a fault is a 500 without details.
"""

from __future__ import annotations

import errno
import json
import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from consumer.errors import ConfigurationError, Problem
from consumer.ops.log import EventLogger, Repeats
from consumer.ops.readiness import obstacles
from consumer.ops.status import status_document, status_page
from consumer.ops.watchdog import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from prometheus_client import CollectorRegistry

    from consumer.ops.snapshot import ServiceSnapshot

MAX_CONNECTIONS: Final = 16
MAX_CONNECTION_SECONDS: Final = 10.0
READ_TIMEOUT_SECONDS: Final = 5.0

_TEXT: Final = "text/plain; charset=utf-8"
_INDEX: Final = """/metrics      for Prometheus
/healthz      200 while the event loop turns
/readyz       200 while it is at work, else 503 with a line for each reason
/status       for people; /status.json for programs
"""

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


class Endpoints:
    """What each path answers; no sockets.

    Args:
        registry: the metrics.
        snapshot: the service now, None before it has started; may be called from any thread.
        loop_age: seconds since the event loop last turned.
        mode: live | shadow.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        snapshot: Callable[[], ServiceSnapshot | None],
        loop_age: Callable[[], float],
        *,
        mode: str = "live",
    ) -> None:
        self._registry = registry
        self._snapshot = snapshot
        self._loop_age = loop_age
        self._mode = mode
        self._routes: dict[str, Callable[[str], Answer]] = {
            "/": lambda _accept: (200, _TEXT, _INDEX.encode()),
            "/metrics": self._metrics,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/status": self._status,
            "/status.json": self._status_json,
        }

    def answer(self, path: str, accept: str = "") -> Answer:
        """The answer to a GET; ``accept`` is the header of that name."""
        route = self._routes.get(path.partition("?")[0].rstrip("/") or "/")
        return route(accept) if route else (404, _TEXT, b"not found\n" + _INDEX.encode())

    def _metrics(self, _accept: str) -> Answer:
        # Never OpenMetrics, though Prometheus prefers it: it takes twice the time and says nothing more.
        return 200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._registry)

    def _healthz(self, _accept: str) -> Answer:
        age = self._loop_age()
        if age <= LIMIT_SECONDS:
            return 200, _TEXT, b"ok\n"
        return 503, _TEXT, f"the event loop has not turned for {age:.0f} s; stacks are in the log\n".encode()

    def _readyz(self, _accept: str) -> Answer:
        found = obstacles(self._snapshot())
        if self._loop_age() > LIMIT_SECONDS:
            found = ("the event loop does not turn; see /healthz", *found)
        return (503, _TEXT, "".join(f"{line}\n" for line in found).encode()) if found else (200, _TEXT, b"ready\n")

    def _document(self) -> dict[str, Any]:
        return status_document(self._snapshot(), loop_age_seconds=self._loop_age(), mode=self._mode)

    def _status(self, accept: str) -> Answer:
        if "application/json" in accept and "text/html" not in accept:
            return self._status_json(accept)
        return 200, "text/html; charset=utf-8", status_page(self._document()).encode()

    def _status_json(self, _accept: str) -> Answer:
        return 200, "application/json", json.dumps(self._document(), indent=1).encode() + b"\n"


class OpsServer:
    """Serves `Endpoints` from the moment it is made until `close`; a context manager.

    Args:
        host: address to listen on.
        port: 0 takes any free one; see the attribute ``port``.

    Attributes:
        port: the port that is listened on.

    Raises:
        ConfigurationError: the address or port cannot be had.
    """

    def __init__(self, host: str, port: int, endpoints: Endpoints) -> None:
        try:
            self._server = _Server(host, port, endpoints)
        except OSError as error:
            raise ConfigurationError([_why(error, host, port)]) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="ops-http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; connections under way are cut off."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.cut_off(older_than=0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _why(error: OSError, host: str, port: int) -> Problem:
    if error.errno == errno.EADDRINUSE:
        return Problem("http.port", f"port {port} is in use by another program; choose another, or stop that one")
    if error.errno == errno.EACCES:
        return Problem("http.port", f"port {port} may not be listened on by this user; choose one above 1023")
    return Problem(
        "http.host", f"{host} cannot be listened on ({error.strerror}); use 0.0.0.0 or an address of this host"
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that hangs must not hold up the service's end
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self._since: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._log = EventLogger("consumer.ops.http")
        self._repeats = Repeats()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without the name lookup of `http.server`, which can take seconds where DNS is slow."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the interface's
        """Whether there is room for one more connection."""
        with self._lock:
            full = len(self._since) >= MAX_CONNECTIONS
        if full:
            self.cut_off(older_than=MAX_CONNECTION_SECONDS)
            return False
        with self._lock:
            self._since[request] = time.monotonic()
        return True

    def cut_off(self, *, older_than: float) -> None:
        """Shut connections of at least this age; their threads then end by themselves."""
        now = time.monotonic()
        with self._lock:
            old = [request for request, since in self._since.items() if now - since >= older_than]
        for request in old:
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has ended meanwhile

    def shutdown_request(self, request: Any) -> None:
        """The connection is over."""
        with self._lock:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the interface's
        """A connection that broke is the client's affair; nothing goes to standard error."""
        if (held := self._repeats.admit("connection")) is not None:
            self._log.debug("ops_connection_failed", repeated=held)

    def failed(self) -> None:
        """An endpoint has a fault."""
        if (held := self._repeats.admit("endpoint")) is not None:
            self._log.exception("ops_endpoint_failed", repeated=held)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = READ_TIMEOUT_SECONDS
    server_version = "chartmogul-consumer"
    sys_version = ""
    error_content_type = _TEXT
    error_message_format = "%(code)d %(message)s\n"

    def do_GET(self) -> None:
        try:
            status, content_type, body = self.server.endpoints.answer(self.path, self.headers.get("Accept", ""))
        except Exception:  # noqa: BLE001 - whatever it is, it must not reach the service, nor details the client
            self.server.failed()
            status, content_type, body = 500, _TEXT, b"internal error; see the log\n"
        self._send(status, content_type, body)

    do_HEAD = do_GET  # noqa: N815 - the interface's name

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(HTTPStatus(status))
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the interface's
        """Say nothing: probes and scrapes come every few seconds."""
