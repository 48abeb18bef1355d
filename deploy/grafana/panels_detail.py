"""The rows below the overview that say where it goes and what holds it: funnel, webhook, gate."""
# ruff: noqa: INP001 - read by the scripts beside it; deploy is no package

from __future__ import annotations

from typing import Final

from panels import (
    DEAD,
    DELIVERED,
    MAPPING,
    SKIPPED,
    YES,
    Kind,
    Panel,
    Query,
    Row,
    grown,
    quantiles,
    rate,
    series,
)

from consumer.ops import catalogue as m

NOT_TAKEN: Final = 'outcome!="delivered"'

FUNNEL: Final = Row(
    "Funnel: from received to delivered",
    (
        Panel(
            "Within the time shown",
            "A record holds one event or several, an event is a delivery for each mapping that it matches.",
            Kind.BARS,
            (
                Query(f"sum({grown(m.RECORDS)})", "Records received"),
                Query(f"sum({grown(m.PLANNED, MAPPING)})", "Deliveries planned"),
                Query(f"sum({grown(m.ENDED, MAPPING, SKIPPED)}) or vector(0)", "Skipped"),
                Query(f"sum({grown(m.ENDED, MAPPING, DEAD)}) or vector(0)", "Dead-lettered"),
                Query(f"sum({grown(m.ENDED, MAPPING, DELIVERED)}) or vector(0)", "Delivered"),
            ),
        ),
        Panel(
            "Why skipped",
            "Nothing had to be sent. What each reason means: docs/reference/reasons.md.",
            Kind.BARS,
            (Query(f"sum by (reason) ({grown(m.ENDED, MAPPING, SKIPPED)}) > 0", "{{reason}}"),),
            empty="nothing was",
        ),
        Panel(
            "Delivered by mapping",
            "",
            Kind.AREAS,
            (Query(f"sum by (mapping) ({rate(m.ENDED, MAPPING, DELIVERED)})", "{{mapping}}"),),
            unit="reqps",
        ),
        Panel(
            "Received, and planned by type of event",
            "Types that Segment does not know are 'other'.",
            Kind.LINES,
            (
                Query(f"sum({rate(m.RECORDS)})", "records"),
                Query(f"sum by (event_type) ({rate(m.PLANNED, MAPPING)})", "{{event_type}}"),
            ),
            unit="reqps",
        ),
        Panel(
            "Records into events",
            "Partitions that wait for their next record's schema; what the registry answered, and fallbacks used,"
            " within the time shown.",
            Kind.BARS,
            (
                Query(f"sum({series(m.SCHEMA_WAITING)})", "wait for a schema"),
                Query(f"sum by (result) ({grown(m.SCHEMA_LOADS)})", "schemas {{result}}"),
                Query(f"sum by (field, source) ({grown(m.FALLBACKS)})", "{{field}} from {{source}}"),
            ),
        ),
        Panel(
            "From the event's timestamp to ChartMogul's 2xx",
            "Time in Kafka before it was read is part of it.",
            Kind.LINES,
            quantiles(m.DELIVERY_SECONDS),
            unit="s",
        ),
        Panel(
            "Under way",
            "Parked ones wait for the time of their retry. Unaccounted for (planned, less ended, less in progress) is"
            " 0 at every scrape.",
            Kind.LINES,
            (
                Query(f"sum by (mapping) ({series(m.IN_PROGRESS, MAPPING)})", "in progress: {{mapping}}"),
                Query(f"sum({series(m.WAITING)})", "waiting for the gate"),
                Query(f"sum({series(m.PARKED)})", "parked"),
                Query(
                    f"sum({series(m.PLANNED)}) - sum({series(m.ENDED)}) - sum({series(m.IN_PROGRESS)})",
                    "unaccounted for",
                ),
            ),
        ),
    ),
)

WEBHOOK: Final = Row(
    "Webhook: does ChartMogul take it?",
    (
        Panel(
            "Attempts by answer",
            "By status, or by kind of failure where there was no answer.",
            Kind.AREAS,
            (Query(f"sum by (result) ({rate(m.ATTEMPTS)})", "{{result}}"),),
            unit="reqps",
        ),
        Panel(
            "Attempts that were not taken",
            "By what is made of them: retry, reject, halt. A tenth is much.",
            Kind.LINES,
            (
                Query(
                    f"sum by (outcome) ({rate(m.ATTEMPTS, NOT_TAKEN)}) / on () group_left () sum({rate(m.ATTEMPTS)})",
                    "{{outcome}}",
                ),
            ),
            unit="percentunit",
            empty="all were",
        ),
        Panel("How long a POST takes", "", Kind.LINES, quantiles(m.ATTEMPT_SECONDS), unit="s"),
        Panel(
            "Put back for another attempt",
            "By status or kind of failure.",
            Kind.AREAS,
            (Query(f"sum by (result) ({rate(m.RETRIES)})", "{{result}}"),),
            unit="reqps",
            empty="none",
        ),
        Panel(
            "Under way, and how many may be",
            "The limit is lowered while ChartMogul answers 429, 503 or not in time, and rises again by itself.",
            Kind.LINES,
            (
                Query(f"sum({series(m.IN_FLIGHT)})", "under way"),
                Query(f"sum({series(m.CONCURRENCY_LIMIT)})", "limit"),
            ),
        ),
        Panel(
            "Deliveries in a POST",
            "1 for ChartMogul itself, which takes one object a POST.",
            Kind.LINES,
            (
                Query(
                    f"sum({rate(m.BATCH_EVENTS, suffix='_sum')}) / (sum({rate(m.BATCH_EVENTS, suffix='_count')}) > 0)",
                    "on average",
                ),
            ),
            empty="no POST",
        ),
    ),
)

GATE: Final = Row(
    "Gate: what holds it back?",
    (
        Panel(
            "Part of the time that work waited, by what for",
            "The busiest replica. Above 90 % for an hour: docs/runbook/throttled.md.",
            Kind.AREAS,
            (Query(f"max by (by) ({rate(m.GATE_SECONDS)})", "{{by}}"),),
            unit="percentunit",
            width=12,
        ),
        Panel(
            "Waits just now",
            "",
            Kind.STATES,
            (Query(f"max by (by) ({series(m.GATE_HOLDING)})", "{{by}}"),),
            words=YES,
            width=12,
        ),
        Panel(
            "POSTs, and how many are allowed",
            "The sum over the replicas. There is no line where the rate is unlimited.",
            Kind.LINES,
            (
                Query(f"sum({rate(m.ATTEMPTS)})", "POSTs"),
                Query(f"sum({series(m.RATE_LIMIT)} < Inf)", "allowed"),
            ),
            unit="reqps",
        ),
        Panel(
            "Share of rate and concurrency",
            "A replica's partitions by all: more replicas than partitions, or than the rate needs, add nothing.",
            Kind.AREAS,
            (Query(series(m.SHARE), "{{instance}}"),),
            unit="percentunit",
        ),
        Panel(
            "State",
            "How many replicas are in it.",
            Kind.LINES,
            (
                Query(f"sum by (state) ({series(m.STATE)})", "{{state}}"),
                Query(f"sum by (reason) ({series(m.HALTED)}) > 0", "halted: {{reason}}"),
            ),
        ),
    ),
)
