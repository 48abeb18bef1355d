"""Each request is answered exactly once, whatever the client does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from consumer.delivery.messages import Answer, Send
from consumer.errors import WebhookError
from consumer.outcomes import FailureKind
from consumer.sender import Sender, encode_array, statuses_at
from consumer.webhook.client import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OK = Response(200, {}, b"[201,422]")
SEND = Send(1, [b"1", b"2"], 1, "")
OUTCOMES = [
    (OK, Answer(SEND, 200, statuses=[201, 422])),
    (Response(302, {}, b""), Answer(SEND, 302)),
    (Response(429, {"retry-after": "3"}, b"slow \xff"), Answer(SEND, 429, retry_after=3.0, excerpt="slow \ufffd")),
    (
        WebhookError(FailureKind.RESET, "was lost", ambiguous=True),
        Answer(SEND, 0, FailureKind.RESET, excerpt="was lost"),
    ),
    (RuntimeError("private"), Answer(SEND, 0, FailureKind.PROTOCOL, excerpt="the client failed: RuntimeError")),
]


class Client:
    """Ends each attempt with the same outcome; ``how``: at once, or only where it is awaited."""

    def __init__(self, outcome: Response | Exception, *, at_once: bool) -> None:
        self.outcome = outcome
        self.at_once = at_once
        self.posted: list[tuple[bytes, dict[str, str]]] = []
        self.under_way: list[Callable[[Any], None]] = []

    def post_now(self, body: bytes, headers: Mapping[str, str], done: Callable[[Any], None]) -> bool:
        if not self.at_once:
            return False
        if type(self.outcome) is RuntimeError:
            raise self.outcome
        self.posted.append((body, dict(headers)))
        self.under_way.append(done)
        asyncio.get_running_loop().call_soon(done, self.outcome)
        return True

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Response:
        self.posted.append((body, dict(headers)))
        await asyncio.sleep(0)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def unix(self) -> float:
        return 0.0


class Case:
    def __init__(self, outcome: Response | Exception = OK, *, at_once: bool = True) -> None:
        self.client = Client(outcome, at_once=at_once)
        self.answers: list[Answer] = []
        self.failures: list[Answer] = []
        self.prepared = 0
        self.prepare_fails = False
        self.clock = Clock()
        self.sender = Sender(
            self.client,  # type: ignore[arg-type] # a fake
            encode_array,
            self.answers.append,
            self.clock,
            prepare=self.prepare,
            statuses=statuses_at(""),
            failed=self.failures.append,
        )

    async def prepare(self) -> None:
        assert not self.client.posted, "before the request"
        self.prepared += 1
        if self.prepare_fails:
            raise RuntimeError("private")


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("outcome", "answer"), OUTCOMES, ids=lambda each: type(each).__name__)
def test_an_attempt_has_one_answer(outcome, answer, at_once):
    async def scenario() -> None:
        case = Case(outcome, at_once=at_once)
        case.sender.send(SEND)
        await turns()
        assert case.answers == [answer]
        assert case.failures == ([] if answer.status == 200 else [answer])

    asyncio.run(scenario())


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_sent(at_once):
    async def scenario() -> None:
        case = Case(at_once=at_once)
        case.sender.send(SEND)
        case.sender.send(SEND._replace(idempotency_key="k"))
        await turns()
        assert case.client.posted == [(b"[1,2]", {}), (b"[1,2]", {"idempotency-key": "k"})]

    asyncio.run(scenario())


def test_seconds_are_from_the_sending_to_the_answer():
    async def scenario() -> None:
        case = Case()
        case.sender.send(SEND)
        case.clock.now = 1.5
        await turns()
        assert [answer.seconds for answer in case.answers] == [1.5]

    asyncio.run(scenario())


def test_the_url_is_read_again_before_a_probe_and_only_then():
    async def scenario() -> None:
        case = Case()
        case.sender.prepare_next()
        case.sender.send(SEND)
        assert not case.client.posted
        await turns()
        case.sender.send(SEND)
        await turns()
        assert (case.prepared, len(case.answers)) == (1, 2)

    asyncio.run(scenario())


def test_a_probe_is_answered_even_if_looking_for_the_url_fails():
    async def scenario() -> None:
        case = Case()
        case.prepare_fails = True
        case.sender.prepare_next()
        case.sender.send(SEND)
        await turns()
        assert [answer.excerpt for answer in case.answers] == ["the client failed: RuntimeError"]
        case.sender.send(SEND)
        await turns()
        assert [answer.status for answer in case.answers] == [0, 200]

    asyncio.run(scenario())


@pytest.mark.parametrize("at_once", [True, False])
def test_once_it_is_closed_nothing_is_answered(at_once):
    async def scenario() -> None:
        case = Case(at_once=at_once)
        case.sender.send(SEND)
        await case.sender.aclose()
        await turns()
        assert case.answers == []

    asyncio.run(scenario())
