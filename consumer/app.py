"""Wires the service from settings: decoder, router, machine, Kafka, webhook, endpoints. Decides nothing."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from random import SystemRandom
from typing import TYPE_CHECKING, Final, Self

import confluent_kafka

from consumer.decoding import open_decoding
from consumer.destination import Destination
from consumer.from_settings import delivery_settings, source_config
from consumer.kafka import events
from consumer.kafka.dead_letter import DeadLettersReported, DeadLetterWriter
from consumer.kafka.source import KafkaSource
from consumer.letterbox import Letterbox
from consumer.ops.http import Endpoints, OpsServer
from consumer.ops.log import EventLogger, RareWarnings
from consumer.ops.metrics import make_registry
from consumer.ops.redact import redact_excerpt
from consumer.ops.snapshot import DecodingInfo, Failure, Lag, ServiceSnapshot, SnapshotExchange
from consumer.ops.watchdog import Heartbeat, Watchdog
from consumer.planning import Planner
from consumer.reload import MappingsReloader
from consumer.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.config.model import Settings
    from consumer.delivery.messages import DeadLetter, HaltChanged, Partition
    from consumer.delivery.snapshot import PartitionView
    from consumer.tracing import Tracing

_WATCH_SECONDS = 2.0
_FAILURES = 20
_CLOSE_SECONDS = 5.0
_LEAVE_SECONDS = 15.0
GRACE_SECONDS: Final = _LEAVE_SECONDS + _CLOSE_SECONDS + 5.0
"""What a stop may take at most beyond ``delivery.drain_timeout_seconds``: to commit and leave the group, for dead
letters that the broker has not acknowledged, and for the rest. Who kills the service has to wait as long: the chart
does."""


class SystemClock:
    """The machine's own clocks."""

    monotonic = staticmethod(time.monotonic)
    unix = staticmethod(time.time)


