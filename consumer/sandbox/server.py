"""The stand-in for ChartMogul's webhook: ``POST /hook/TOKEN``, and views of what arrived.

Known of the real one: ``{}`` is answered 200 ``{}`` (Segment's connection test), a wrong URL 403 with an ``errors``
array. Everything else is an assumption, named where it is made: `consumer.sandbox.bodies`, ``store``, ``traffic``.

A request is counted, read, checked against the token, the limits, the faults and the field tables, in that order;
then it is recorded, whatever became of it, and answered. A body is in force only if its answer is a 2xx.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from random import Random
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from consumer.sandbox.bodies import errors_of, parse
from consumer.sandbox.faults import NO_FAULT, Faults
from consumer.sandbox.store import CompanyMode, Delivery, Store
from consumer.sandbox.traffic import Traffic
from consumer.sandbox.views import Views

if TYPE_CHECKING:
    from consumer.sandbox.faults import Fault

_HOOK: Final = "/hook/"
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s
_SILENT: Final = logging.getLogger("consumer.sandbox.aiohttp")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False  # aiohttp logs every connection that goes away; here that is the point


class Sandbox:
    """A stand-in on one event loop; start it, post to `url`, stop it.

    Everything but `start` and `stop` is called on the loop's thread; `consumer.sandbox.runner.ThreadedSandbox` is the
    same from another thread.
    """

    def __init__(
        self,
        token: str = "token",  # noqa: S107 - a stand-in's default, guards nothing
        *,
        rate_per_second: float | None = None,
        max_parallel: int | None = None,
        db: str | None = None,
        company_mode: CompanyMode = CompanyMode.ADDED_TO_COMPANY,
        seed: int | None = None,
    ) -> None:
        """Set it up; nothing is opened before `start`.

        Args:
            token: the last part of the webhook's path.
            rate_per_second: above it 429; ChartMogul's documented limit is 40. None: no limit.
            max_parallel: above it 503; ChartMogul's documented limit is 20. None: no limit.
            db: SQLite file to keep everything in; None: in memory.
            company_mode: when a contact makes a customer.
            seed: of the faults' probabilities and latencies.
        """
        self.token = token
        self.traffic = Traffic(rate_per_second=rate_per_second, max_parallel=max_parallel)
        self.faults = Faults(Random(seed))  # noqa: S311 - decides faults, no secrets
        self._db = db
        self._mode = CompanyMode(company_mode)
        self._views = Views(self)
        self._base = ""
        self._last_n = 0
        self._last_post = 0
        self._offset = time.time() - time.monotonic()
        self.store: Store
        self._server: web.Server
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The webhook's URL."""
        return f"{self._base}{_HOOK}{self.token}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; port 0 takes a free one. Returns the base URL.

        Raises:
            OSError: the address cannot be had.
            sqlite3.Error: the database cannot be opened.
        """
        self.store = Store(self._db, self._mode)
        self._last_n, self._last_post = self.store.last
        # Cancelled when the sender leaves: a hung answer ends with its connection.
        self._server = web.Server(
            self._handle, handler_cancellation=True, access_log=None, logger=_SILENT, keepalive_timeout=3600.0
        )
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._server, host, port, backlog=1024)
        except OSError:
            self.store.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        self._base = f"http://{shown}:{self._listener.sockets[0].getsockname()[1]}"
        return self._base

    async def stop(self) -> None:
        """Stop listening, end what is open, write everything; a second call does nothing."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        await self._server.shutdown(timeout=0.01)  # 0 would be no limit to aiohttp
        self.store.close()

    def stats(self) -> dict[str, Any]:
        """The account, as ``GET /stats`` has it.

        ``delivered`` counts distinct (type, message_id) accepted, ``duplicates`` those accepted again.
        """
        traffic = self.traffic
        return {
            "posts": traffic.posts,
            "deliveries": self._last_n,
            "delivered": self.store.delivered,
            "duplicates": self.store.duplicates,
            "by_status": dict(traffic.by_status),
            "in_flight": traffic.in_flight,
            "max_parallel": traffic.max_in_flight,
            "max_requests_in_one_second": traffic.max_in_one_second,
            "per_second": {str(second): count for second, count in sorted(traffic.per_second.items())},
            "contacts": self.store.count("contacts"),
            "customers": self.store.count("customers"),
        }

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path
        if path.startswith(_HOOK):
            if request.method != "POST":
                return refusal(405, "only POST")
            return await self._hook(request, path[len(_HOOK) :].partition("?")[0])
        return await self._views.handle(request)

    async def _hook(self, request: web.BaseRequest, token: str) -> web.Response:
        now = time.monotonic() + self._offset
        refused = self.traffic.arrive(now)
        attempt = _Attempt(now)
        try:
            raw = await request.read()
            self._last_post += 1
            attempt.post, attempt.raw = self._last_post, raw
            bodies = parse(raw, request.headers.get("Content-Type", ""))
            attempt.bodies = [raw.decode("utf-8", "replace")] if bodies is None else bodies
            attempt.first_n = self._last_n + 1
            self._last_n += len(attempt.bodies)
            if token != self.token:
                response = refusal(403, "access forbidden")
            elif refused is not None:
                response = refusal(*refused)
            else:
                fault = self.faults.draw(attempt.bodies) if self.faults else NO_FAULT
                response = await self._answer(request, bodies, fault, attempt)
            attempt.status = response.status
            attempt.answered = request.transport is not None
        except web.HTTPRequestEntityTooLarge:
            attempt.status, attempt.answered = 413, True
            response = refusal(413, "the body is too large")
        finally:
            self._record(request, attempt)
        return response

    async def _answer(
        self, request: web.BaseRequest, bodies: list[Any] | None, fault: Fault, attempt: _Attempt
    ) -> web.Response:
        response = _check(bodies)
        rule = fault.rule
        if rule is not None:
            attempt.fault = "reset" if rule.reset else "hang" if rule.hang else "status"
            attempt.accept = rule.accept and response.status == 200
            if rule.status is not None and (rule.status >= 300 or response.status == 200):
                response = web.Response(status=rule.status) if rule.status < 300 else refusal(rule.status, "a fault")
            if rule.retry_after_seconds is not None:
                response.headers["Retry-After"] = str(rule.retry_after_seconds)
        if attempt.fault not in ("reset", "hang"):
            attempt.status = response.status  # stands though the sender leaves while it waits for a slow answer
        if fault.wait_seconds:
            await asyncio.sleep(fault.wait_seconds)
        if attempt.fault == "reset":
            _reset(request)
        if attempt.fault in ("reset", "hang"):
            await asyncio.Event().wait()  # until the connection is gone: then this handler is cancelled
        return response

    def _record(self, request: web.BaseRequest, attempt: _Attempt) -> None:
        status = attempt.status
        self.traffic.leave(status if attempt.answered else None)
        good = attempt.accept or (status is not None and 200 <= status < 300)
        single = len(attempt.bodies) == 1
        headers = {name.lower(): value for name, value in request.headers.items()}
        finished = time.monotonic() + self._offset
        for index, body in enumerate(attempt.bodies):
            accepted = good and bool(body)
            self.store.record(
                Delivery(
                    n=attempt.first_n + index,
                    post=attempt.post,
                    received_at=attempt.received_at,
                    finished_at=finished,
                    status=status,
                    answered=attempt.answered,
                    accepted=accepted,
                    duplicate=accepted and not self.store.is_new(body["type"], body["message_id"]),
                    fault=attempt.fault,
                    headers=headers,
                    body=body,
                    raw=attempt.raw if single else orjson.dumps(body),
                )
            )


class _Attempt:
    """What is known of a request so far."""

    __slots__ = ("accept", "answered", "bodies", "fault", "first_n", "post", "raw", "received_at", "status")

    def __init__(self, received_at: float) -> None:
        self.received_at = received_at
        self.bodies: list[Any] = []
        self.raw = b""
        self.first_n = 0
        self.post = 0
        self.status: int | None = None
        self.answered = False
        self.accept = False
        self.fault = ""


def refusal(status: int, message: str) -> web.Response:
    """ChartMogul's shape of an error."""
    return _json({"errors": [{"field": None, "message": message}]}, status)


def _check(bodies: list[Any] | None) -> web.Response:
    """200 ``{}`` if every body is valid; else all are refused."""
    if bodies is None:
        return refusal(400, "the body is no JSON")
    for index, body in enumerate(bodies):
        errors = errors_of(body)
        if errors:
            if len(bodies) > 1:
                errors = [{**error, "index": str(index)} for error in errors]
            return _json({"errors": errors}, 422)
    return web.Response(body=b"{}", content_type="application/json")


def _json(value: Any, status: int) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def _reset(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
