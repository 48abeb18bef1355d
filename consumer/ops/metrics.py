"""Metrics from one snapshot a scrape.

Nothing in the service calls a metric: the machine counts in plain attributes, and `ServiceCollector` turns one
consistent snapshot into families when Prometheus asks. So an event costs nothing here, the numbers of one scrape agree
with each other, and the series of a revoked partition are gone by themselves.
"""

from __future__ import annotations

import math
import platform
from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from consumer import __version__
from consumer.delivery.halt import HaltReason
from consumer.ops import catalogue as m
from consumer.ops.readiness import obstacles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from consumer.delivery.snapshot import Histogram, PartitionView, Snapshot
    from consumer.ops.snapshot import Lag, ServiceSnapshot

    Values = Iterable[tuple[tuple[str, ...], float]]

STATES = ("running", "halted", "stopping")
HOLDERS = ("halt", "breaker", "retry_after", "rate", "concurrency")


class ServiceCollector(Collector):
    """Yields every family of the catalogue but BUILD from what ``snapshot`` returns; none before there is one."""

    def __init__(self, snapshot: Callable[[], ServiceSnapshot | None], loop_age: Callable[[], float]) -> None:
        self._snapshot = snapshot
        self._loop_age = loop_age

    def describe(self) -> Iterator[Family]:
        """Families without samples: registering must not take a snapshot."""
        return (_family(metric) for metric in m.CATALOGUE if metric is not m.BUILD)

    def collect(self) -> Iterator[Family]:
        """The families of one snapshot."""
        snapshot = self._snapshot()
        # Asked for apart: a loop that hangs shows here although the snapshot is from before it hung.
        yield _one(m.LOOP_AGE, self._loop_age())
        if snapshot is None:
            return
        yield from _funnel(snapshot.delivery)
        yield _many(m.FALLBACKS, snapshot.decoding.fallbacks.items())
        yield _many(m.SCHEMA_LOADS, _labelled(snapshot.decoding.schema_loads))
        yield _one(m.SCHEMA_WAITING, len(snapshot.decoding.waiting))
        yield from _gate(snapshot)
        yield from _offsets(snapshot.delivery)
        yield from _partitions(snapshot.delivery.partitions, snapshot.lags)
        yield _one(m.READY, not obstacles(snapshot))
        yield _one(m.JOINED, snapshot.joined)
        yield _one(m.ASSIGNED, len(snapshot.delivery.partitions))
        yield _one(m.MAPPINGS, len(snapshot.mappings.names))
        yield _one(m.MAPPINGS_LOADED, snapshot.mappings.loaded_at)
        yield _one(m.MAPPINGS_REFUSED, bool(snapshot.mappings.error))
        reloads = (("ok", snapshot.mappings.reloads_ok), ("failed", snapshot.mappings.reloads_failed))
        yield _many(m.MAPPINGS_RELOADS, (((result,), count) for result, count in reloads))


class _BuildCollector(Collector):
    """What runs here."""

    def __init__(self, mode: str, librdkafka: str, confluent_kafka: str) -> None:
        self._values = (__version__, platform.python_version(), librdkafka, confluent_kafka, mode)

    def collect(self) -> Iterator[Family]:
        yield _many(m.BUILD, [(self._values, 1)])


