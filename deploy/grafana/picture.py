"""Draws docs/images/dashboard.svg: the dashboard's first rows, from their own queries.

    python deploy/grafana/picture.py

Takes two minutes and Debian's prometheus. It runs the real service between an embedded broker and the ChartMogul
stand-in, lets ChartMogul be down for a while and a few events be wrong, has a real Prometheus scrape it, and asks that
what the panels ask. Grafana itself is not needed; it looks much the same there.
"""
# ruff: noqa: INP001, T201 - a script; deploy is no package

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from drawing import Drawing
from panels import NOW, Panel, Row
from panels_detail import FUNNEL, GATE

from tests.deploy_metrics.live import Deployment, Prometheus, hastened
from tests.deploy_metrics.shipped import rules, substituted

PATH: Final = Path(__file__).parents[2] / "docs" / "images" / "dashboard.svg"
SECONDS: Final = 120
ROWS: Final = (
    NOW,
    Row(FUNNEL.title, FUNNEL.panels[:3]),
    Row(GATE.title, GATE.panels[:2]),
)


def main() -> int:
    """Run, ask, draw."""
    with tempfile.TemporaryDirectory() as folder:
        listed = [hastened(rule, 60) for rule in rules()]
        with (
            Prometheus(Path(folder), listed) as prometheus,
            Deployment("chartmogul-consumer", prometheus, Path(folder)) as it,
        ):
            _live(it)
            drawing = Drawing(SECONDS)
            for row in ROWS:
                drawing.heading(row.title)
                for panel in row.panels:
                    drawing.panel(panel, _asked(prometheus, panel))
            PATH.parent.mkdir(exist_ok=True)
            PATH.write_text(drawing.text(), encoding="utf-8")
    print(f"{PATH.name}: {PATH.stat().st_size / 1024:.0f} KiB")
    return 0


def _live(it: Deployment) -> None:
    """Two minutes of a service's life."""
    pause = threading.Event().wait
    with it.service(it.settings(delivery={"requests_per_second": 40})), it.traffic(count=4, every_seconds=0.25):
        pause(SECONDS * 0.3)
        it.sandbox.set_faults({"status": 503})
        pause(SECONDS * 0.12)
        it.sandbox.set_faults()
        it.produce(12, email="no address")
        it.produce_others(40)
        pause(SECONDS * 0.6)


def _asked(prometheus: Prometheus, panel: Panel) -> list[tuple[str, list[tuple[float, float]]]]:
    """Each series: what the panel calls it, and its points: seconds since the start of the picture, value."""
    since = time.time() - SECONDS
    found = []
    for query in panel.queries:
        expr = substituted(query.expr, __range=f"{SECONDS}s")
        for labels, points in prometheus.points(expr, since):
            name = query.name or labels.get("alertname", panel.title)
            for label in ("why", *labels):
                name = name.replace(f"{{{{{label}}}}}", labels.get(label, ""))
            found.append((name, [(at - since, value) for at, value in points]))
    return found


if __name__ == "__main__":
    sys.exit(main())
