"""The rows that open at a click: partitions and offsets, dead letters, the process."""
# ruff: noqa: INP001 - read by the scripts beside it; deploy is no package

from __future__ import annotations

from typing import Final

from panels import (
    BY_PARTITION,
    DEAD,
    MAPPING,
    TOPIC,
    YES,
    Kind,
    Panel,
    Query,
    Row,
    by_partition,
    grown,
    lately,
    rate,
    series,
)

from consumer.ops import catalogue as m

TO_DELIVER: Final = 'outcome=~"delivered|dead_lettered"'

PARTITIONS: Final = Row(
    "Partitions and offsets",
    (
        Panel("Records behind", "", Kind.LINES, by_partition(m.LAG)),
        Panel(
            "Committed a second",
            "None, while records wait: docs/runbook/no-progress.md.",
            Kind.LINES,
            (
                Query(
                    f"max by (topic, partition) (rate({series(m.COMMITTED, TOPIC)}[$__rate_interval]))",
                    BY_PARTITION,
                ),
            ),
        ),
        Panel(
            "Paused, because memory or offset map is full",
            "All the time, with a backlog. Paused and nothing committed: docs/runbook/partition-full.md.",
            Kind.STATES,
            by_partition(m.PAUSED),
            words=YES,
        ),
        Panel("Records in memory", "Not done yet.", Kind.LINES, by_partition(m.INCOMPLETE)),
        Panel("Memory that they hold", "", Kind.LINES, by_partition(m.BUFFERED_BYTES), unit="bytes"),
        Panel("The oldest in memory, since it was read", "", Kind.LINES, by_partition(m.OLDEST_SECONDS), unit="s"),
        Panel(
            "Offsets",
            "",
            Kind.TABLE,
            (
                Query(f"max by (topic, partition) ({series(m.COMMITTED, TOPIC)})", "Committed"),
                Query(f"max by (topic, partition) ({series(m.POSITION, TOPIC)})", "Read"),
                Query(f"max by (topic, partition) ({series(m.HIGH_WATERMARK, TOPIC)})", "End"),
                Query(f"max by (topic, partition) ({series(m.MAP_CHARS, TOPIC)})", "Map"),
            ),
            width=12,
        ),
        Panel(
            "Duplicates prevented, and what makes some",
            "Within the time shown. Records that the offset map had as done; maps that had no room or were of no use;"
            " answers that came after their partition had gone; offsets that the topic has no more.",
            Kind.BARS,
            (
                Query(f"sum({grown(m.DUPLICATES_PREVENTED)})", "prevented"),
                Query(f"sum({grown(m.MAPS_LEFT_OUT)})", "maps left out"),
                Query(f"sum by (reason) ({grown(m.MAPS_IGNORED)})", "map ignored: {{reason}}"),
                Query(f"sum({grown(m.STALE)})", "too late"),
                Query(f"sum({grown(m.GAPS)})", "no more there"),
            ),
            width=12,
        ),
    ),
    collapsed=True,
)

DEAD_LETTERS: Final = Row(
    "Dead letters",
    (
        Panel(
            "By mapping and reason",
            "What each reason means: docs/reference/reasons.md.",
            Kind.AREAS,
            (Query(f"sum by (mapping, reason) ({rate(m.ENDED, MAPPING, DEAD)})", "{{mapping}} {{reason}}"),),
            unit="reqps",
            empty="none",
        ),
        Panel(
            "Part of what was to be delivered",
            "An alert above a tenth of an hour's.",
            Kind.LINES,
            (
                Query(
                    f"(sum({rate(m.ENDED, MAPPING, DEAD)}) or vector(0))"
                    f" / (sum({rate(m.ENDED, MAPPING, TO_DELIVER)}) > 0)",
                    "dead-lettered",
                ),
            ),
            unit="percentunit",
            empty="nothing was",
        ),
        Panel(
            "On their way to the topic",
            "Failures are tried again; while they last, delivery halts.",
            Kind.LINES,
            (
                Query(f"sum({series(m.DEAD_LETTERS_PENDING)})", "not acknowledged"),
                Query(f"sum({lately(m.DEAD_LETTER_FAILURES)})", "failed writes"),
            ),
        ),
    ),
    collapsed=True,
)


def _process(name: str) -> str:
    """A metric of the process, of this service's processes only: others have it too, and a job's name is yours."""
    own = f"group by (namespace, job, instance) ({series(m.BUILD)})"
    return f"{name} * on (namespace, job, instance) group_left () {own}"


PROCESS: Final = Row(
    "Process, group and mappings",
    (
        Panel(
            "Ready, joined, partitions",
            "",
            Kind.LINES,
            (
                Query(f"sum({series(m.READY)})", "ready"),
                Query(f"sum({series(m.JOINED)})", "joined"),
                Query(f"sum({series(m.ASSIGNED)})", "partitions assigned"),
            ),
        ),
        Panel(
            "Commits and rebalances",
            "Within the time shown. A commit that fails does not stop delivery: docs/runbook/commits.md.",
            Kind.BARS,
            (
                Query(f"sum by (result) ({grown(m.COMMITS)})", "commits {{result}}"),
                Query(f"sum by (kind) ({grown(m.REBALANCES)})", "{{kind}}"),
            ),
        ),
        Panel(
            "The event loop last turned",
            "Above 60 s it hangs: docs/runbook/hangs.md.",
            Kind.LINES,
            (Query(series(m.LOOP_AGE), "{{instance}}"),),
            unit="s",
        ),
        Panel(
            "CPU",
            "Cores.",
            Kind.LINES,
            (Query(_process("rate(process_cpu_seconds_total[$__rate_interval])"), "{{instance}}"),),
        ),
        Panel(
            "Memory",
            "Resident.",
            Kind.LINES,
            (Query(_process("process_resident_memory_bytes"), "{{instance}}"),),
            unit="bytes",
        ),
        Panel(
            "Running for",
            "",
            Kind.LINES,
            (Query("time() - (" + _process("process_start_time_seconds") + ")", "{{instance}}"),),
            unit="s",
        ),
        Panel(
            "Mappings",
            "Refused: the file as it stands cannot be used, those before it are.",
            Kind.LINES,
            (
                Query(f"max({series(m.MAPPINGS)})", "in use"),
                Query(f"max({series(m.MAPPINGS_REFUSED)})", "refused"),
                Query(f"sum by (result) ({lately(m.MAPPINGS_RELOADS)})", "reloads {{result}}"),
            ),
        ),
        Panel(
            "Mappings loaded",
            "How long ago.",
            Kind.STAT,
            (Query(f"time() - max({series(m.MAPPINGS_LOADED)})"),),
            unit="s",
        ),
        Panel(
            "What runs",
            "",
            Kind.TABLE,
            (Query(f"max by (instance, version, mode, python, librdkafka) ({series(m.BUILD)})"),),
        ),
    ),
    collapsed=True,
)
