"""Runs the machine's requests against the webhook: posts each `Send` once and hands back an `Answer`.

What an answer means is the machine's business. Nearly every request goes out at once, over a connection that is idle;
one for which a connection has to be opened, or the webhook URL read again, is a task of its own.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Protocol

import orjson

from consumer.delivery.messages import Answer, Send
from consumer.delivery.retry import retry_after_seconds
from consumer.errors import WebhookError
from consumer.outcomes import FailureKind
from consumer.webhook.client import NO_HEADERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from consumer.webhook.client import Response, WebhookClient

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
    """Posts over one client; how many at once is the machine's gate's business.

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
        prepare: Callable[[], Awaitable[object]],
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
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def send(self, send: Send) -> None:
        """Start a request."""
        started = self._clock.monotonic()
        if not self._prepare_next:
            try:
                body, headers = self._encode(send.bodies), _headers(send)
                if self._client.post_now(body, headers, partial(self._ended, send, started)):
                    return
            except Exception as error:  # noqa: BLE001 - a client's bug must not lose the delivery: it is retried
                self._ended(send, started, error)
                return
        task = asyncio.get_running_loop().create_task(self._post(send))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def prepare_next(self) -> None:
        """The next `send` is the probe of a halt: look for a new URL first."""
        self._prepare_next = True

    async def aclose(self) -> None:
        """Give up what is under way: nothing is answered any more."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _post(self, send: Send) -> None:
        outcome: Response | Exception
        started = self._clock.monotonic()
        try:
            if self._prepare_next:
                self._prepare_next = False
                await self._prepare()
                started = self._clock.monotonic()
            outcome = await self._client.post(self._encode(send.bodies), _headers(send))
        except Exception as error:  # noqa: BLE001 - as above
            outcome = error
        self._ended(send, started, outcome)

    def _ended(self, send: Send, started: float, outcome: Response | Exception) -> None:
        if self._closed:
            return
        seconds = self._clock.monotonic() - started
        if isinstance(outcome, Exception):
            answer = _failure(send, outcome, seconds)
        elif 200 <= outcome.status < 300:
            statuses = self._statuses(outcome.body, len(send.bodies))
            self._answered(Answer(send, outcome.status, seconds=seconds, statuses=statuses))
            return
        else:
            asked = outcome.headers.get("retry-after")
            retry_after = retry_after_seconds(asked, self._clock.unix()) if asked is not None else None
            excerpt = outcome.body[:EXCERPT_BYTES].decode("utf-8", "replace")
            answer = Answer(send, outcome.status, retry_after=retry_after, seconds=seconds, excerpt=excerpt)
        self._answered(answer)
        self._failed(answer)


def _headers(send: Send) -> Mapping[str, str]:
    return {"idempotency-key": send.idempotency_key} if send.idempotency_key else NO_HEADERS


def _failure(send: Send, error: Exception, seconds: float) -> Answer:
    if isinstance(error, WebhookError):
        return Answer(send, 0, error.kind, seconds=seconds, excerpt=error.detail)
    # The kind of the exception only: its text might hold the URL or a body.
    return Answer(send, 0, FailureKind.PROTOCOL, seconds=seconds, excerpt=f"the client failed: {type(error).__name__}")
