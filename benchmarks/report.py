"""docs/performance.md and its plots, from the results of the other benchmarks.

    python benchmarks/report.py

Each section is made from ``benchmarks/results/<name>.json``; what was not measured is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks import rig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DOCS = rig.ROOT / "docs"
PLOTS = DOCS / "performance"
INTRODUCTION = """\
# Performance

What the service costs and how fast it is, as measured by commands that you can run yourself: `make bench` lists them,
`make bench ARGS="pipeline"` runs one, and `make bench ARGS="report"` writes this page from the results. Nothing here is
typed in by hand.

## How it is measured

- The whole service: Apache Kafka (a topic that was filled before), `chartmogul-consumer run` as a process of its own
  with the default client, nginx on loopback, which answers every POST at once. Kafka, nginx and the service share the
  machine.
- **CPU an event** is the service's process, user and system time of all its threads, Kafka client and TLS included,
  divided by events. It says what a delivery costs; how many are delivered in a second is what the machine had left.
- The steady part of a run: from a tenth of the events to the last sample before the end.
- Events of 1.6 KB, three `identify` to two `group`, over 5,000 users and companies, the two default mappings, bodies of
  about 500 bytes, no rate limit. ChartMogul itself allows 40 requests a second: there the service idles, and everything
  here is head room.
"""
LIMITS = """\
## What these figures are not

- ChartMogul over the internet: round trips there are a thousand times those of loopback, and `delivery.concurrency` and
  the rate decide the throughput, not the CPU.
- A machine of its own: see the load beside each figure. On a shared one CPU time is inflated by neighbours;
  `orjson.loads` of one event, taken at the same time, tells by how much (2 µs on a quiet machine of this kind). Order
  and ratios are steadier than figures.
- A newer Redpanda Connect: the modules of its later versions could not be had, checksums verified, where this was
  measured.
"""

AIMS_US = {"single-64": 45, "single-64-tls": 65, "array-16": 22, "unwanted": 8}

Result = dict[str, Any]


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Markdown; ``columns`` from key to heading."""
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(key)) for key in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value == round(value) or value >= 1000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def measured_on(result: Result) -> str:
    """The machine and its load."""
    machine = result["machine"]
    return (
        f"*{machine['date']}, {machine['commit']}: {machine['cores']} cores, {machine['cpu']}, Python "
        f"{machine['python']}, "
        f"librdkafka {machine['librdkafka']}, load {machine['load_before']}, "
        f"`orjson.loads` {machine['orjson_loads_us']} µs.*\n"
    )


def bars(name: str, title: str, values: Mapping[str, float], unit: str) -> str:
    """A plot of horizontal bars; the Markdown that shows it."""
    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.32 * len(values)))
    shown = axes.barh(list(values)[::-1], list(values.values())[::-1], color="#3b6ea8", height=0.62)
    axes.bar_label(shown, fmt="%.4g", padding=3, fontsize=8)
    return _save(figure, axes, name, title, unit)


def stack(name: str, title: str, rows: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """A plot of bars made up of parts."""
    figure, axes = plt.subplots(figsize=(7, 1.4 + 0.4 * len(rows)))
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    left = dict.fromkeys(rows, 0.0)
    colours = mpl.colormaps["tab20"].colors  # type: ignore[attr-defined] # a ListedColormap has them
    for part, colour in zip(parts, colours, strict=False):
        widths = [row.get(part, 0.0) for row in rows.values()]
        axes.barh(list(rows), widths, left=list(left.values()), label=part, height=0.62, color=colour)
        left = {key: left[key] + width for key, width in zip(rows, widths, strict=True)}
    axes.invert_yaxis()
    axes.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.45, -0.28), frameon=False)
    return _save(figure, axes, name, title, unit)


