"""Between a dead letter and its writer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from confluent_kafka import Message

from consumer.delivery.messages import DeadLetter, Partition
from consumer.letterbox import Letterbox
from consumer.outcomes import DecodeReason, Stage

LETTER = DeadLetter(
    ident=1,
    partition=Partition("events", 0),
    offset=5,
    source=Message(topic="events", value=b"private"),
    stage=Stage.DECODE,
    reason=DecodeReason.INVALID_JSON,
    mapping="",
    detail="",
)


def test_a_letter_that_cannot_be_written_for_a_fault_of_ours_has_failed_and_can_be_tried_again():
    """Were the exception let out, nobody would ever hear of the letter again."""
    written: list[int] = []
    ended: list[tuple[int, bool]] = []

    def write(ident: int, *_: Any) -> None:
        if not ended:
            raise RuntimeError("private")
        written.append(ident)

    clock = SimpleNamespace(unix=lambda: 1.0)
    box = Letterbox(SimpleNamespace(write=write), "group", clock, lambda letter, ok: ended.append((letter.ident, ok)))  # type: ignore[arg-type] # fakes
    box.write(LETTER)
    assert ended == [(1, False)]
    assert box.problem == ("dead letters cannot be written: a fault of this software (RuntimeError); please report it")
    box.write(LETTER)
    assert written == [1]