class Application:
    """The service with all its parts, in one event loop.

    ``async with Application(settings) as application: await application.closed``
    """

    def __init__(self, settings: Settings) -> None:
        """Check what can be checked without connecting.

        Raises:
            ConfigurationError: mappings, certificates or addresses cannot be used.
        """
        self.settings = settings
        self._log = EventLogger("consumer")
        self._heartbeat = Heartbeat()
        self._clock = SystemClock()
        self._warn = RareWarnings(self._log)
        self._tracing = _open_tracing() if settings.tracing.enabled else None
        self._destination = Destination(settings, self._warn, self._tracing)
        self._mappings = MappingsReloader(settings, self._log, self._clock.unix)
        self._decoding = open_decoding(settings.source)
        make_planner = Planner if self._tracing is None else self._tracing.planner
        self._planner = make_planner(self._decoding.decoder, self._mappings.router.route)
        self._decoding.decoder.keep_only(self._mappings.router.reads)
        self._failures: deque[Failure] = deque(maxlen=_FAILURES)
        self.service = Service(
            delivery_settings(settings),
            self._planner,
            SystemRandom(),
            self._clock,
            on_halt=self._on_halt,
            on_dead_letter=self._on_dead_letter,
            on_source=self._on_source,
            on_fault=self._on_fault,
        )
        self._stopping = asyncio.Event()
        self.failed = False
        """Kafka can no longer be read, or there was a fault of ours."""
        self.committed = True
        """Nothing that was done is missing from the last commits; known once it is `closed`."""
        self._tasks: list[asyncio.Task[None]] = []
        self._loop: asyncio.AbstractEventLoop
        self._exchange: SnapshotExchange
        self._ops: OpsServer
        self._watchdog: Watchdog
        self._source: KafkaSource
        self._writer: DeadLetterWriter
        self._letterbox: Letterbox

    async def __aenter__(self) -> Self:
        """Open the endpoints and join the group."""
        loop = self._loop = asyncio.get_running_loop()
        self._exchange = SnapshotExchange(loop.call_soon_threadsafe, self.snapshot)
        librdkafka, _ = confluent_kafka.libversion()
        registry = make_registry(
            self._exchange,
            self._heartbeat.age,
            mode=self.settings.delivery.mode.value,
            librdkafka=librdkafka,
            confluent_kafka=confluent_kafka.__version__,  # type: ignore[arg-type]  # text, though its stub says a pair
        )
        endpoints = Endpoints(registry, self._exchange, self._heartbeat.age, mode=self.settings.delivery.mode.value)
        http = self.settings.http
        self._ops = OpsServer(http.host, http.port, endpoints)
        self._watchdog = Watchdog(self._heartbeat, lambda stacks: self._log.error("loop_hangs", stacks=stacks))
        self._watchdog.__enter__()
        kafka, dead_letter = self.settings.kafka, self.settings.dead_letter
        if self._decoding.schemas is not None:
            self._decoding.schemas.start()
        self._source = KafkaSource(source_config(self.settings), self.service.emit, self._decoding.needs)
        self._writer = DeadLetterWriter(
            bootstrap_servers=kafka.bootstrap_servers,
            properties=kafka.client_properties(),
            topic=dead_letter.topic,
            create=dead_letter.create,
            emit=self._letters_reported,
        )
        self._letterbox = Letterbox(
            self._writer,
            kafka.group_id,
            self._clock,
            lambda letter, ok: self.service.dead_letter_written(letter, ok=ok),
        )
        sender = self._destination.sender(self.service.answered, self._clock)
        self.service.start(self._source, self._letterbox, sender)
        self._tasks = [loop.create_task(self._watch()), loop.create_task(self._letterbox.check())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop if nobody has, and close everything."""
        for task in self._tasks:
            task.cancel()
        if not self.service.closed.done():
            self.stop()
            await self.closed()
        await self._destination.aclose()
        if self._decoding.schemas is not None:
            self._decoding.schemas.close()
        self._writer.close(_CLOSE_SECONDS)
        self._watchdog.__exit__(None, None, None)
        self._ops.close()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)

    async def closed(self) -> None:
        """Wait for the end: `stop`, or Kafka that can no longer be read. A broker that hangs is not waited for."""
        await self._stopping.wait()
        seconds = self.settings.delivery.drain_timeout_seconds + _LEAVE_SECONDS
        try:
            await asyncio.wait_for(asyncio.shield(self.service.closed), seconds)
        except TimeoutError:
            self.committed = False
            self._log.error("kafka_did_not_close", seconds=seconds)

    def stop(self) -> None:
        """Stop intake, drain, commit, leave; `closed` waits for it."""
        self._stopping.set()
        self._log.info("stopping", drain_timeout_seconds=self.settings.delivery.drain_timeout_seconds)
        self.service.stop()

    @property
    def port(self) -> int:
        """Where the endpoints are."""
        return self._ops.port

    def snapshot(self) -> ServiceSnapshot:
        """The service as it stands; call it in the event loop."""
        self._heartbeat.beat()
        delivery, health = self.service.snapshot(), self.service.health
        obstacles = [health.source_error] if health.source_error else []
        if self._letterbox.problem:
            obstacles.append(self._letterbox.problem)
        waiting = self._source.waiting()
        obstacles += self._decoding.obstacles(waiting)
        high = self._source.ends()
        return ServiceSnapshot(
            delivery=delivery,
            joined=health.joined,
            lags=[self._lag(view, high.get(view.partition)) for view in delivery.partitions],
            mappings=self._mappings.info,
            decoding=DecodingInfo(
                fallbacks=dict(self._decoding.fallbacks),
                schema_loads=dict(self._decoding.schemas.loads) if self._decoding.schemas is not None else {},
                waiting=tuple(waiting),
            ),
            out_of_range=tuple(health.out_of_range),
            obstacles=tuple(obstacles),
            failures=tuple(self._failures),
        )

    def _lag(self, view: PartitionView, high_watermark: int | None) -> Lag:
        if view.incomplete:
            known = view.oldest_timestamp_ms > 0
            age = max(0.0, self._clock.unix() - view.oldest_timestamp_ms / 1000.0) if known else None
        else:
            # The last offset may be a transaction's marker, which nobody reads.
            all_read = high_watermark is not None and view.position >= high_watermark - 1
            age = 0.0 if all_read else None
        return Lag(view.partition, high_watermark, age)

    # ---- what the parts say

    def _on_source(self, event: events.SourceEvent) -> None:
        log = self._log
        if isinstance(event, events.Joined):
            log.info("joined", group=self.settings.kafka.group_id)
        elif isinstance(event, events.PartitionsAssigned):
            log.info("assigned", partitions=_names(event.positions), of=sum(event.counts.values()))
        elif isinstance(event, events.PartitionsRevoking):
            log.info("revoking", partitions=_names(event.partitions), deadline_seconds=event.deadline_seconds)
        elif isinstance(event, events.PartitionsReleased):
            log.info("released", partitions=_names(event.partitions), committed=event.committed)
            self.committed &= event.committed or not self._stopping.is_set()
        elif isinstance(event, events.PartitionsLost):
            log.warning("lost", partitions=_names(event.partitions))
        elif isinstance(event, events.CommitDone):
            if event.error is not None:
                self._warn("commit_failed", event.error, error=event.error)
        elif isinstance(event, events.OutOfRange):
            log.error("offset_out_of_range", partitions=_names(event.offsets))
        elif isinstance(event, events.SourceError):
            self._warn("kafka_error", event.code, code=event.code, message=event.message, fatal=event.fatal)
            if event.fatal:
                self.failed = True
                self.stop()
        elif isinstance(event, events.BrokersAnswer):
            log.info("kafka_answers")
        elif isinstance(event, events.Closed):
            self._stopping.set()

    def _on_fault(self, error: Exception) -> None:
        # Whoever restarts the process has another try: nothing that this one lost track of was committed.
        self._log.error("unexpected_fault", exc_info=error)
        self.failed = True
        self.stop()

    def _on_halt(self, change: HaltChanged) -> None:
        if change.reason is None:
            self._log.info("delivery_resumed")
        else:
            self._log.error("delivery_halted", reason=change.reason.value, detail=change.detail)

    def _on_dead_letter(self, letter: DeadLetter) -> None:
        self._failures.append(
            Failure(
                at=time.time(),
                partition=letter.partition,
                offset=letter.offset,
                mapping=letter.mapping,
                reason=letter.reason.value,
                status=letter.status,
                excerpt=redact_excerpt(letter.excerpt, [letter.body]) or letter.detail,
            )
        )
        self._warn(
            "dead_lettered",
            f"{letter.mapping}/{letter.reason.value}",
            topic=letter.partition.topic,
            partition=letter.partition.number,
            offset=letter.offset,
            message_id=lambda: self._planner.message_id(letter.source),
            mapping=letter.mapping,
            stage=letter.stage.value,
            reason=letter.reason.value,
            detail=letter.detail,
            status=letter.status,
        )

    def _letters_reported(self, report: DeadLettersReported) -> None:
        """On the writer's thread."""
        self._loop.call_soon_threadsafe(self._letterbox.reported, report)

    # ---- what may change while it runs

    async def _watch(self) -> None:
        """Beat for the watchdog; look for a new webhook URL, new mappings, and partitions that wait for a schema."""
        while True:
            self._heartbeat.beat()
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                for problem in self._decoding.obstacles(self._source.waiting()):
                    self._warn("schema_unavailable", "", problem=problem)
                if await self._destination.refresh():
                    self.service.destination_changed()
                router = await asyncio.to_thread(self._mappings.poll)
                if router is not None:
                    self._planner.route = router.route
                    self._decoding.decoder.keep_only(router.reads)
                    # Whoever changes the mappings has looked: what the guard holds back is judged anew.
                    self.service.reset()
            except Exception as error:  # noqa: BLE001 - looking for changes must outlive a fault in it
                self._warn("watch_failed", type(error).__name__, error=type(error).__name__)


def _open_tracing() -> Tracing:
    from consumer.tracing import Tracing  # noqa: PLC0415 - OpenTelemetry is an extra, and imported only where it is on

    return Tracing()


def _names(partitions: Iterable[Partition]) -> list[str]:
    return [f"{partition.topic}/{partition.number}" for partition in partitions]
