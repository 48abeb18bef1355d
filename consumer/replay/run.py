"""A run: the service's machine, driver, sender and dead-letter writer over a bounded source, until all of it has ended.

Theory of operation
    The settings are the service's, but for the group (the run's own), the rate, and what would keep a repeat from being
    sent: dedupe is off, and an idempotency key differs from the service's because the group does.

    A delivery that fails again is dead-lettered again (`consumer.replay.letterbox`), and its old letter is passed only
    once the broker has acknowledged the new one; a write that fails stalls the run. Where too much fails again, the
    dead-letter guard ends the run: what it held back stays where it is, and the run can be continued.
"""

from __future__ import annotations

import asyncio
import time
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from consumer.app import SystemClock
from consumer.delivery.halt import HaltReason
from consumer.destination import Destination
from consumer.errors import KafkaUnavailableError
from consumer.from_settings import delivery_settings, source_config
from consumer.kafka import events
from consumer.kafka.dead_letter import DeadLettersReported, DeadLetterWriter
from consumer.ops.log import EventLogger, Repeats
from consumer.ops.readiness import REMEDIES
from consumer.reload import MappingsReloader
from consumer.replay.letterbox import ReplayLetterbox
from consumer.replay.planning import ReplayPlanner
from consumer.replay.source import BoundedSource
from consumer.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumer.config.model import Settings
    from consumer.decoding import Decoding
    from consumer.delivery.messages import HaltChanged
    from consumer.delivery.snapshot import Snapshot
    from consumer.replay.selection import Selection

RATE_SHARE: Final = 0.1
"""Of ``delivery.requests_per_second``: the service goes on beside a replay, and ChartMogul's limit is one for both."""

UNLIMITED_RATE: Final = 4.0
"""The default where the service has no limit: the same part of what ChartMogul documents."""

_LOOK_SECONDS: Final = 0.05
_CLOSE_SECONDS: Final = 5.0
_LEAVE_SECONDS: Final = 15.0


class Progress(Struct, frozen=True):
    """How far a run is.

    Attributes:
        total: records in its scope.
        done: of these, passed over or ended.
        selected: of these, taken.
        held_by: what delivery waits for; "" while it flows.
        snapshot: of the machine; None in a dry run.
    """

    total: int
    done: int
    selected: int
    seconds: float
    held_by: str = ""
    snapshot: Snapshot | None = None


class Result(Struct, frozen=True):
    """What became of a run.

    Attributes:
        selected: records (dead letters, or source records) that the selection took.
        delivered, skipped, dead_lettered: deliveries by their end; ``skipped`` holds what was merged.
        left: taken and not ended: held back by a stop, or letters whose value is not in the topic.
        merged: letters of a delivery that another letter stands for.
        reasons: deliveries that were skipped or dead-lettered, by (outcome, mapping, reason).
        problem: why the run ended before its end; "" where it did not, or where somebody stopped it.
        complete: everything in its scope was read and ended.
    """

    selected: int
    delivered: int
    skipped: int
    dead_lettered: int
    left: int
    merged: int
    seconds: float
    complete: bool
    problem: str = ""
    reasons: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The last line of ``replay --json``, without the run's id."""
        return {
            "selected": self.selected,
            "delivered": self.delivered,
            "skipped": self.skipped,
            "dead_lettered": self.dead_lettered,
            "left": self.left,
            "seconds": round(self.seconds, 2),
        }


def default_rate(settings: Settings) -> float:
    """POSTs a second of a run that nobody gave a rate."""
    rate = settings.delivery.requests_per_second
    return UNLIMITED_RATE if rate is None else max(1.0, RATE_SHARE * rate)


def run_settings(settings: Settings, *, group: str, rate: float) -> Settings:
    """The service's settings as a run uses them."""
    delivery = settings.delivery
    dedupe = delivery.dedupe.model_copy(update={"max_entries": 0})
    return settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"group_id": group}),
            "delivery": delivery.model_copy(update={"requests_per_second": rate, "dedupe": dedupe}),
        }
    )


def open_source(settings: Settings, selection: Selection, decoding: Decoding) -> BoundedSource:
    """The bounded source of a run, its schemas being loaded; ``settings`` are `run_settings`.

    Raises:
        ConfigurationError: librdkafka refuses the properties.
    """
    config = replace(source_config(settings), topics=selection.topics, start_from="earliest")
    source = BoundedSource(config, selection, decoding.needs)
    if decoding.schemas is not None:
        decoding.schemas.start()
    return source


def open_planner(settings: Settings, selection: Selection, decoding: Decoding) -> ReplayPlanner:
    """The planner of a run, by the mappings as they are now.

    Raises:
        ConfigurationError: the mappings cannot be used.
    """
    mappings = MappingsReloader(settings, EventLogger("consumer"), time.time)
    return ReplayPlanner(decoding.decoder, mappings.router.route, selection)


