"""Which deliveries of a record a run is about: the one that failed, by today's mappings and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from consumer.outcomes import Post, Skip, SkipReason
from consumer.planning import Planner
from consumer.replay.selection import Origin, context_of, event_of, record_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from confluent_kafka import Message

    from consumer.kafka.decode import Decoder
    from consumer.outcomes import Planned
    from consumer.planning import Route
    from consumer.replay.selection import Selection


class ReplayPlanner(Planner):
    """The service's planner; of each record only what the run is about is left.

    Args:
        decoder, route: the service's own, from the same settings.
        selection: of the run.
    """

    def __init__(self, decoder: Decoder, route: Route, selection: Selection) -> None:
        super().__init__(decoder, route)
        self._selection = selection

    def _plan(self, value: bytes | None, message: Message, timestamp_ms: int) -> Sequence[Planned]:
        if self._selection.origin is Origin.DEAD_LETTERS:
            context = context_of(message)
            # The message's own timestamp is when the letter was written.
            planned = super()._plan(value, message, record_time(context))
            return only_failed(planned, context.get("dlq_mapping", ""))
        planned = super()._plan(value, message, timestamp_ms)
        return only_of(planned, self._selection.mappings) if self._selection.mappings else planned

    def _chosen(self, decoded: list[Any], message: Message) -> Iterable[tuple[int, Any]]:
        """The one event that a letter is about, where it says which; its neighbours were delivered."""
        if self._selection.origin is Origin.DEAD_LETTERS:
            number = event_of(context_of(message))
            if number is not None and number < len(decoded):
                return [(number, decoded[number])]
        return super()._chosen(decoded, message)


def only_failed(planned: Sequence[Planned], mapping: str) -> Sequence[Planned]:
    """What of a letter's deliveries is sent again.

    Args:
        planned: as the service would deliver the record today; never empty.
        mapping: the one that failed; "" where none was reached, which means all of them.

    Returns:
        At least one. That the event ends before any mapping today is the end of this delivery, too.
    """
    if not mapping:
        return planned
    if mine := [plan for plan in planned if plan.mapping == mapping]:
        return mine
    # Of a batch whose letter does not say which event it is about: those that cannot be decoded have letters of their
    # own, so a skip is this one's end.
    early = [plan for plan in planned if not isinstance(plan, Post) and not plan.mapping]
    before = sorted(early, key=lambda plan: not isinstance(plan, Skip))
    if before:
        return (replace(before[0], mapping=mapping),)
    return (Skip(SkipReason.NO_MATCHING_MAPPING, mapping, planned[0].event_type),)


def only_of(planned: Sequence[Planned], mappings: AbstractSet[str]) -> Sequence[Planned]:
    """What of a source record's deliveries is sent: those of these mappings, and what ended before any mapping."""
    mine = [plan for plan in planned if not plan.mapping or plan.mapping in mappings]
    return mine or (Skip(SkipReason.NO_MATCHING_MAPPING, "", planned[0].event_type),)
