"""Runs the machine's requests against the webhook: as many workers as requests may be under way, no task per request.

A worker takes a `Send`, posts it once and hands back an `Answer`; what that means is the machine's business.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import orjson

from consumer.delivery.messages import Answer, Send
from consumer.delivery.retry import retry_after_seconds
from consumer.errors import WebhookError
from consumer.outcomes import FailureKind
from consumer.webhook.client import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from consumer.webhook.client import WebhookClient

EXCERPT_BYTES = 1024
"""How much of an answer's body a dead letter shows."""


class Clock(Protocol):
    """The two clocks the driver has."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def unix(self) -> float:
        """The wall clock, for metrics and Retry-After dates."""
        ...


def encode_single(bodies: Sequence[bytes]) -> bytes:
    """One object a POST: what ChartMogul's webhook takes."""
    return bodies[0]


def encode_array(bodies: Sequence[bytes]) -> bytes:
    """A JSON array, even of one."""
    return b"[" + b",".join(bodies) + b"]"


def encode_ndjson(bodies: Sequence[bytes]) -> bytes:
    """A line each, the last one ended too."""
    return b"\n".join(bodies) + b"\n"


def no_statuses(_body: bytes, _number: int) -> Sequence[int] | None:
    """The answer's own status is everybody's."""
    return None


def statuses_at(pointer: str) -> Callable[[bytes, int], Sequence[int] | None]:
    """A reader of per-delivery statuses: the array of whole numbers at a JSON pointer (RFC 6901) in a body."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]

    def read(body: bytes, number: int) -> Sequence[int] | None:
        """The statuses; None where there are not ``number`` of them: then the answer's own status is everybody's."""
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        for step in steps:
            if not isinstance(found, dict):
                return None
            found = found.get(step)
        fits = isinstance(found, list) and len(found) == number and all(type(status) is int for status in found)
        return found if fits else None

    return read


class Sender:
    """A pool of workers over one client.

    Args:
        client: posts.
        encode: makes one request's body of the deliveries' bodies.
        answered: called for each `Send` exactly once, in the event loop.
        clock: both clocks.
        statuses: reads from an answer's body a status for each delivery, where the endpoint gives them.
        prepare: awaited before a request of which `prepare_next` was said: reads the webhook URL's file again.
        failed: told of each answer that is no 2xx, for the log.
    """

    def __init__(
        self,
        client: WebhookClient,
        encode: Callable[[Sequence[bytes]], bytes],
        answered: Callable[[Answer], None],
        clock: Clock,
        *,
        prepare: Callable[[], Awaitable[object]] | None = None,
        statuses: Callable[[bytes, int], Sequence[int] | None] = no_statuses,
        failed: Callable[[Answer], None] = lambda _: None,
    ) -> None:
        self._failed = failed
        self._prepare = prepare
        self._statuses = statuses
        self._prepare_next = False
        self._client = client
        self._encode = encode
        self._answered = answered
        self._clock = clock
        self._idle: list[asyncio.Future[Send]] = []
        self._workers: set[asyncio.Task[None]] = set()

    def send(self, send: Send) -> None:
        """Start a request: on an idle worker, or on a new one. The machine's gate bounds how many there are."""
        while self._idle:
            waiting = self._idle.pop()
            if not waiting.done():
                waiting.set_result(send)
                return
        worker = asyncio.get_running_loop().create_task(self._work(send))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    def prepare_next(self) -> None:
        """The next `send` is the probe of a halt: look for a new URL first."""
        self._prepare_next = True

    async def aclose(self) -> None:
        """End the workers; requests under way are given up."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        while True:
            answer = await self._post(send)
            if not 200 <= answer.status < 300:
                self._failed(answer)
            self._answered(answer)
            waiting: asyncio.Future[Send] = loop.create_future()
            self._idle.append(waiting)
            send = await waiting

    async def _post(self, send: Send) -> Answer:
        if self._prepare_next and self._prepare is not None:
            self._prepare_next = False
            await self._prepare()
        started = self._clock.monotonic()
        headers = {"idempotency-key": send.idempotency_key} if send.idempotency_key else NO_HEADERS
        try:
            response = await self._client.post(self._encode(send.bodies), headers)
        except WebhookError as error:
            return Answer(send, 0, error.kind, seconds=self._clock.monotonic() - started, excerpt=error.detail)
        except Exception as error:  # noqa: BLE001 - a client's bug must not lose the delivery: it is retried
            # The kind of the exception only: its text might hold the URL or a body.
            detail = f"the client failed: {type(error).__name__}"
            return Answer(send, 0, FailureKind.PROTOCOL, seconds=self._clock.monotonic() - started, excerpt=detail)
        seconds = self._clock.monotonic() - started
        if 200 <= response.status < 300:
            statuses = self._statuses(response.body, len(send.bodies))
            return Answer(send, response.status, seconds=seconds, statuses=statuses)
        asked = response.headers.get("retry-after")
        retry_after = retry_after_seconds(asked, self._clock.unix()) if asked is not None else None
        excerpt = response.body[:EXCERPT_BYTES].decode("utf-8", "replace")
        return Answer(send, response.status, retry_after=retry_after, seconds=seconds, excerpt=excerpt)
