"""Makes dashboard.json from `panels`, `panels_detail` and `panels_inside`.

    python deploy/grafana/dashboard.py            write it
    python deploy/grafana/dashboard.py --check    exit 1 where it is not current

Needs the development environment: Grafana's own types (grafana-foundation-sdk) are what it is written with.
"""
# ruff: noqa: INP001 - a script; deploy is no package

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from panels import FILTER, NOW, VARIABLES, Kind, Panel, Query, Row
from panels_detail import FUNNEL, GATE, WEBHOOK
from panels_inside import DEAD_LETTERS, PARTITIONS, PROCESS

from consumer.ops.catalogue import BUILD, ENDED, LAG

if TYPE_CHECKING:
    from collections.abc import Callable

PATH: Final = Path(__file__).with_name("dashboard.json")
ROWS: Final = (NOW, FUNNEL, WEBHOOK, GATE, PARTITIONS, DEAD_LETTERS, PROCESS)
SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

_ALL: Final = model.VariableOption(selected=True, text="All", value="$__all")
_BUILDERS: Final[dict[Kind, Callable[[], Any]]] = {
    Kind.STAT: stat.Panel,
    Kind.LINES: timeseries.Panel,
    Kind.AREAS: timeseries.Panel,
    Kind.BARS: bargauge.Panel,
    Kind.STATES: statetimeline.Panel,
    Kind.TABLE: table.Panel,
}
_COLOURS: Final = {
    "delivered": "green",
    "skipped": "blue",
    "dead_lettered": "red",
    "released": "purple",
    "200": "green",
    "unaccounted for": "red",
}
"""A series of this name is always of this colour."""


def text() -> str:
    """The dashboard, as Grafana imports it."""
    built = (
        dashboard.Dashboard("Segment → ChartMogul consumer")
        .uid("chartmogul-consumer")
        .description("Is it delivering? Is it behind, by how long, and why? The rows below say where.")
        .tags(["chartmogul", "segment", "kafka"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .annotation(_halts())
    )
    for variable in _variables():
        built.with_variable(variable)
    for row in ROWS:
        _add(built, row)
    document = built.build()
    for number, panel in enumerate(_numbered(document), start=1):
        panel.id_val = number
    return json.dumps(json.loads(json.dumps(document, cls=JSONEncoder)), indent=1, ensure_ascii=False) + "\n"


def _numbered(document: model.Dashboard) -> list[Any]:
    """Rows and panels in the order in which they are read."""
    found: list[Any] = []
    for panel in document.panels or []:
        found.append(panel)
        found += getattr(panel, "panels", None) or []
    return found


def _variables() -> list[dashboard.QueryVariable]:
    """Each offers what the ones before it leave."""
    chosen = ""
    found = []
    for name, title, label in VARIABLES:
        found.append(_variable(name, title, f"label_values({BUILD.name}{{{chosen}}}, {label})"))
        chosen = ", ".join(filter(None, (chosen, f'{label}=~"${name}"')))
    found.append(_variable("topic", "Topic", f"label_values({LAG.name}{{{FILTER}}}, topic)"))
    found.append(_variable("mapping", "Mapping", f"label_values({ENDED.name}{{{FILTER}}}, mapping)"))
    return found


def _variable(name: str, title: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(title)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        # A label that your scrape configuration does not set is empty, and that has to match too.
        .all_value(".*")
        .current(_ALL)
    )


def _halts() -> dashboard.AnnotationQuery:
    """A mark wherever an alert began to fire."""
    return (
        dashboard.AnnotationQuery()
        .name("Alerts")
        .datasource(SOURCE)
        .enable(enable=True)
        .icon_color("red")
        .expr('ALERTS{alertname=~"ChartmogulConsumer.+", alertstate="firing", namespace=~"$namespace", job=~"$job"}')
    )


def _add(built: dashboard.Dashboard, row: Row) -> None:
    heading = dashboard.Row(row.title)
    if row.collapsed:
        heading.collapsed(collapsed=True)
        for panel in row.panels:
            heading.with_panel(_panel(panel))
    built.with_row(heading)
    if not row.collapsed:
        for panel in row.panels:
            built.with_panel(_panel(panel))


def _panel(panel: Panel) -> Any:
    built = _BUILDERS[panel.kind]()
    built.title(panel.title).description(panel.about).datasource(SOURCE).unit(panel.unit)
    built.span(panel.width).height(panel.height)
    if panel.empty:
        built.no_value(panel.empty)
    if panel.decimals is not None:
        built.decimals(panel.decimals)
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        built.with_target(_target(panel, letter, query))
    if panel.words:
        words = {value: model.ValueMappingResult(text=word, color=colour) for value, word, colour in panel.words}
        built.mappings([model.ValueMap(words)])
    steps = [model.Threshold(None, "green"), *(model.Threshold(value, colour) for value, colour in panel.limits)]
    built.thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
    _LOOKS[panel.kind](built, panel)
    return built


def _target(panel: Panel, letter: str, query: Query) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(letter).datasource(SOURCE)
    if panel.kind is Kind.TABLE:
        target.format(PromQueryFormat.TABLE)
    elif query.name:
        target.legend_format(query.name)
    whole = panel.kind in {Kind.BARS, Kind.TABLE} or ("$__range]" in query.expr and panel.kind is Kind.STAT)
    return target.instant() if whole or panel.named else target.range()


def _reduced() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)


def _legend() -> common.VizLegendOptions:
    shown = common.VizLegendOptions().show_legend(show_legend=True).display_mode(looks.LegendDisplayMode.LIST)
    return shown.placement(looks.LegendPlacement.BOTTOM)


def _look_stat(built: stat.Panel, panel: Panel) -> None:
    plain = panel.named or panel.words
    built.reduce_options(_reduced()).color_mode(
        looks.BigValueColorMode.BACKGROUND_SOLID if plain else looks.BigValueColorMode.VALUE
    )
    built.graph_mode(looks.BigValueGraphMode.NONE if plain else looks.BigValueGraphMode.AREA)
    built.text_mode(looks.BigValueTextMode.NAME if panel.named else looks.BigValueTextMode.VALUE)


def _look_series(built: timeseries.Panel, panel: Panel) -> None:
    built.legend(_legend())
    built.tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
    built.line_width(1).show_points(looks.VisibilityMode.NEVER).min(0)
    if panel.kind is Kind.AREAS:
        built.fill_opacity(60).stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    names = {query.name for query in panel.queries}
    for name, colour in _COLOURS.items():
        if names.isdisjoint({name, "{{outcome}}", "{{result}}"}):
            continue
        built.override_by_name(name, [model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})])


