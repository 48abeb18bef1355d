"""The status of the service as one document, and as a small page for people: the same data twice.

Holds no event's contents, no URL and no secret: names, numbers, reasons, coordinates, and redacted excerpts of answers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from consumer import __version__
from consumer.ops.readiness import obstacles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumer.ops.snapshot import ServiceSnapshot


def status_document(snapshot: ServiceSnapshot | None, *, loop_age_seconds: float, mode: str = "live") -> dict[str, Any]:
    """The status as JSON data: ``ready``, ``obstacles``, ``state``, totals, gate, partitions, mappings, failures."""
    found = obstacles(snapshot)
    head: dict[str, Any] = {
        "version": __version__,
        "mode": mode,
        "ready": not found,
        "obstacles": list(found),
        "loop_age_seconds": round(loop_age_seconds, 3),
    }
    if snapshot is None:
        return head | {"state": "starting"}
    delivery, stats = snapshot.delivery, snapshot.delivery.stats
    ended: dict[str, int] = dict.fromkeys(("delivered", "skipped", "dead_lettered", "released"), 0)
    for (_, _, outcome, _), count in stats.ended.items():
        ended[outcome] = ended.get(outcome, 0) + count
    lags = {lag.partition: lag for lag in snapshot.lags}
    partitions = []
    for view in delivery.partitions:
        lag = lags.get(view.partition)
        watermark = lag.high_watermark if lag else None
        partitions.append(
            {
                "topic": view.partition.topic,
                "partition": view.partition.number,
                "committed": view.committed,
                "position": view.position,
                "high_watermark": watermark,
                "lag_records": None if watermark is None else max(0, watermark - view.committed),
                "lag_seconds": round(lag.oldest_seconds, 3) if lag and lag.oldest_seconds is not None else None,
                "incomplete": view.incomplete,
                "buffered_bytes": view.buffered_bytes,
                "oldest_seconds": round(view.oldest_age_seconds, 3),
                "paused": view.paused,
            }
        )
    return head | {
        "state": delivery.state,
        "halt_reason": delivery.halt_reason,
        "records": stats.records,
        "deliveries": {
            "planned": sum(stats.planned.values()),
            **ended,
            "in_progress": sum(delivery.in_progress.values()),
        },
        "gate": {
            "held_by": delivery.held_by,
            "waiting": delivery.waiting,
            "parked": delivery.parked,
            "in_flight": delivery.in_flight,
            "concurrency_limit": delivery.concurrency_limit,
            "rate_per_second": delivery.rate_per_second,
            "share": round(snapshot.delivery.share, 4),
        },
        "dead_letters_pending": delivery.dead_letters_pending,
        "partitions": partitions,
        "mappings": {
            "source": snapshot.mappings.source,
            "names": list(snapshot.mappings.names),
            "loaded_at": _time(snapshot.mappings.loaded_at),
            "error": snapshot.mappings.error,
        },
        "failures": [
            {
                "at": _time(failure.at),
                "topic": failure.partition.topic,
                "partition": failure.partition.number,
                "offset": failure.offset,
                "mapping": failure.mapping,
                "reason": failure.reason,
                "status": failure.status or None,
                "excerpt": failure.excerpt,
            }
            for failure in snapshot.failures
        ],
    }


def status_page(document: dict[str, Any]) -> str:
    """The document as HTML that stands by itself: no script, no font, no picture from anywhere."""
    ready = document["ready"]
    state = escape(document["state"])
    parts = [
        f'<p class="{"ok" if ready else "bad"}">{"Ready" if ready else "Not ready"}: {state}</p>',
        "".join(f"<p>{escape(line)}</p>" for line in document["obstacles"]),
    ]
    if "deliveries" in document:
        gate = document["gate"]
        rate = gate["rate_per_second"]
        parts += [
            _facts({"Records": document["records"]} | {_title(k): v for k, v in document["deliveries"].items()}),
            "<h2>Gate</h2>",
            _facts(
                {
                    "Held by": gate["held_by"] or "nothing: open",
                    "Waiting": gate["waiting"],
                    "Waiting for a retry": gate["parked"],
                    "In flight": f"{gate['in_flight']} of {gate['concurrency_limit']}",
                    "Rate": "unlimited" if rate is None else f"{rate:g}/s",
                    "Share": f"{gate['share']:.0%}",
                    "Dead letters pending": document["dead_letters_pending"],
                }
            ),
            "<h2>Partitions</h2>",
            _table(
                ("Topic", "Partition", "Committed", "Lag", "Behind (s)", "In memory", "Oldest (s)", "Paused"),
                [
                    (
                        each["topic"],
                        each["partition"],
                        each["committed"],
                        each["lag_records"],
                        each["lag_seconds"],
                        each["incomplete"],
                        each["oldest_seconds"],
                        "yes" if each["paused"] else "",
                    )
                    for each in document["partitions"]
                ],
                "None assigned: other members of the group have them all.",
            ),
            "<h2>Recent failures</h2>",
            _table(
                ("Time", "Record", "Mapping", "Reason", "Status", "Answer"),
                [
                    (
                        each["at"],
                        f"{each['topic']}/{each['partition']}/{each['offset']}",
                        each["mapping"],
                        each["reason"],
                        each["status"],
                        each["excerpt"],
                    )
                    for each in reversed(document["failures"])
                ],
                "None since the start.",
            ),
            "<h2>Mappings</h2>",
            _mappings(document["mappings"]),
        ]
    footer = f"version {escape(document['version'])}, mode {escape(document['mode'])}"
    return _PAGE.format(state=state, body="\n".join(parts), footer=footer)


def _mappings(mappings: dict[str, Any]) -> str:
    error = f'<p class="bad">Not in use: {escape(mappings["error"])}</p>' if mappings["error"] else ""
    names = ", ".join(map(escape, mappings["names"])) or "none"
    return (
        f"{error}<p>From {escape(mappings['source'])}, loaded {escape(mappings['loaded_at'] or 'never')}: {names}</p>"
    )


def _facts(facts: dict[str, Any]) -> str:
    cells = (f"<div><dt>{escape(name)}</dt><dd>{_cell(value)}</dd></div>" for name, value in facts.items())
    return f"<dl>{''.join(cells)}</dl>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    if not body:
        return f"<p>{escape(empty)}</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, (int, float)) else escape(str(value))


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _time(unix_seconds: float) -> str | None:
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="seconds") if unix_seconds else None


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>{state} - ChartMogul consumer</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --ok: #18794e; --bad: #c62a2f; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ok: #4cc38a; --bad: #ff8589; }} }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1rem; }}
h1 {{ font-size: 1.2rem; }} h2 {{ font-size: 1rem; margin: 1.5rem 0 .5rem; }}
.ok, .bad {{ font-weight: 600; }} .ok {{ color: var(--ok); }} .bad {{ color: var(--bad); }}
dl {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .75rem; margin: 0; }}
dt {{ font-size: .8rem; opacity: .75; }} dd {{ margin: 0; font-variant-numeric: tabular-nums; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }}
td {{ overflow-wrap: anywhere; }} th {{ font-size: .8rem; white-space: nowrap; }}
footer {{ margin-top: 2rem; font-size: .8rem; opacity: .75; }}
</style>
</head>
<body>
<h1>Segment → ChartMogul consumer</h1>
{body}
<footer>{footer} · <a href="/status.json">JSON</a> · <a href="/metrics">metrics</a></footer>
</body>
</html>
"""
