"""Metrics: every name of the catalogue, and numbers that agree with each other within a scrape."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from consumer.delivery.halt import HaltReason
from consumer.delivery.messages import Partition
from consumer.delivery.snapshot import Snapshot, Stats
from consumer.ops.catalogue import CATALOGUE, EVENT_TYPES, PREFIX, Kind
from consumer.ops.metrics import ServiceCollector, make_registry
from consumer.ops.snapshot import DecodingInfo, Lag, MappingsInfo, ServiceSnapshot, SnapshotExchange
from tests.unit.ops.factory import delivery, service, view

EVENTS = Partition("events", 0)


def scrape(snapshot: ServiceSnapshot | None, loop_age: float = 0.0) -> dict[tuple[str, frozenset], float]:
    """Samples by name (without prefix) and labels."""
    return by_name(ServiceCollector(lambda: snapshot, lambda: loop_age).collect())


def parsed(text: str) -> dict[tuple[str, frozenset], float]:
    """The same of an exposition, as Prometheus would read it."""
    return by_name(text_string_to_metric_families(text))


def by_name(families) -> dict[tuple[str, frozenset], float]:
    return {
        (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: dict, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_every_metric_of_the_catalogue_has_samples_with_its_labels():
    stats = Stats(planned={("m", "identify"): 1})
    stats.ended = {("m", "identify", "delivered", ""): 1}
    stats.attempts = {("delivered", "200"): 1}
    stats.retries = {"503": 1}
    stats.maps_ignored = {"foreign": 1}
    snapshot = service(
        stats=stats,
        partitions=[view()],
        lags=[Lag(EVENTS, 120, 1.0)],
        mappings=MappingsInfo(names=("m",), reloads_ok=1),
        decoding=DecodingInfo(fallbacks={("sentAt", "receivedAt"): 1}, schema_loads={"loaded": 1}),
    )
    registry = make_registry(lambda: snapshot, lambda: 0.0, mode="live", librdkafka="2.16.1", confluent_kafka="2.16.1")
    samples = parsed(generate_latest(registry).decode())
    found = defaultdict(set)
    for name, labels in samples:
        found[name].add(frozenset(key for key, _ in labels))
    for metric in CATALOGUE:
        name = metric.name.removeprefix(PREFIX)
        names = [f"{name}_sum", f"{name}_count"] if metric.kind is Kind.HISTOGRAM else [name]
        for each in names:
            assert {frozenset(metric.labels)} == found.pop(each), each
        found.pop(f"{name}_bucket", None)
    ours = [name for name in found if not name.startswith(("process_", "python_"))]
    assert ours == []
    assert "process_resident_memory_bytes" in found
    assert "python_gc_collections_total" in found


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.stem)
def test_a_name_says_its_unit_and_the_help_is_a_sentence(metric):
    assert metric.stem.endswith(metric.unit)
    assert not metric.stem.endswith(("_total", "_info"))
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert metric.help.endswith(".")
    for unit in ("seconds", "bytes", "ratio"):
        assert metric.stem.endswith(f"_{unit}") == (metric.unit == unit)


def test_names_are_unique():
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


def test_before_the_service_has_started_only_the_process_shows():
    samples = scrape(None, loop_age=3.0)
    assert value(samples, "loop_turn_age_seconds") == 3.0
    assert not any(name.startswith(("records", "ready", "partition")) for name, _ in samples)


def test_histograms_are_cumulative():
    stats = Stats()
    for seconds in (0.001, 0.005, 0.2, 99.0):
        stats.attempt_seconds.observe(seconds)
    samples = scrape(service(stats=stats))
    assert value(samples, "attempt_seconds_bucket", le="0.005") == 2
    assert value(samples, "attempt_seconds_bucket", le="0.25") == 3
    assert value(samples, "attempt_seconds_bucket", le="10.0") == 3
    assert value(samples, "attempt_seconds_bucket", le="+Inf") == 4
    assert value(samples, "attempt_seconds_count") == 4
    assert value(samples, "attempt_seconds_sum") == pytest.approx(99.206)


def test_lag_is_watermark_less_committed_and_only_of_what_is_assigned():
    lags = [Lag(EVENTS, 120, 7.5), Lag(Partition("events", 1), 500), Lag(Partition("events", 2), None)]
    samples = scrape(service(partitions=[view(0), view(2)], lags=lags))
    assert value(samples, "partition_lag_records", topic="events", partition="0") == 30
    assert value(samples, "partition_lag_seconds", topic="events", partition="0") == 7.5
    partitions = {dict(labels).get("partition") for name, labels in samples if name == "partition_lag_records"}
    assert partitions == {"0"}


def test_the_series_of_a_revoked_partition_are_gone():
    current = [service(partitions=[view(0), view(1)])]
    collector = ServiceCollector(lambda: current[0], lambda: 0.0)

    def partitions() -> set[str]:
        return {
            sample.labels["partition"]
            for family in collector.collect()
            for sample in family.samples
            if "partition" in sample.labels
        }

    assert partitions() == {"0", "1"}
    current[0] = service(partitions=[view(1)])
    assert partitions() == {"1"}


@pytest.mark.parametrize("reason", HaltReason)
def test_a_halt_shows_by_its_reason_alone(reason):
    samples = scrape(service(state="halted", halt_reason=reason.value, held_by="halt"))
    halted = {dict(labels)["reason"] for name, labels in samples if name == "halted" and samples[name, labels] == 1}
    assert halted == {reason.value}
    assert value(samples, "ready") == 0
    assert value(samples, "state", state="halted") == 1
    assert value(samples, "gate_holding", by="halt") == 1
    assert value(samples, "gate_holding", by="rate") == 0


def test_a_partition_out_of_range_is_a_halt_whatever_the_others_do():
    samples = scrape(service(state="running", out_of_range=[EVENTS]))
    halted = {dict(labels)["reason"] for name, labels in samples if name == "halted" and samples[name, labels] == 1}
    assert halted == {"offset_out_of_range"}
    assert value(samples, "ready") == 0


def test_a_refused_mappings_file_shows_until_a_good_one_stands_there():
    info = MappingsInfo(names=("m",), reloads_failed=1, error="mappings[0]: no")
    assert value(scrape(service(mappings=info)), "mappings_refused") == 1
    assert value(scrape(service(mappings=replace(info, error=""))), "mappings_refused") == 0


def test_an_unlimited_rate_is_infinite():
    assert value(scrape(service(rate_per_second=None)), "rate_limit_per_second") == float("inf")


def test_counters_that_alerts_look_at_are_there_from_the_start():
    samples = scrape(service())
    assert value(samples, "commits_total", result="failed") == 0
    assert value(samples, "rebalances_total", kind="lost") == 0
    assert value(samples, "dead_letter_write_failures_total") == 0


@given(st.lists(st.text(max_size=12), max_size=40))
def test_whoever_produces_events_cannot_make_series(types):
    stats = Stats()
    for event_type in types:
        stats.planned["", event_type] += 1
        stats.ended["", event_type, "skipped", "no_matching_mapping"] += 1
    samples = scrape(service(stats=stats))
    shown = {dict(labels).get("event_type") for _, labels in samples} - {None}
    assert shown <= EVENT_TYPES | {"", "other"}
    assert len(types) == sum(count for (name, _), count in samples.items() if name == "deliveries_planned_total")


class Deliveries:
    """As the machine counts: a delivery is planned, is in progress, ends."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.open: list[tuple[str, str]] = []

    def plan(self, mapping: str, event_type: str) -> None:
        self.stats.planned[mapping, event_type] += 1
        self.open.append((mapping, event_type))

    def end(self, index: int, outcome: str) -> None:
        if self.open:
            self.stats.ended[(*self.open.pop(index % len(self.open)), outcome, "")] += 1

    def snapshot(self) -> Snapshot:
        in_progress: dict[str, int] = defaultdict(int)
        for mapping, _ in self.open:
            in_progress[mapping] += 1
        return delivery(stats=self.stats, in_progress=dict(in_progress))


