"""Records whose schema a registry holds: partitions wait for it and lose nothing, and others go on; on both brokers."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import fastavro
import pytest

from consumer.sandbox.runner import ThreadedSandbox
from tests.integration.harness import RunningService, identify, records, settings, wait_for
from tests.kafka.client import Record
from tests.kafka.local_registry import LocalRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        *({"name": name, "type": "string"} for name in ("type", "messageId", "userId", "timestamp", "sentAt")),
        {
            "name": "traits",
            "type": {
                "type": "record",
                "name": "Traits",
                "fields": [
                    {"name": "email", "type": "string"},
                    {"name": "first_name", "type": "string"},
                    {"name": "last_name", "type": "string"},
                    {"name": "company", "type": {"type": "map", "values": "string"}},
                ],
            },
        },
    ],
}


def prefixed(schema_id: int, event: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), event)
    return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(rate_per_second=None, max_parallel=None) as running:
        yield running


@pytest.fixture
def registry() -> Iterator[LocalRegistry]:
    with LocalRegistry() as running:
        yield running


@pytest.fixture
def config(broker, sandbox, registry, tmp_path: Path) -> dict[str, Any]:
    topic, dead_letters = broker.unique("events"), broker.unique("dead-letters")
    broker.create_topic(topic, 2)
    broker.create_topic(dead_letters, 1)
    (tmp_path / "url").write_text(sandbox.url)
    source = {"registry": {"urls": [registry.url], "cache_directory": str(tmp_path / "schemas")}}
    return settings(broker, topic, dead_letters, tmp_path / "url", source=source)


def test_a_registry_that_is_away_costs_only_the_partitions_that_need_it(broker, sandbox, registry, config, tmp_path):
    (topic,), group = config["kafka"]["topics"], config["kafka"]["group_id"]
    schema_id = registry.register(SCHEMA)
    registry.status = 503
    plain = [json.dumps(identify(n, f"plain{n}")).encode() for n in range(300)]
    avro = [prefixed(schema_id, identify(1000 + n, f"avro{n}")) for n in range(300)]
    # Partition 0 has JSON first, then Avro; partition 1 JSON alone.
    broker.produce(topic, [Record(value, partition=0) for value in (*plain[:100], *avro, *plain[100:200])])
    broker.produce(topic, [Record(value, partition=1) for value in plain[200:]])
    with RunningService(config, tmp_path) as service:
        wait_for(lambda: sandbox.stats()["delivered"] == 200, "what needs no schema is delivered")
        wait_for(lambda: service.get("/readyz")[0] == 503, "it says that it waits")
        assert f"{topic}/0: waiting for schema {schema_id}; no schema registry answered" in service.get("/readyz")[1]
        assert service.metrics()["chartmogul_consumer_schema_waiting_partitions"] == 1
        wait_for(lambda: broker.committed(group, topic) == {0: 100, 1: 100}, "what was before it is committed")
        broker.produce(topic, [Record(json.dumps(identify(999, "later")).encode(), partition=1)])
        wait_for(lambda: sandbox.stats()["delivered"] == 201, "others go on")
        # A restart in between passes the same place on.
        assert service.stop() == 0
        assert broker.committed(group, topic) == {0: 100, 1: 101}
    with RunningService(config, tmp_path) as service:
        failed = 'chartmogul_consumer_schema_loads_total{result="failed"}'
        wait_for(lambda: service.metrics().get(failed), "it asks and waits again")
        registry.status = 0
        wait_for(lambda: broker.lag(group, topic) == 0, "all is committed")
        assert service.get("/readyz")[0] == 200
        metrics = service.metrics()
    assert metrics["chartmogul_consumer_schema_waiting_partitions"] == 0
    assert metrics['chartmogul_consumer_schema_loads_total{result="loaded"}'] == 1
    stats = sandbox.stats()
    assert (stats["delivered"], stats["duplicates"]) == (601, 0)
    order = [
        delivery["body"]["message_id"] for delivery in sandbox.deliveries() if delivery["body"]["user_id"][0] == "a"
    ]
    assert len(order) == 300
    assert broker.consume_all(config["dead_letter"]["topic"]) == []


def test_an_id_that_does_not_exist_is_a_dead_letter_and_the_next_record_goes_on(
    broker, sandbox, registry, config, tmp_path
):
    (topic,), group = config["kafka"]["topics"], config["kafka"]["group_id"]
    schema_id = registry.register(SCHEMA)
    values = [
        prefixed(schema_id, identify(1, "one")),
        prefixed(99, identify(2, "two")),
        prefixed(schema_id, identify(3, "three")),
    ]
    headers = (("__value_schema_id", b"\0" + schema_id.to_bytes(4, "big")),)
    broker.produce(topic, [Record(value, partition=0) for value in values])
    broker.produce(topic, [Record(prefixed(schema_id, identify(4, "four"))[5:], partition=0, headers=headers)])
    with RunningService(config, tmp_path):
        wait_for(lambda: broker.lag(group, topic) == 0, "all is committed")
    (letter,) = broker.consume_all(config["dead_letter"]["topic"])
    assert (letter.value, dict(letter.headers)["dlq_reason"]) == (values[1], b"unknown_schema")
    assert {each["body"]["user_id"] for each in sandbox.deliveries()} == {"one", "three", "four"}
    registry.status = 503
    with RunningService(config, tmp_path) as service:
        broker.produce(topic, [Record(prefixed(schema_id, identify(5, "five")), partition=0)])
        wait_for(lambda: broker.lag(group, topic) == 0, "the schema on disk does without the registry")
        assert service.metrics()['chartmogul_consumer_schema_loads_total{result="failed"}'] == 0


def test_settings_make_events_of_rows(broker, sandbox, config, tmp_path):
    (topic,), group = config["kafka"]["topics"], config["kafka"]["group_id"]
    config["source"] = {
        "format": "json",
        "envelope": "/payload/row",
        "normalise": {
            "snake_case": True,
            "json_fields": ["traits"],
            "rename": {"uid": "userId"},
            "constants": {"type": "identify"},
        },
        "fallbacks": {"sent_at": ["receivedAt", "record_time"]},
        "limits": {"max_record_bytes": 4096},
    }
    row = {"uid": "u1", "message_id": "m1", "timestamp": "2026-01-01T00:00:00Z"}
    row |= {"traits": json.dumps({"email": "u1@example.com", "company": {"id": "c"}})}
    broker.produce(topic, records([{"payload": {"row": row}}, {"payload": {"row": row | {"pad": "x" * 5000}}}]))
    with RunningService(config, tmp_path) as service:
        wait_for(lambda: broker.lag(group, topic) == 0, "all is committed")
        metrics = service.metrics()
    (delivery,) = sandbox.deliveries()
    assert delivery["body"]["user_id"] == "u1"
    assert delivery["body"]["email"] == "u1@example.com"
    assert metrics['chartmogul_consumer_fallbacks_total{field="sentAt",source="record_time"}'] == 1
    (letter,) = broker.consume_all(config["dead_letter"]["topic"])
    assert dict(letter.headers)["dlq_reason"] == b"too_large"


def test_a_partition_that_waits_can_be_taken_by_another(broker, sandbox, registry, config, tmp_path):
    (topic,), group = config["kafka"]["topics"], config["kafka"]["group_id"]
    schema_id = registry.register(SCHEMA)
    registry.status = 503
    for partition in (0, 1):
        values = [prefixed(schema_id, identify(20 * partition + n, f"u{n}")) for n in range(20)]
        broker.produce(topic, [Record(value, partition=partition) for value in values])
    # Eager, where all partitions start anew with each rebalance.
    config["kafka"]["properties"]["partition.assignment.strategy"] = "range"
    (tmp_path / "second").mkdir()
    waits = "chartmogul_consumer_schema_waiting_partitions"
    with RunningService(config, tmp_path) as first:
        wait_for(lambda: first.metrics().get(waits) == 2, "both wait")
        with RunningService(config, tmp_path / "second") as second:
            wait_for(lambda: (first.metrics()[waits], second.metrics().get(waits)) == (1, 1), "each has one")
            registry.status = 0
            wait_for(lambda: broker.lag(group, topic) == 0, "all is committed")
            assert second.stop() == 0
        assert first.stop() == 0
    stats = sandbox.stats()
    assert (stats["delivered"], stats["duplicates"]) == (40, 0)
