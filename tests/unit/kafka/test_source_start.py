from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.messages import Partition, Position
from consumer.delivery.offset_map import encode, start_metadata
from consumer.errors import KafkaUnavailableError
from consumer.kafka.properties import SourceConfig
from consumer.kafka.start import StartResolver, Starts
from tests.unit.kafka.fake_consumer import FakeConsumer

A0, A1, A2 = (Partition("a", number) for number in range(3))
B0 = Partition("b", 0)
NOW = 5_000


def resolve(consumer: FakeConsumer, *partitions: Partition, start_from: Any, **more: Any) -> Starts:
    config = SourceConfig("broker", "group", ("a",), start_from, **more.pop("config", {}))
    resolver = StartResolver(
        consumer,  # type: ignore[arg-type] # a fake
        config,
        by_pattern=more.pop("by_pattern", lambda _: False),
        unix_ms=lambda: NOW,
    )
    counts: dict[str, int] = {}
    for topic, number in consumer.logs:
        counts[topic] = max(counts.get(topic, 0), number + 1)
    return resolver.resolve(partitions, out_of_range=more.pop("out_of_range", ()), counts=counts)


@pytest.mark.parametrize("start_from", ["earliest", "latest", datetime(2026, 1, 1, tzinfo=UTC)])
def test_what_is_committed_wins(start_from):
    consumer = FakeConsumer({A0: Position(7, "map")}, {A0: [1] * 10})
    assert Starts({A0: Position(7, "map")}, set()) == resolve(consumer, A0, start_from=start_from)


def test_earliest_is_the_first_offset_that_is_still_there():
    consumer = FakeConsumer(logs={A0: [1] * 10, A1: []}, lows={A0: 4})
    found = resolve(consumer, A0, A1, start_from="earliest")
    assert Starts({A0: Position(4), A1: Position(0)}, {A0, A1}) == found


def test_a_time_is_its_first_record_or_the_end():
    consumer = FakeConsumer(logs={A0: [100, 200, 300], A1: [100]})
    found = resolve(consumer, A0, A1, start_from=datetime.fromtimestamp(0.2, UTC))
    assert {A0: Position(1), A1: Position(1)} == found.positions


def test_a_record_that_arrives_between_the_two_questions_is_not_left_out():
    consumer = FakeConsumer(logs={A0: [100]})
    asked = []

    def write_before_the_second() -> None:
        asked.append(1)
        if len(asked) == 2:
            consumer.logs[A0].append(999)

    consumer.before_times = write_before_the_second
    found = resolve(consumer, A0, start_from=datetime.fromtimestamp(0.5, UTC))
    assert Position(1) == found.positions[A0]


def test_latest_is_the_end_and_says_since_when():
    consumer = FakeConsumer(logs={A0: [1] * 10, A1: []})
    found = resolve(consumer, A0, A1, start_from="latest")
    marked = start_metadata(NOW)
    assert Starts({A0: Position(10, marked), A1: Position(0, marked)}, {A0, A1}) == found


def test_latest_takes_the_time_of_the_topics_other_partitions():
    since = encode(50, [(51, 52)], started_at_ms=2_000)
    consumer = FakeConsumer({A0: Position(50, since)}, {A0: [], A1: [1_000, 2_000, 3_000], A2: [1_000]})
    found = resolve(consumer, A1, A2, start_from="latest")
    marked = start_metadata(2_000)
    assert {A1: Position(1, marked), A2: Position(1, marked)} == found.positions


def test_latest_takes_the_earliest_of_several_times():
    commits = {A0: Position(0, start_metadata(3_000)), A1: Position(0, start_metadata(2_000))}
    consumer = FakeConsumer(commits, {A0: [], A1: [], A2: [1_000, 2_000, 3_000]})
    assert {A2: Position(1, start_metadata(2_000))} == resolve(consumer, A2, start_from="latest").positions


def test_latest_reads_a_partition_found_later_from_its_beginning_where_no_time_is_known():
    consumer = FakeConsumer({A0: Position(50, "of another tool")}, {A0: [], A1: [1, 2, 3]})
    assert {A1: Position(0)} == resolve(consumer, A1, start_from="latest").positions


@pytest.mark.parametrize(("by_pattern", "offset"), [(True, 0), (False, 2)])
def test_only_a_topic_that_a_pattern_found_takes_the_time_of_other_topics(by_pattern, offset):
    consumer = FakeConsumer({A0: Position(50, start_metadata(2_000))}, {A0: [], B0: [2_500, 3_000]})
    found = resolve(consumer, B0, start_from="latest", by_pattern=lambda _: by_pattern)
    assert offset == found.positions[B0].offset


@pytest.mark.parametrize(("policy", "offset"), [("earliest", 4), ("latest", 10)])
def test_out_of_range_goes_where_its_policy_says_whatever_is_committed(policy, offset):
    consumer = FakeConsumer({A0: Position(1000)}, {A0: [1] * 10}, {A0: 4})
    config = {"on_out_of_range": policy}
    found = resolve(consumer, A0, start_from="earliest", out_of_range=[A0], config=config)
    assert Starts({A0: Position(offset)}, {A0}) == found


def test_a_broker_that_does_not_answer_is_a_fault_of_its_own():
    with pytest.raises(KafkaUnavailableError, match="starting positions"):
        resolve(FakeConsumer(logs={A0: []}, down=True), A0, start_from="earliest")


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["join", "write"])), max_size=30),
)
def test_latest_loses_nothing_written_after_its_first_resolution(steps):
    """Replicas resolve partitions one at a time while others are written to: what came after the first is read."""
    partitions = [A0, A1, A2]
    consumer = FakeConsumer(logs={p: [1, 2] for p in partitions})
    clock = NOW
    first_at: int | None = None
    starts: dict[Partition, int] = {}
    for number, what in steps:
        clock += 1
        partition = partitions[number]
        if what == "write":
            consumer.logs[partition].append(clock)
        elif partition not in starts:
            config = SourceConfig("broker", "group", ("a",), "latest")
            resolver = StartResolver(
                consumer,  # type: ignore[arg-type] # a fake
                config,
                by_pattern=lambda _: False,
                unix_ms=lambda at=clock: at,  # type: ignore[misc] # a default binds it
            )
            found = resolver.resolve([partition], out_of_range=(), counts={"a": 3})
            consumer.commits |= found.positions
            starts[partition] = found.positions[partition].offset
            first_at = first_at or clock
    for partition, start in starts.items():
        assert start == sum(at < (first_at or 0) for at in consumer.logs[partition])