def imbalance(samples: dict) -> dict[str, float]:
    """Per mapping: planned - ended - in progress."""
    balance: dict[str, float] = defaultdict(float)
    for (name, labels), count in samples.items():
        sign = {"deliveries_planned_total": 1, "deliveries_ended_total": -1, "deliveries_in_progress": -1}.get(name)
        if sign:
            balance[dict(labels)["mapping"]] += sign * count
    return {mapping: amount for mapping, amount in balance.items() if amount}


OUTCOMES = st.sampled_from(["delivered", "skipped", "dead_lettered", "released"])
STEPS = st.lists(
    st.tuples(st.just("plan"), st.sampled_from(["a", "b", ""]), st.sampled_from(["identify", "group", "odd", ""]))
    | st.tuples(st.just("end"), st.integers(0, 1_000), OUTCOMES),
    max_size=80,
)


@given(STEPS)
def test_per_mapping_planned_is_ended_and_in_progress(steps):
    deliveries = Deliveries()
    for step, *arguments in steps:
        getattr(deliveries, step)(*arguments)
    samples = scrape(ServiceSnapshot(delivery=deliveries.snapshot(), joined=True))
    assert imbalance(samples) == {}
    planned = {dict(labels)["mapping"] for name, labels in samples if name == "deliveries_planned_total"}
    shown = {dict(labels)["mapping"] for name, labels in samples if name == "deliveries_in_progress"}
    assert planned == shown


