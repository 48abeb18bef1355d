"""A trial of a run: what is selected, why it had failed, and how it would end today. Posts and writes nothing."""

from __future__ import annotations

import time
from collections import defaultdict
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct

from consumer.errors import KafkaUnavailableError
from consumer.kafka.events import Closed, Messages, PartitionsRevoking, SourceError
from consumer.outcomes import Post, Reject, Skip
from consumer.replay.run import Progress
from consumer.replay.selection import Origin, context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from confluent_kafka import Message

    from consumer.kafka.events import SourceEvent
    from consumer.outcomes import Planned
    from consumer.replay.planning import ReplayPlanner
    from consumer.replay.selection import Selection
    from consumer.replay.source import BoundedSource

_WAIT_SECONDS: Final = 0.1


class Group(NamedTuple):
    """What is counted together. Of a letter as its headers say; of a source record as it would end today."""

    mapping: str
    stage: str
    reason: str


class Counts(Struct):
    """Of one group: letters (source: deliveries), and how their deliveries would end today."""

    selected: int = 0
    would_send: int = 0
    would_skip: int = 0
    would_dead_letter: int = 0

    def add(self, plan: Planned) -> None:
        """Count a delivery. Only sending shows whether ChartMogul takes it."""
        self.would_send += isinstance(plan, Post)
        self.would_skip += isinstance(plan, Skip)
        self.would_dead_letter += isinstance(plan, Reject)


class Forecast(Struct, frozen=True):
    """What a run would do.

    Attributes:
        groups: what it would take up.
        selected, merged, left: as a run's `Result`.
    """

    groups: Mapping[Group, Counts]
    selected: int
    merged: int
    left: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The last line of ``replay --dry-run --json``."""
        return {
            "dry_run": True,
            "selected": self.selected,
            "merged": self.merged,
            "left": self.left,
            "groups": [
                {
                    **group._asdict(),
                    "selected": counts.selected,
                    "would_send": counts.would_send,
                    "would_skip": counts.would_skip,
                    "would_dead_letter": counts.would_dead_letter,
                }
                for group, counts in sorted(self.groups.items())
            ],
            "seconds": round(self.seconds, 2),
        }


def forecast(
    source: BoundedSource,
    planner: ReplayPlanner,
    selection: Selection,
    show: Callable[[Progress], None],
    say: Callable[[str], None],
) -> Forecast:
    """Read what a run would read, and count.

    Args:
        source: surveyed; it is closed afterwards.
        planner: of the run.
        selection: of the run.
        show: told of the progress.
        say: told what goes wrong on the way.

    Raises:
        KafkaUnavailableError: reading had to be given up.
    """
    started = time.monotonic()
    inbox: SimpleQueue[SourceEvent] = SimpleQueue()
    groups: dict[Group, Counts] = defaultdict(Counts)
    source.attach(inbox.put)
    source.start()
    fatal, closed, stopping = "", False, False
    while not closed:
        if source.exhausted and not stopping:
            stopping = True
            source.stop()
        try:
            event = inbox.get(timeout=_WAIT_SECONDS)
        except Empty:
            event = None
        if isinstance(event, Messages):
            _count(groups, planner, selection, event.batch)
            source.took(event.size)
        elif isinstance(event, PartitionsRevoking):
            event.reply.set({})  # nothing was done, so nothing is committed
        elif isinstance(event, SourceError):
            fatal = event.message if event.fatal else fatal
            say(event.message)
        closed = isinstance(event, Closed)
        show(Progress(source.scope.records, source.read, source.sieve.selected, time.monotonic() - started))
    if fatal:
        raise KafkaUnavailableError(fatal)
    sieve = source.sieve
    return Forecast(groups, sieve.selected, sieve.merged, sieve.left, time.monotonic() - started)


def _count(groups: dict[Group, Counts], planner: ReplayPlanner, selection: Selection, batch: Sequence[Message]) -> None:
    for record, message in zip(planner.records(batch), batch, strict=True):
        if selection.origin is Origin.DEAD_LETTERS:
            said = context_of(message)
            counts = groups[Group(*(said.get(f"dlq_{name}", "") for name in Group._fields))]
            counts.selected += 1
            for plan in record.planned:
                counts.add(plan)
        else:
            for plan in record.planned:
                counts = groups[_group_of(plan)]
                counts.selected += 1
                counts.add(plan)


def _group_of(plan: Planned) -> Group:
    if isinstance(plan, Post):
        return Group(plan.mapping, "", "")
    return Group(plan.mapping, plan.stage.value if isinstance(plan, Reject) else "", plan.reason.value)
