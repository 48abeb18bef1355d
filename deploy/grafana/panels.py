"""What the dashboard shows, as data: rows of panels, each with its queries and what a person reads in it.

`dashboard.py` makes Grafana's JSON of it, `picture.py` the README's picture. Names of metrics come from the catalogue.
"""
# ruff: noqa: INP001 - read by the scripts beside it; deploy is no package

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from consumer.ops import catalogue as m

if TYPE_CHECKING:
    from consumer.ops.catalogue import Metric

VARIABLES: Final = (
    ("namespace", "Namespace", "namespace"),
    ("job", "Job", "job"),
    ("release", "Release", "app_kubernetes_io_instance"),
    ("replica", "Replica", "instance"),
)
"""Variable, what it is called, its label: which deployment, and which replicas of it. Each narrows the next."""

FILTER: Final = ", ".join(f'{label}=~"${name}"' for name, _, label in VARIABLES)
TOPIC: Final = 'topic=~"$topic"'
MAPPING: Final = 'mapping=~"$mapping"'
BY_PARTITION: Final = "{{topic}}/{{partition}}"
DELIVERED: Final = 'outcome="delivered"'
SKIPPED: Final = 'outcome="skipped"'
DEAD: Final = 'outcome="dead_lettered"'
HERE: Final = 'outcome!="released"'
YES: Final = (("0", "no", "blue"), ("1", "yes", "orange"))


class Kind(StrEnum):
    """How a panel shows its numbers."""

    STAT = "stat"
    LINES = "lines"
    AREAS = "areas"
    BARS = "bars"
    STATES = "states"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and what its series are called: words with ``{{label}}``."""

    expr: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        about: what a person reads in it, and what to do about it.
        unit: Grafana's name of it.
        limits: where the colour turns: (value, colour), ascending; green below the first.
        words: number → (text, colour), in place of the number.
        empty: shown where there are no series.
        named: shows its series' name in place of the value.
        width: of 24.
        decimals: shown; None leaves it to Grafana.
    """

    title: str
    about: str
    kind: Kind
    queries: tuple[Query, ...]
    unit: str = "short"
    limits: tuple[tuple[float, str], ...] = ()
    words: tuple[tuple[str, str, str], ...] = ()
    empty: str = ""
    named: bool = False
    width: int = 8
    height: int = 8
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