def test_the_identity_holds_in_scrapes_under_load():
    """The loop goes on counting while another thread renders: a scrape must be of one moment all the same."""
    deliveries = Deliveries()
    loop = asyncio.new_event_loop()

    def turn(number: int = 0) -> None:
        for index in range(20):
            deliveries.plan(f"m{number % 7}", "identify")
            deliveries.end(index * 31, "delivered" if index % 3 else "skipped")
        loop.call_soon(turn, number + 1)

    thread = threading.Thread(target=loop.run_forever)
    loop.call_soon(turn)
    thread.start()
    exchange = SnapshotExchange(
        loop.call_soon_threadsafe, lambda: ServiceSnapshot(delivery=deliveries.snapshot(), joined=True)
    )
    registry = make_registry(exchange, lambda: 0.0, mode="live", librdkafka="", confluent_kafka="")
    try:
        found = [parsed(generate_latest(registry).decode()) for _ in range(20)]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert [imbalance(samples) for samples in found] == [{}] * 20
    totals = [sum(v for (name, _), v in samples.items() if name == "deliveries_planned_total") for samples in found]
    assert totals == sorted(totals)
    assert totals[0] < totals[-1]


def test_the_exchange_shows_the_last_snapshot_when_the_loop_hangs():
    posted = []
    exchange = SnapshotExchange(posted.append, lambda: service(joined=False), patience_seconds=0.01)
    assert exchange() is None
    assert exchange() is None
    assert len(posted) == 1, "a loop that hangs is asked once"
    posted[0]()
    shown = exchange()
    assert shown is not None
    assert shown.joined is False
    assert len(posted) == 2


def test_the_exchange_survives_a_loop_that_is_closed_and_a_snapshot_that_fails():
    def closed(_: object) -> None:
        raise RuntimeError("Event loop is closed")

    assert SnapshotExchange(closed, service, patience_seconds=0.01)() is None

    def fails() -> ServiceSnapshot:
        raise ZeroDivisionError

    posted = []
    exchange = SnapshotExchange(posted.append, fails, patience_seconds=0.01)
    assert exchange() is None
    with pytest.raises(ZeroDivisionError):
        posted[0]()
    assert exchange() is None
    assert len(posted) == 2, "one failure does not keep the next from being tried"


def test_what_is_counted_later_is_not_in_a_snapshot():
    stats = Stats()
    exchange = SnapshotExchange(lambda call: call(), lambda: service(stats=stats))
    before = exchange()
    stats.records += 1
    stats.planned["m", "identify"] += 1
    stats.attempt_seconds.observe(1.0)
    assert before is not None
    assert before.delivery.stats.records == 0
    assert before.delivery.stats.planned == {}
    assert sum(before.delivery.stats.attempt_seconds.counts) == 0
