"""Draws panels as SVG, in Grafana's dark look: numbers, lines, areas, bars, states. Text and paths, nothing else."""
# ruff: noqa: INP001 - read by the script beside it; deploy is no package

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from panels import Kind

if TYPE_CHECKING:
    from panels import Panel

    Points = list[tuple[float, float]]
    Series = list[tuple[str, Points]]

SLOT: Final = 50
"""Pixels of one of 24 columns."""
_UNIT: Final = 26
_HEAD: Final = 30
_GAP: Final = 8
_PALETTE: Final = ("#73bf69", "#5794f2", "#f2cc0c", "#ff9830", "#b877d9", "#8ab8ff", "#f2495c", "#37872d")
_FIXED: Final = {
    "delivered": "#73bf69",
    "skipped": "#5794f2",
    "dead_lettered": "#f2495c",
    "Delivered": "#73bf69",
    "Skipped": "#5794f2",
    "Dead-lettered": "#f2495c",
}
_NAMED: Final = {"green": "#73bf69", "yellow": "#f2cc0c", "orange": "#ff9830", "red": "#f2495c", "blue": "#3d71d9"}


@dataclass(frozen=True, slots=True)
class Box:
    """Where a panel is, in pixels."""

    left: float
    top: float
    width: float
    height: float


class Drawing:
    """Headings and panels, put beside each other until a line of 24 is full.

    Args:
        seconds: that the time axes are long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._parts: list[str] = []
        self._column = 0
        self._top = 10.0
        self._line = 0.0

    def heading(self, title: str) -> None:
        """A row's title."""
        self._break()
        self._write(12, self._top + 18, title, size=14, weight=600)
        self._top += _HEAD

    def panel(self, panel: Panel, series: Series) -> None:
        """One panel with its series, by name."""
        if self._column + panel.width > 24:
            self._break()
        left, width = self._column * SLOT + _GAP, panel.width * SLOT - _GAP
        height = panel.height * _UNIT - _GAP
        self._parts.append(
            f'<rect x="{left}" y="{self._top:g}" width="{width}" height="{height}" rx="3" fill="#181b1f"'
            ' stroke="#2c2f36"/>'
        )
        self._write(left + 10, self._top + 18, panel.title, size=12, weight=500)
        draw = {Kind.STAT: self._stat, Kind.BARS: self._bars, Kind.STATES: self._states, Kind.TABLE: self._table}
        draw.get(panel.kind, self._graph)(panel, series, Box(left, self._top, width, height))
        self._column += panel.width
        self._line = max(self._line, panel.height * _UNIT)

    def text(self) -> str:
        """The whole picture."""
        self._break()
        width, height = 24 * SLOT + _GAP, math.ceil(self._top + 4)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
            ' aria-label="The dashboard: delivering or not, how far behind and why; the funnel; the gate"'
            ' font-family="Inter,Helvetica,Arial,sans-serif">\n'
            f'<rect width="{width}" height="{height}" fill="#111217"/>\n' + "\n".join(self._parts) + "\n</svg>\n"
        )

    def _break(self) -> None:
        self._top += self._line
        self._line, self._column = 0.0, 0

    def _write(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = 11,
        fill: str = "#ccccdc",
        weight: int = 400,
        anchor: str = "",
    ) -> None:
        placed = f' text-anchor="{anchor}"' if anchor else ""
        bold = f' font-weight="{weight}"' if weight != 400 else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}"{bold}{placed}>{escape(text)}</text>'
        )

    def _stat(self, panel: Panel, series: Series, box: Box) -> None:
        left, top, width, height = box.left, box.top, box.width, box.height
        series = [(name, points) for name, points in series if points and points[-1][0] > self._seconds - 3]
        last = max((points[-1][1] for _, points in series), default=None)
        fill = _colour_of(panel, last)
        word = next((text for value, text, _ in panel.words if last is not None and float(value) == last), None)
        if last is None or panel.named:
            shown = next((name for name, _ in series), panel.empty)
        else:
            shown = word or number(last, panel.unit, panel.decimals)
        if panel.words or panel.named:
            self._parts.append(
                f'<rect x="{left}" y="{top + 26:g}" width="{width}" height="{height - 26}" rx="3" fill="{fill}"/>'
            )
            fill = "#ffffff"
        size = min(38, round(width / max(1, len(shown)) * 1.5))
        self._write(
            left + width / 2,
            top + 26 + (height - 26) / 2 + size / 3,
            shown,
            size=size,
            fill=fill,
            weight=600,
            anchor="middle",
        )

    def _graph(self, panel: Panel, series: Series, box: Box) -> None:
        left, top, width, height = box.left, box.top, box.width, box.height
        stacked = panel.kind is Kind.AREAS
        x0, y0, wide, high = left + 48, top + 30, width - 60, height - 78
        plot = Box(x0, y0, wide, high)
        columns = sorted({at for _, points in series for at, _ in points})
        sums = dict.fromkeys(columns, 0.0)
        for _, points in series:
            for at, value in points:
                sums[at] = sums[at] + value if stacked else max(sums[at], value)
        ceiling = 1.0 if panel.unit == "percentunit" else _nice(max(sums.values(), default=1.0))
        for part in range(3):
            y = y0 + high - high * part / 2
            self._parts.append(f'<path d="M{x0:g} {y:g}h{wide:g}" stroke="#2c2f36"/>')
            self._write(x0 - 6, y + 4, number(ceiling * part / 2, panel.unit), size=10, fill="#9a9ba8", anchor="end")
        for back in (1.0, 0.5, 0.0):
            ago = f"-{self._seconds * back:.0f} s" if back else "now"
            self._write(
                x0 + wide * (1 - back), y0 + high + 14, ago, size=10, fill="#9a9ba8", anchor="middle" if back else "end"
            )
        base = dict.fromkeys(columns, 0.0)
        for index, (name, points) in enumerate(series):
            colour = _FIXED.get(name, _PALETTE[index % len(_PALETTE)])
            upper = [(at, value + base[at] if stacked else value) for at, value in points]
            path = self._path(upper, plot, ceiling)
            if stacked:
                lower = self._path([(at, base[at]) for at, _ in reversed(points)], plot, ceiling)
                self._parts.append(f'<path d="{path}L{lower[1:]}Z" fill="{colour}" fill-opacity=".6"/>')
                base |= dict(upper)
            self._parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        self._legend([name for name, _ in series], left + 12, top + height - 12, width)
        if not series:
            self._write(left + width / 2, top + height / 2, panel.empty, fill="#9a9ba8", anchor="middle")

    def _path(self, points: Points, plot: Box, ceiling: float) -> str:
        placed = (
            f"{plot.left + plot.width * at / self._seconds:.1f}"
            f" {plot.top + plot.height * (1 - min(value, ceiling) / ceiling):.1f}"
            for at, value in points
        )
        return "M" + "L".join(placed)

    def _legend(self, names: list[str], x: float, y: float, width: float) -> None:
        end = x + width - 30
        for index, name in enumerate(names):
            if x + 16 + len(name) * 6 > end:
                break
            colour = _FIXED.get(name, _PALETTE[index % len(_PALETTE)])
            self._parts.append(f'<rect x="{x:g}" y="{y - 5:g}" width="12" height="3" fill="{colour}"/>')
            self._write(x + 16, y, name, size=10)
            x += 28 + len(name) * 6

    def _bars(self, panel: Panel, series: Series, box: Box) -> None:
        left, top, width, height = box.left, box.top, box.width, box.height
        rows = [(name, points[-1][1]) for name, points in series if points]
        most = max((value for _, value in rows), default=1.0) or 1.0
        step = min(34.0, (height - 40) / max(1, len(rows)))
        for index, (name, value) in enumerate(rows):
            y = top + 36 + index * step
            colour = _FIXED.get(name, _PALETTE[index % len(_PALETTE)])
            self._write(left + 140, y + 13, name, anchor="end")
            long = max(1.0, (width - 210) * value / most)
            self._parts.append(
                f'<rect x="{left + 148:g}" y="{y:g}" width="{long:.1f}" height="{step - 10:g}" fill="{colour}" rx="2"/>'
            )
            self._write(left + width - 12, y + 13, number(value, panel.unit, 0), weight=600, anchor="end")

    def _states(self, _: Panel, series: Series, box: Box) -> None:
        left, top, width, height = box.left, box.top, box.width, box.height
        step = min(30.0, (height - 56) / max(1, len(series)))
        x0, wide = left + 100, width - 116
        for index, (name, points) in enumerate(series):
            y = top + 32 + index * step
            self._write(x0 - 8, y + step / 2 + 2, name, anchor="end")
            self._parts.append(
                f'<rect x="{x0:g}" y="{y:g}" width="{wide:g}" height="{step - 6:g}" fill="#3d71d9" opacity=".35"/>'
            )
            one = wide / self._seconds
            on = "".join(
                f"M{x0 + one * at:.1f} {y:g}h{one:.1f}v{step - 6:g}h-{one:.1f}Z" for at, value in points if value
            )
            if on:
                self._parts.append(f'<path d="{on}" fill="#ff9830"/>')
        self._write(left + 12, top + height - 12, "orange: yes, blue: no", size=10, fill="#9a9ba8")

    def _table(self, panel: Panel, series: Series, box: Box) -> None:
        left, top, width, height = box.left, box.top, box.width, box.height
        names = [name for name, points in series if points and points[-1][0] > self._seconds - 3]
        for index, name in enumerate(names):
            self._write(left + 12, top + 44 + 20 * index, name)
        if not names:
            self._write(
                left + width / 2, top + height / 2, panel.empty, size=22, fill="#73bf69", weight=600, anchor="middle"
            )


def _colour_of(panel: Panel, value: float | None) -> str:
    if value is None:
        return _NAMED["green"]
    for of, _, colour in panel.words:
        if float(of) == value:
            return _NAMED[colour]
    passed = [colour for limit, colour in panel.limits if value >= limit]
    return _NAMED[passed[-1] if passed else "green"]


def _nice(value: float) -> float:
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)


def number(value: float, unit: str, decimals: int | None = None) -> str:
    """A value as a person reads it."""
    if unit == "percentunit":
        return f"{value:.0%}"
    if unit == "s" and value and value < 1:
        return f"{value * 1000:.0f} ms"
    places = decimals if decimals is not None else 0 if value >= 10 or value == int(value) else 1
    text = f"{value:,.{places}f}"
    return text + {"s": " s", "reqps": "/s"}.get(unit, "")