class Replay:
    """One run. Build it, `run` it once in an event loop; `stop` ends it early.

    Args:
        settings: `run_settings`.
        planner: `open_planner`.
        source: `open_source`, surveyed.
        say: told what goes wrong on the way, a line for people each.

    Raises:
        ConfigurationError: the webhook's URL or certificates, or the dead-letter producer's properties, are wrong.
    """

    def __init__(
        self, settings: Settings, planner: ReplayPlanner, source: BoundedSource, say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._source = source
        self._say = say
        self._repeats = Repeats()
        self._clock = SystemClock()
        self._problem = ""
        self._stopped = asyncio.Event()
        self._destination = Destination(settings, self._warn)
        self._writer = DeadLetterWriter(
            bootstrap_servers=settings.kafka.bootstrap_servers,
            properties=settings.kafka.client_properties(),
            topic=settings.dead_letter.topic,
            create=settings.dead_letter.create,
            emit=self._letters_reported,
        )
        self._letterbox = ReplayLetterbox(
            self._writer,
            settings.kafka.group_id,
            self._clock,
            lambda letter, ok: self._service.dead_letter_written(letter, ok=ok),
        )
        self._service = Service(
            delivery_settings(settings),
            planner,
            SystemRandom(),
            self._clock,
            on_halt=self._on_halt,
            on_source=self._on_source,
        )
        self._loop: asyncio.AbstractEventLoop

    async def run(self, show: Callable[[Progress], None]) -> Result:
        """Send everything, or what can be sent until `stop`.

        Args:
            show: told of the progress twenty times a second.

        Raises:
            KafkaUnavailableError: dead letters could not be written, so nothing was begun.
        """
        self._loop = asyncio.get_running_loop()
        started = self._clock.monotonic()
        if problem := await asyncio.to_thread(self._writer.check):
            self.abandon()
            raise KafkaUnavailableError(problem)
        self._source.attach(self._service.emit)
        sender = self._destination.sender(self._service.answered, self._clock)
        self._service.start(self._source, self._letterbox, sender)
        try:
            while not (self._stopped.is_set() or self._complete or self._service.closed.done()):
                show(self._progress(self._clock.monotonic() - started))
                await asyncio.sleep(_LOOK_SECONDS)
            complete = self._complete
            show(self._progress(self._clock.monotonic() - started))
            await self._leave()
        finally:
            await self._destination.aclose()
            self._writer.close(_CLOSE_SECONDS)
        return self._result(self._clock.monotonic() - started, complete=complete)

    def abandon(self) -> None:
        """Close without having begun: somebody thought better of it."""
        self._source.abandon()
        self._writer.close(_CLOSE_SECONDS)

    def stop(self) -> None:
        """Send nothing more, finish what is under way, commit; `run` returns. In the event loop."""
        self._stopped.set()

    @property
    def _complete(self) -> bool:
        """Whether everything was read, handed over, ended and committed."""
        source = self._source
        taken = self._service.snapshot().stats.records
        return source.exhausted and taken == source.sieve.passed and self._service.settled

    async def _leave(self) -> None:
        if self._service.closed.done():
            return
        self._service.stop()
        seconds = self._settings.delivery.drain_timeout_seconds + _LEAVE_SECONDS
        try:
            await asyncio.wait_for(asyncio.shield(self._service.closed), seconds)
        except TimeoutError:
            self._say(f"Kafka did not let go within {seconds:g} s; the last offsets may not be committed")

    def _progress(self, seconds: float) -> Progress:
        snapshot = self._service.snapshot()
        return Progress(
            total=self._source.scope.records,
            done=max(0, self._source.read - sum(view.incomplete for view in snapshot.partitions)),
            selected=self._source.sieve.selected,
            seconds=seconds,
            held_by=snapshot.halt_reason or self._letterbox.problem or snapshot.held_by,
            snapshot=snapshot,
        )

    def _result(self, seconds: float, *, complete: bool) -> Result:
        snapshot, sieve = self._service.snapshot(), self._source.sieve
        ends = dict.fromkeys(("delivered", "skipped", "dead_lettered", "released"), 0)
        reasons: dict[tuple[str, str, str], int] = {}
        for (mapping, _, outcome, reason), number in snapshot.stats.ended.items():
            ends[outcome] += number
            if reason:
                key = (outcome, mapping, reason)
                reasons[key] = reasons.get(key, 0) + number
        return Result(
            # What an earlier part of this run has done is in its offset map: it is not of this part.
            selected=sieve.selected - snapshot.stats.already_done,
            delivered=ends["delivered"],
            skipped=ends["skipped"] + sieve.merged,
            dead_lettered=ends["dead_lettered"],
            left=ends["released"] + sum(snapshot.in_progress.values()) + sieve.left,
            merged=sieve.merged,
            seconds=seconds,
            complete=complete,
            problem=self._problem,
            reasons=reasons,
        )

    # ---- what the parts say

    def _on_halt(self, change: HaltChanged) -> None:
        if change.reason is None:
            self._say("delivery goes on")
        elif change.reason is HaltReason.DEAD_LETTER_RATIO:
            self._problem = (
                f"more than {self._settings.dead_letter.halt_ratio:.0%} of what was sent last failed again "
                f"({change.detail}): put the cause right and continue the run, or set dead_letter.halt_ratio: 1 for it"
            )
            self._stopped.set()
        else:
            self._say(f"delivery halted, and tries again by itself: {REMEDIES[change.reason]} {change.detail}".rstrip())

    def _on_source(self, event: events.SourceEvent) -> None:
        if isinstance(event, events.SourceError):
            if event.fatal:
                self._problem = event.message
                self._stopped.set()
            else:
                self._say(event.message)
        elif isinstance(event, events.CommitDone) and event.error is not None:
            self._warn("commit_failed", event.error, error=event.error)

    def _warn(self, event: str, key: str, **fields: object) -> None:
        if self._repeats.admit((event, key)) is not None:
            shown = (value() if callable(value) else value for value in fields.values())
            self._say(f"{event.replace('_', ' ')}: {', '.join(map(str, shown))}")

    def _letters_reported(self, report: DeadLettersReported) -> None:
        """On the writer's thread."""
        self._loop.call_soon_threadsafe(self._letters_ended, report)

    def _letters_ended(self, report: DeadLettersReported) -> None:
        self._letterbox.reported(report)
        if problem := self._letterbox.problem:
            self._warn("waiting", problem, problem=f"{problem}; tried again by itself")