def _look_bars(built: bargauge.Panel, _: Panel) -> None:
    built.reduce_options(_reduced()).orientation(looks.VizOrientation.HORIZONTAL).min(0).decimals(0)
    built.display_mode(looks.BarGaugeDisplayMode.BASIC).value_mode(looks.BarGaugeValueMode.TEXT)
    built.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))


def _look_states(built: statetimeline.Panel, _: Panel) -> None:
    built.merge_values(merge_values=True).show_value(looks.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    built.legend(_legend())


def _look_table(built: table.Panel, panel: Panel) -> None:
    hidden: dict[str, bool] = {"Time": True} | ({"Value": True} if len(panel.queries) == 1 else {})
    names = {f"Value #{letter}": query.name for letter, query in zip("ABCDEFGH", panel.queries, strict=False)}
    if len(panel.queries) > 1:
        built.with_transformation(model.DataTransformerConfig("merge", options={}))
    options = {"excludeByName": hidden, "renameByName": names if len(panel.queries) > 1 else {}, "indexByName": {}}
    built.with_transformation(model.DataTransformerConfig("organize", options=options))


_LOOKS: Final[dict[Kind, Callable[..., None]]] = {
    Kind.STAT: _look_stat,
    Kind.LINES: _look_series,
    Kind.AREAS: _look_series,
    Kind.BARS: _look_bars,
    Kind.STATES: _look_states,
    Kind.TABLE: _look_table,
}


def main() -> int:
    """Write it, or say whether it is current."""
    made = text()
    current = PATH.is_file() and PATH.read_text(encoding="utf-8") == made
    if "--check" in sys.argv[1:]:
        return 0 if current else 1
    if not current:
        PATH.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
