"""Every metric by name: the one list from which the exposition and the reference page are made.

Labels are bounded: enums of this package, the mappings' names (50 at most), assigned partitions, HTTP statuses. The
type of an event is a label only where Segment knows it; all others are ``other``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

PREFIX: Final = "chartmogul_consumer_"

EVENT_TYPES: Final = frozenset({"identify", "group", "track", "page", "screen", "alias"})
OTHER: Final = "other"


class Kind(StrEnum):
    """What Prometheus may do with a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


class Metric(Struct, frozen=True):
    """One family.

    Attributes:
        stem: name without prefix, and without the ``_total`` or ``_info`` that its kind adds.
        help: one sentence, for people.
        labels: in the order in which samples give their values.
        unit: of its values; the stem ends with it (before ``_total``).
    """

    stem: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""

    @property
    def family(self) -> str:
        """As prometheus_client names it: no ``_total``."""
        return PREFIX + self.stem

    @property
    def name(self) -> str:
        """As it is queried (a histogram: without ``_bucket``, ``_sum``, ``_count``)."""
        return self.family + {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")


def _counter(stem: str, text: str, *labels: str, unit: str = "") -> Metric:
    return Metric(stem, Kind.COUNTER, text, labels, unit)


def _gauge(stem: str, text: str, *labels: str, unit: str = "") -> Metric:
    return Metric(stem, Kind.GAUGE, text, labels, unit)


def _histogram(stem: str, text: str, unit: str = "") -> Metric:
    return Metric(stem, Kind.HISTOGRAM, text, (), unit)


# ---- the funnel. Per mapping and scrape: planned = ended (all outcomes) + in progress

RECORDS = _counter("records", "Records polled from Kafka.")
PLANNED = _counter(
    "deliveries_planned",
    "Deliveries (one event times one matched mapping; mapping is empty where none matched).",
    "mapping",
    "event_type",
)
ENDED = _counter(
    "deliveries_ended",
    "Deliveries that ended: delivered, skipped, dead_lettered, or released to the partition's next owner.",
    "mapping",
    "event_type",
    "outcome",
    "reason",
)
IN_PROGRESS = _gauge("deliveries_in_progress", "Deliveries planned and not ended.", "mapping")
WAITING = _gauge("deliveries_waiting", "Deliveries that could be sent, were the gate open.")
PARKED = _gauge("deliveries_parked", "Deliveries that wait for the time of their retry.")
DELIVERY_SECONDS = _histogram("delivery_seconds", "From the record's timestamp to ChartMogul's 2xx.", "seconds")

# ---- records become events

FALLBACKS = _counter(
    "fallbacks", "Fields that a fallback filled (source.fallbacks), by field and source.", "field", "source"
)
SCHEMA_LOADS = _counter(
    "schema_loads",
    "Requests to the schema registry: loaded, unknown (it has no such id), failed (asked again).",
    "result",
)
SCHEMA_WAITING = _gauge("schema_waiting_partitions", "Partitions that wait for the schema of their next record.")

# ---- the webhook

ATTEMPTS = _counter("attempts", "POSTs by outcome, and by status or kind of failure.", "outcome", "result")
ATTEMPT_SECONDS = _histogram("attempt_seconds", "How long a POST took.", "seconds")
BATCH_EVENTS = _histogram("batch_events", "Deliveries in a POST.")
RETRIES = _counter("retries", "Deliveries put back for another attempt, by status or kind of failure.", "result")
IN_FLIGHT = _gauge("requests_in_flight", "POSTs under way.")

# ---- the gate

GATE_SECONDS = _counter("gate_held_seconds", "Seconds for which work waited, by what held it.", "by", unit="seconds")
GATE_HOLDING = _gauge("gate_holding", "1 for what the gate waits for just now.", "by")
HALTED = _gauge("halted", "1 while delivery has halted for this reason: a person has to act.", "reason")
STATE = _gauge("state", "1 for the state that delivery is in.", "state")
CONCURRENCY_LIMIT = _gauge("concurrency_limit", "POSTs that may be under way at once, of this process.")
RATE_LIMIT = _gauge("rate_limit_per_second", "POSTs a second that this process may make; +Inf is unlimited.")
SHARE = _gauge("share_ratio", "This process's part of rate and concurrency: assigned by all partitions.", unit="ratio")

# ---- offsets

COMMITS = _counter("commits", "Offset commits by result: ok, failed.", "result")
DUPLICATES_PREVENTED = _counter(
    "duplicates_prevented",
    "Records not sent again after a restart or a rebalance: the offset map had them as done.",
)
MAPS_LEFT_OUT = _counter("offset_maps_left_out", "Commits without their offset map, because it did not fit.")
MAPS_IGNORED = _counter("offset_maps_ignored", "Offset maps that could not be used on assignment.", "reason")
GAPS = _counter(
    "offset_gaps", "Offsets open before a restart that the topic no longer has: compacted, or lost to retention."
)
STALE = _counter("stale_completions", "Attempts that ended after their partition was given up.")
REBALANCES = _counter("rebalances", "Changes of the assignment: assigned, revoked, lost.", "kind")

# ---- dead letters

DEAD_LETTERS_PENDING = _gauge("dead_letters_pending", "Dead letters that the broker has not acknowledged yet.")
DEAD_LETTER_FAILURES = _counter("dead_letter_write_failures", "Dead letters that the broker did not take; tried again.")

# ---- partitions: the series of a partition that is given up are gone with the next scrape

_BY = ("topic", "partition")
COMMITTED = _gauge("partition_committed_offset", "Committed offset: all below it is done.", *_BY)
POSITION = _gauge("partition_position_offset", "The next offset to be polled.", *_BY)
HIGH_WATERMARK = _gauge("partition_high_watermark_offset", "The offset that the next record produced will have.", *_BY)
LAG = _gauge("partition_lag_records", "High watermark less committed offset.", *_BY)
LAG_SECONDS = _gauge(
    "partition_lag_seconds",
    "Age of the oldest record not done, by its timestamp; 0 with none, absent while it has not been read.",
    *_BY,
    unit="seconds",
)
OLDEST_SECONDS = _gauge(
    "partition_oldest_seconds", "How long the oldest record in memory has been there.", *_BY, unit="seconds"
)
INCOMPLETE = _gauge("partition_incomplete_records", "Records in memory that are not done.", *_BY)
BUFFERED_BYTES = _gauge("partition_buffered_bytes", "What they hold.", *_BY, unit="bytes")
PAUSED = _gauge(
    "partition_paused", "1 while nothing more is read of it, because memory is full or delivery halted.", *_BY
)
MAP_CHARS = _gauge("partition_offset_map_chars", "Length of the last commit's metadata; brokers take 4096.", *_BY)

# ---- the process

READY = _gauge("ready", "1 while /readyz says yes.")
JOINED = _gauge("joined", "1 while the process is a member of its consumer group.")
ASSIGNED = _gauge("assigned_partitions", "Partitions assigned.")
LOOP_AGE = _gauge("loop_turn_age_seconds", "Since the event loop last turned.", unit="seconds")
MAPPINGS = _gauge("mappings", "Mappings in use.")
MAPPINGS_LOADED = _gauge("mappings_loaded_timestamp_seconds", "When they were loaded, Unix seconds.", unit="seconds")
MAPPINGS_REFUSED = _gauge("mappings_refused", "1 while the mappings file as it stands is refused; the old stay.")
MAPPINGS_RELOADS = _counter("mappings_reloads", "Reloads of the mappings file: ok, or failed (the old stay).", "result")
BUILD = Metric(
    "build",
    Kind.INFO,
    "Versions, and whether deliveries are sent (live) or only worked out (shadow).",
    ("version", "python", "librdkafka", "confluent_kafka", "mode"),
)

CATALOGUE: Final[tuple[Metric, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them, in the order above."""