def make_registry(
    snapshot: Callable[[], ServiceSnapshot | None],
    loop_age: Callable[[], float],
    *,
    mode: str,
    librdkafka: str,
    confluent_kafka: str,
) -> CollectorRegistry:
    """A registry of its own with the service, its process and its build."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector(snapshot, loop_age))
    registry.register(_BuildCollector(mode, librdkafka, confluent_kafka))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _funnel(delivery: Snapshot) -> Iterator[Family]:
    stats = delivery.stats
    yield _one(m.RECORDS, stats.records)
    planned: dict[tuple[str, ...], int] = defaultdict(int)
    for (mapping, event_type), count in stats.planned.items():
        planned[mapping, _bounded(event_type)] += count
    ended: dict[tuple[str, ...], int] = defaultdict(int)
    for (mapping, event_type, outcome, reason), count in stats.ended.items():
        ended[mapping, _bounded(event_type), outcome, reason] += count
    yield _many(m.PLANNED, planned.items())
    yield _many(m.ENDED, ended.items())
    in_progress = {mapping: 0 for mapping, _ in stats.planned} | dict(delivery.in_progress)
    yield _many(m.IN_PROGRESS, (((mapping,), count) for mapping, count in in_progress.items()))
    yield _one(m.WAITING, delivery.waiting)
    yield _one(m.PARKED, delivery.parked)
    yield _histogram(m.DELIVERY_SECONDS, stats.delivery_seconds)
    yield _many(m.ATTEMPTS, stats.attempts.items())
    yield _histogram(m.ATTEMPT_SECONDS, stats.attempt_seconds)
    yield _histogram(m.BATCH_EVENTS, stats.batch_sizes)
    yield _many(m.RETRIES, _labelled(stats.retries))
    yield _one(m.IN_FLIGHT, delivery.in_flight)


def _gate(snapshot: ServiceSnapshot) -> Iterator[Family]:
    delivery = snapshot.delivery
    yield _many(m.GATE_SECONDS, _labelled(dict.fromkeys(HOLDERS, 0.0) | delivery.stats.gate_seconds))
    yield _many(m.GATE_HOLDING, _which(HOLDERS, delivery.held_by))
    halts = {delivery.halt_reason} | ({HaltReason.OFFSET_OUT_OF_RANGE.value} if snapshot.out_of_range else set())
    yield _many(m.HALTED, (((reason.value,), reason.value in halts) for reason in HaltReason))
    yield _many(m.STATE, _which(STATES, delivery.state))
    yield _one(m.CONCURRENCY_LIMIT, delivery.concurrency_limit)
    yield _one(m.RATE_LIMIT, math.inf if delivery.rate_per_second is None else delivery.rate_per_second)
    yield _one(m.SHARE, snapshot.delivery.share)


def _offsets(delivery: Snapshot) -> Iterator[Family]:
    stats = delivery.stats
    # What alerts ask for is there from the start: a counter that appears with its first 1 has no increase.
    yield _many(m.COMMITS, _labelled({"ok": 0, "failed": 0} | stats.commits))
    yield _one(m.DUPLICATES_PREVENTED, stats.already_done)
    yield _one(m.MAPS_LEFT_OUT, stats.maps_left_out)
    yield _many(m.MAPS_IGNORED, _labelled(stats.maps_ignored))
    yield _one(m.GAPS, stats.gap_offsets)
    yield _one(m.STALE, stats.stale)
    yield _many(m.REBALANCES, _labelled({"assigned": 0, "revoked": 0, "lost": 0} | stats.rebalances))
    yield _one(m.DEAD_LETTERS_PENDING, delivery.dead_letters_pending)
    yield _one(m.DEAD_LETTER_FAILURES, stats.dead_letter_failures)


def _partitions(views: Iterable[PartitionView], lags: Iterable[Lag]) -> Iterator[Family]:
    rows = [((view.partition.topic, str(view.partition.number)), view) for view in views]
    yield _many(m.COMMITTED, ((by, view.committed) for by, view in rows))
    yield _many(m.POSITION, ((by, view.position) for by, view in rows))
    yield _many(m.INCOMPLETE, ((by, view.incomplete) for by, view in rows))
    yield _many(m.BUFFERED_BYTES, ((by, view.buffered_bytes) for by, view in rows))
    yield _many(m.OLDEST_SECONDS, ((by, view.oldest_age_seconds) for by, view in rows))
    yield _many(m.PAUSED, ((by, view.paused) for by, view in rows))
    yield _many(m.MAP_CHARS, ((by, view.map_chars) for by, view in rows))
    known = {lag.partition: lag for lag in lags}
    # Only for what is assigned: a lag that comes late for a revoked partition has no row.
    found = [(by, view, known[view.partition]) for by, view in rows if view.partition in known]
    measured = [(by, view, lag.high_watermark) for by, view, lag in found if lag.high_watermark is not None]
    yield _many(m.HIGH_WATERMARK, ((by, watermark) for by, _, watermark in measured))
    yield _many(m.LAG, ((by, max(0, watermark - view.committed)) for by, view, watermark in measured))
    aged = [(by, lag.oldest_seconds) for by, _, lag in found if lag.oldest_seconds is not None]
    yield _many(m.LAG_SECONDS, aged)


def _bounded(event_type: str) -> str:
    """An event's type as a label: whoever produces events must not be able to make series."""
    return event_type if event_type in m.EVENT_TYPES or not event_type else m.OTHER


def _labelled(counts: Mapping[str, float]) -> Values:
    return (((label,), count) for label, count in counts.items())


def _which(names: Iterable[str], current: str) -> Values:
    return (((name,), name == current) for name in names)


def _family(metric: m.Metric) -> Family:
    return Family(metric.family, metric.help, metric.kind.value)


def _one(metric: m.Metric, value: float) -> Family:
    return _many(metric, [((), value)])


def _many(metric: m.Metric, values: Values) -> Family:
    family = _family(metric)
    for labels, value in values:
        family.add_sample(metric.name, dict(zip(metric.labels, labels, strict=True)), float(value))
    return family


def _bound(bound: float) -> str:
    """A bucket's label as Go writes it, which is what Prometheus 3 makes of it in any case."""
    return "+Inf" if bound == math.inf else str(float(bound))


def _histogram(metric: m.Metric, histogram: Histogram) -> Family:
    family = _family(metric)
    count = 0
    for bound, inside in zip((*histogram.bounds, math.inf), histogram.counts, strict=True):
        count += inside
        family.add_sample(f"{metric.name}_bucket", {"le": _bound(bound)}, count)
    family.add_sample(f"{metric.name}_count", {}, count)
    family.add_sample(f"{metric.name}_sum", {}, histogram.total)
    return family