def series(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """A selector of the chosen deployment and replicas."""
    return f"{metric.name}{suffix}{{{', '.join((FILTER, *matchers))}}}"


def rate(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """Per second."""
    return f"rate({series(metric, *matchers, suffix=suffix)}[$__rate_interval])"


def grown(metric: Metric, *matchers: str) -> str:
    """By how much within the time shown.

    A counter that appears with its first count has no increase: what was not there before counts as it is.
    """
    selector = series(metric, *matchers)
    return f"({selector} unless {selector} offset $__range or increase({selector}[$__range]))"


def lately(metric: Metric) -> str:
    """By how much between two points of a line."""
    return f"increase({series(metric)}[$__rate_interval])"


def quantiles(metric: Metric) -> tuple[Query, ...]:
    """Half, nineteen of twenty, and 99 of a hundred took no longer."""
    return tuple(
        Query(f"histogram_quantile({q}, sum by (le) ({rate(metric, suffix='_bucket')}))", f"p{q * 100:g}")
        for q in (0.5, 0.95, 0.99)
    )


def by_partition(metric: Metric) -> tuple[Query, ...]:
    """The largest over the replicas, for one that has just given a partition up may still be shown."""
    return (Query(f"max by (topic, partition) ({series(metric, TOPIC)})", BY_PARTITION),)


_WAITS: Final = (
    f"(sum({series(m.INCOMPLETE)}) > 0 or sum({series(m.LAG)} > 1) > 0) unless sum({rate(m.ENDED, HERE)}) > 0"
)
STATE: Final = f"""(max({series(m.HALTED)}) == 1) + 3
or (max({series(m.READY)}) == 0) + 3
or ({_WAITS}) * 0 + 2
or (sum({rate(m.ENDED, HERE)}) > 0) * 0 + 1
or max({series(m.READY)}) * 0"""
STATES: Final = (
    ("0", "Idle", "blue"),
    ("1", "Delivering", "green"),
    ("2", "Waiting", "orange"),
    ("3", "Not ready", "red"),
    ("4", "Halted", "red"),
)

WHY: Final = f"""topk(1,
  label_replace(max by (reason) ({series(m.HALTED)} == 1) + 1, "why", "halted: $1", "reason", "(.*)")
  or label_replace(max by (by) ({rate(m.GATE_SECONDS)}) > 0.5, "why", "$1", "by", "(.*)")
  or label_replace((sum({series(m.PARKED)}) > 0) * 0 + 0.1, "why", "retries", "", "")
)"""

_AGE_LIMITS: Final = ((300.0, "yellow"), (1800.0, "red"))

NOW: Final = Row(
    "Is it delivering? Is it behind, by how long, and why?",
    (
        Panel(
            "Delivery",
            "Waiting: there are records, and none ends. Not ready and halted: /readyz says what to put right.",
            Kind.STAT,
            (Query(STATE),),
            words=STATES,
            empty="No replica",
            width=4,
            height=5,
        ),
        Panel(
            "Behind by",
            "The age of the oldest event that has not ended, by its timestamp, over all partitions.",
            Kind.STAT,
            (Query(f"max({series(m.LAG_SECONDS, TOPIC)})"),),
            unit="s",
            limits=_AGE_LIMITS,
            empty="not known",
            width=4,
            height=5,
        ),
        Panel(
            "Records behind",
            "High watermarks less committed offsets.",
            Kind.STAT,
            (Query(f"sum({series(m.LAG, TOPIC)})"),),
            width=4,
            height=5,
        ),
        Panel(
            "Why it waits",
            "What the gate waited for most of the time; a halt comes first. 'rate': it delivers as fast as it may."
            " 'retries': the gate is open, and some contact or customer keeps failing.",
            Kind.STAT,
            (Query(WHY, "{{why}}"),),
            unit="percentunit",
            limits=((0.9, "orange"), (1.5, "red")),
            empty="nothing: open",
            named=True,
            width=4,
            height=5,
        ),
        Panel(
            "Delivered",
            "2xx of ChartMogul, a second.",
            Kind.STAT,
            (Query(f"sum({rate(m.ENDED, DELIVERED)})"),),
            unit="reqps",
            decimals=1,
            width=4,
            height=5,
        ),
        Panel(
            "Dead letters",
            "Within the time shown. They are kept, and can be replayed: docs/runbook/dead-letters.md.",
            Kind.STAT,
            (Query(f"sum({grown(m.ENDED, DEAD)}) or vector(0)"),),
            limits=((1.0, "yellow"), (100.0, "red")),
            decimals=0,
            width=4,
            height=5,
        ),
        Panel(
            "What becomes of the events",
            "Deliveries that ended, a second. Released ones went to the partition's next owner.",
            Kind.AREAS,
            (Query(f"sum by (outcome) ({rate(m.ENDED, MAPPING)})", "{{outcome}}"),),
            unit="reqps",
            width=10,
        ),
        Panel(
            "Behind by, over time",
            "The age of the oldest event of each partition that has not ended.",
            Kind.LINES,
            by_partition(m.LAG_SECONDS),
            unit="s",
            width=8,
        ),
        Panel(
            "Alerts that fire",
            "Each has a page in docs/runbook.",
            Kind.TABLE,
            (
                Query(
                    'max by (alertname, severity, reason, by, instance) (ALERTS{alertname=~"ChartmogulConsumer.+",'
                    ' alertstate="firing", namespace=~"$namespace", job=~"$job"})'
                ),
            ),
            empty="none",
            width=6,
        ),
    ),
)
