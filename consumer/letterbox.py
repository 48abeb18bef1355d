"""Between the machine's dead letters and their writer: what a letter says, and which one the broker has answered."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, Any

from consumer.kafka.dead_letter import DeadLettersReported
from consumer.kafka.dead_letter_headers import DeadLetterContext
from consumer.ops.log import redactor
from consumer.ops.redact import redact_excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message

    from consumer.delivery.messages import DeadLetter
    from consumer.kafka.dead_letter import DeadLetterWriter
    from consumer.sender import Clock

_RECHECK_SECONDS = 5.0


class Letterbox:
    """Writes the machine's dead letters; used in the event loop.

    Args:
        writer: writes and reports.
        group: the consumer group, for the header.
        clock: the wall clock, for the header.
        ended: called once for each letter: acknowledged, or not.

    Attributes:
        problem: why dead letters cannot be written, as far as is known; "" where they can.
    """

    def __init__(
        self, writer: DeadLetterWriter, group: str, clock: Clock, ended: Callable[[DeadLetter, bool], None]
    ) -> None:
        self._writer = writer
        self._group = group
        self._clock = clock
        self._ended = ended
        self._pending: dict[int, DeadLetter] = {}
        self.problem = ""

    async def check(self) -> None:
        """Look for the topic until it is there (or made); `problem` says what is wrong meanwhile."""
        while True:
            self.problem = await _in_daemon_thread(self._writer.check) or ""
            if not self.problem:
                return
            await asyncio.sleep(_RECHECK_SECONDS)

    def write(self, letter: DeadLetter) -> None:
        """Write one; one that cannot be written for a fault of ours has failed, and is tried again."""
        self._pending[letter.ident] = letter
        message: Message = letter.source  # type: ignore[assignment] # what the planner put there
        try:
            self._writer.write(letter.ident, message, self.context(letter, message))
        except Exception as error:  # noqa: BLE001 - whatever it is must not keep the other deliveries from going on
            # The kind of the exception only: its text might hold the event.
            fault = f"a fault of this software ({type(error).__name__}); please report it"
            self.reported(DeadLettersReported([], [(letter.ident, fault)]))

    def context(self, letter: DeadLetter, message: Message) -> DeadLetterContext:
        """What the letter's headers say beside the record's own."""
        kind, timestamp = message.timestamp()
        return DeadLetterContext(
            reason=letter.reason,
            stage=letter.stage,
            detail=letter.detail,
            topic=letter.partition.topic,
            partition=letter.partition.number,
            offset=letter.offset,
            group=self._group,
            at_ms=int(self._clock.unix() * 1000),
            mapping=letter.mapping,
            status=letter.status,
            # An answer may repeat what it was sent: the URL's path, the event's contents.
            response=redactor(redact_excerpt(letter.excerpt, [letter.body])),
            attempts=letter.attempts,
            record_at_ms=timestamp if kind else 0,
            event=letter.event,
        )

    def reported(self, report: DeadLettersReported) -> None:
        """Take the broker's word."""
        for ident in report.written:
            self._ended(self._pending.pop(ident), True)  # noqa: FBT003 - acknowledged
        for ident, error in report.failed:
            self.problem = f"dead letters cannot be written: {error}"
            self._ended(self._pending.pop(ident), False)  # noqa: FBT003 - not acknowledged
        if report.written and not report.failed:
            self.problem = ""


async def _in_daemon_thread(function: Callable[[], Any]) -> Any:
    """Run what may take half a minute. Leaving the loop would wait for a thread of `asyncio.to_thread`."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def run() -> None:
        answer = function()
        try:
            loop.call_soon_threadsafe(_answer, result, answer)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    Thread(target=run, name="dead-letter-check", daemon=True).start()
    return await result


def _answer(result: asyncio.Future[Any], answer: Any) -> None:
    if not result.done():
        result.set_result(answer)