def _save(figure: Any, axes: Any, name: str, title: str, unit: str) -> str:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(unit, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.margins(x=0.12)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    PLOTS.mkdir(exist_ok=True)
    # Without dates and with fixed ids the same results give the same file.
    figure.savefig(PLOTS / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return f"![{title}](performance/{name}.svg)\n"


def pipeline(result: Result) -> str:
    """The whole service."""
    rows = [{**row, "aim_us": AIMS_US.get(row["case"])} for row in result["rows"]]
    columns = {
        "case": "case",
        "cpu_us_per_event": "CPU µs an event",
        "aim_us": "aim, on a quiet machine",
        "events_per_second": "events a second",
        "cpu_share": "cores used",
        "rss_mb": "peak RSS, MB",
    }
    text = [
        "## The whole service\n",
        (
            '`make bench ARGS="pipeline"`. A case is the batch format and the connections; `unwanted` is an event '
            "that no mapping wants, as most of a topic is.\n"
        ),
        measured_on(result),
        table(rows, columns),
        bars("pipeline", "CPU an event", {row["case"]: row["cpu_us_per_event"] for row in rows}, "µs"),
    ]
    if result["stages"]:
        stages = {each["case"]: each["us_per_event"] for each in result["stages"]}
        text.append("Where it goes, from a sampling profiler in runs of their own:\n")
        text.append(stack("stages", "CPU an event by stage", stages, "µs"))
    if result["latency"]:
        columns = {"case": "case", "per_second": "events a second", "machine_busy": "machine busy"}
        for part in ("p50", "p99", "p99.9"):
            columns[f"{part}_ms"] = f"{part}, ms"
        for part in ("p50", "p99", "p99.9"):
            columns[f"bare_{part}_ms"] = f"bare {part}, ms"
        text.append(
            "Latency, from an event's production to its arrival at the webhook, broker included; *bare* is a Kafka"
        )
        text.append(
            "consumer that does nothing else, at the same rate: half of that throughput, or so much less that broker,"
        )
        text.append("producer, webhook and service leave the machine they share a quarter of its time.\n")
        text.append(table(result["latency"], columns))
    return "\n".join(text)


def clients(result: Result) -> str:
    """HTTP clients."""
    columns = {
        "client": "client",
        "loop": "event loop",
        "transport": "transport",
        "cpu_us": "CPU µs a POST",
        "per_second": "POSTs a second",
    }
    best: dict[str, float] = {}
    for row in result["rows"]:
        if row["client"] != "httpx":
            best[f"{row['client']}, {row['loop']}, {row['transport']}"] = row["cpu_us"]
    return "\n".join(
        [
            "## The HTTP client alone\n",
            (
                '`make bench ARGS="clients"`: 64 connections, 600 bytes. Why ours is the default: '
                "[decision 007](decisions/007-webhook-client.md).\n"
            ),
            measured_on(result),
            table(result["rows"], columns),
            bars("clients", "CPU a POST (httpx is off the scale)", best, "µs"),
        ]
    )


def peers(result: Result) -> str:
    """What people would take instead."""
    columns = {
        "peer": "peer",
        "cpu_us_per_event": "its CPU µs an event",
        "ours_cpu_us_per_event": "ours",
        "cpu_times_ours": "times ours",
        "events_per_second": "its events a second",
        "ours_events_per_second": "ours",
        "rss_mb": "its RSS, MB",
        "ours_rss_mb": "ours",
    }
    return "\n".join(
        [
            "## Beside what people would take instead\n",
            (
                '`make bench ARGS="peers"`: the same topic, sink, 64 connections and mapping; a run of ours before '
                "each of theirs. `plain` is confluent-kafka and httpx as they are usually written; `original` is "
                "kafkajs and the hosted destination's own packages; `connect` is Redpanda Connect's engine with a "
                "Bloblang mapping, of the last version under its former name (Benthos 4.27). None keeps order or "
                "accounts for what failed.\n"
            ),
            measured_on(result),
            table(result["rows"], columns),
        ]
    )


def growth(result: Result) -> str:
    """Against what may grow."""
    text = ["## What grows, and what does not\n", '`make bench ARGS="growth"`.\n', measured_on(result)]
    for series in dict.fromkeys(row["series"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["series"] == series]
        key = "backlog_mb" if series == "backlog" else series
        columns = {key: "backlog, MB, the webhook down" if series == "backlog" else series}
        if series != "backlog":
            columns |= {"cpu_us_per_event": "CPU µs an event", "events_per_second": "events a second"}
        text.append(table(rows, columns | {"rss_mb": "peak RSS, MB"}))
    return "\n".join(text)


def rate(result: Result) -> str:
    """Against the setting."""
    columns = {
        "set_per_second": "set, a second",
        "replicas": "replicas",
        "arrived_per_second": "arrived",
        "percent": "%",
        "most_in_any_second": "most in any second",
        "cpu_percent": "CPU, % of a core",
    }
    return "\n".join(
        [
            "## The rate\n",
            '`make bench ARGS="rate"`: counted where the requests arrive; CPU of all replicas together.\n',
            measured_on(result),
            table(result["rows"], columns),
        ]
    )


def start(result: Result) -> str:
    """Import, start, first delivery."""
    imports = [{"what": what, "ms": value} for what, value in result["import_cpu_ms"].items()]
    columns = {
        "round": "round",
        "started_to_assigned_ms": "joining the group, ms",
        "assigned_to_first_ms": "assignment to first arrival, ms",
        "rss_mb": "RSS, MB",
    }
    return "\n".join(
        [
            "## Start\n",
            '`make bench ARGS="start"`.\n',
            measured_on(result),
            table(imports, {"what": "import", "ms": "CPU ms over a bare interpreter"}),
            table(result["rows"], columns),
        ]
    )


SECTIONS: dict[str, Callable[[Result], str]] = {
    "pipeline": pipeline,
    "peers": peers,
    "clients": clients,
    "growth": growth,
    "rate": rate,
    "start": start,
}


def main() -> None:
    plt.rcParams["svg.hashsalt"] = "performance"
    # Text as text: a tenth of the size of outlines.
    plt.rcParams["svg.fonttype"] = "none"
    text = [INTRODUCTION]
    for name, section in SECTIONS.items():
        path = rig.RESULTS / f"{name}.json"
        if path.exists():
            text.append(section(rig.load_json(path)))
        else:
            print(f"not measured: {name}")
    text.append(LIMITS)
    (DOCS / "performance.md").write_text("\n".join(text), encoding="utf-8")
    print("written: docs/performance.md")


if __name__ == "__main__":
    main()
