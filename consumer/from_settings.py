"""What the settings say, in the words of the parts that have settings of their own: delivery, and the Kafka source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.config.model import BatchFormat, StartPoint
from consumer.delivery.dispatch import BatchSettings
from consumer.delivery.gate import GateSettings
from consumer.delivery.retry import RetryPolicy
from consumer.delivery.settings import DeliverySettings, LanePolicy
from consumer.kafka.properties import SourceConfig

if TYPE_CHECKING:
    from consumer.config.model import Settings


def delivery_settings(settings: Settings) -> DeliverySettings:
    """What the machine is told of the settings."""
    delivery, kafka = settings.delivery, settings.kafka
    single = delivery.batch.format is BatchFormat.SINGLE
    return DeliverySettings(
        gate=GateSettings(
            requests_per_second=delivery.requests_per_second,
            burst_requests=delivery.burst_requests,
            concurrency=delivery.concurrency,
            retry_after_cap_seconds=delivery.retry.cap_seconds,
        ),
        retry=RetryPolicy(
            budget_seconds=delivery.retry.budget_seconds,
            base_seconds=delivery.retry.base_seconds,
            cap_seconds=delivery.retry.cap_seconds,
        ),
        batch=BatchSettings(
            max_events=1 if single else delivery.batch.max_events,
            max_bytes=delivery.batch.max_bytes,
            linger_seconds=0.0 if single else delivery.batch.linger_seconds,
            idempotency_group=kafka.group_id if settings.destination.idempotency_key else "",
        ),
        # A quarter is the client's own queue, a sixteenth the fetch on top; an eighth may be between the threads.
        buffer_bytes=kafka.buffer_bytes * 9 // 16,
        commit_interval_seconds=kafka.commit_interval_seconds,
        halt_ratio=settings.dead_letter.halt_ratio,
        offset_map=kafka.offset_map,
        lane_policy=LanePolicy(delivery.lane.policy.value),
        lane_patience_seconds=delivery.lane.patience_seconds,
        dedupe_entries=delivery.dedupe.max_entries,
    )


def source_config(settings: Settings) -> SourceConfig:
    """Which records the service reads; who reads others replaces ``topics`` and ``start_from``."""
    kafka = settings.kafka
    return SourceConfig(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=kafka.group_id,
        topics=kafka.topics,
        start_from=kafka.start_from.value if isinstance(kafka.start_from, StartPoint) else kafka.start_from,
        on_out_of_range=kafka.on_out_of_range.value,
        buffer_bytes=kafka.buffer_bytes,
        properties=kafka.client_properties(),
        drain_timeout_seconds=settings.delivery.drain_timeout_seconds,
    )
