"""What the letter of a delivery says that failed again: where the record stands, not where its letter stood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from consumer.letterbox import Letterbox
from consumer.replay.selection import attempts_of, context_of, event_of, original_place, record_time, unix_ms

if TYPE_CHECKING:
    from confluent_kafka import Message

    from consumer.delivery.messages import DeadLetter
    from consumer.kafka.dead_letter_headers import DeadLetterContext


class ReplayLetterbox(Letterbox):
    """The service's letterbox, for letters of letters: coordinates stay the record's, attempts add up."""

    def context(self, letter: DeadLetter, message: Message) -> DeadLetterContext:
        """As the service's, but for what the letter before knew better. A source record's is the service's own."""
        context, before = super().context(letter, message), context_of(message)
        if not before:
            return context
        context = replace(
            context,
            attempts=context.attempts + attempts_of(before),
            first_at_ms=unix_ms(before.get("dlq_first_at", "")) or unix_ms(before.get("dlq_at", "")),
            record_at_ms=record_time(before),
            # A record that cannot be read at all today has no events; the letter is about this one all the same.
            event=event_of(before) if context.event is None else context.event,
        )
        if (place := original_place(before)) is not None:
            (topic, number), offset = place
            context = replace(context, topic=topic, partition=number, offset=offset)
        return context
