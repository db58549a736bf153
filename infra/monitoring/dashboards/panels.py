"""The three kinds of panels, as this house draws them: a line for each series, one number, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    Panel,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from infra.monitoring.dashboards.limits import NONE, Limits

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
GRAPH_HEIGHT, NUMBER_HEIGHT = 8, 4
HIDDEN_COLUMNS = ("Time", "__name__", "job", "instance")


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and the legend of its series; in a table, the name of its column with unit and limits of its own."""

    expr: str
    legend: str = ""
    unit: str = "short"
    limits: Limits = NONE
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What every panel has: a title, what to do about what it shows, and the runbook's name where there is one.

    `width` is in columns, of which a row has 24.
    """

    title: str
    text: str
    runbook: str = ""
    width: int = 8


@dataclass(frozen=True, slots=True)
class Graph:
    """Lines over time, with the limits dashed across. `stacked` draws areas on top of each other; `at_most` ends the axis."""

    about: About
    unit: str
    queries: Sequence[Query]
    limits: Limits = NONE
    stacked: bool = False
    at_most: float | None = None

    def panel(self, number: int) -> Panel:
        panel = timeseries.Panel().unit(self.unit).thresholds(_thresholds(self.limits)).min(0)
        panel = panel.legend(_legend()).tooltip(_tooltip()).line_width(1).fill_opacity(30 if self.stacked else 5)
        panel = panel.span_nulls(60_000).color_scheme(_colour(FieldColorModeId.PALETTE_CLASSIC))
        if self.limits.steps:
            mode = common.GraphThresholdsStyleMode.DASHED
            panel = panel.thresholds_style(build.GraphThresholdsStyleConfig().mode(mode))
        if self.stacked:
            panel = panel.stacking(build.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
        if self.at_most is not None:
            panel = panel.max(self.at_most)
        for query, letter in zip(self.queries, "ABCDEFGH", strict=False):
            panel = panel.with_target(_query(query, letter).range())
        return _told(panel.build(), self.about, number, GRAPH_HEIGHT)


@dataclass(frozen=True, slots=True)
class Number:
    """One figure of now, or of the chosen time; its colour says whether it is good."""

    about: About
    unit: str
    query: Query
    limits: Limits = NONE
    decimals: int | None = None

    def panel(self, number: int) -> Panel:
        panel = stat.Panel().unit(self.unit).thresholds(_thresholds(self.limits)).no_value("–")
        panel = panel.reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        panel = panel.color_mode(common.BigValueColorMode.VALUE).graph_mode(common.BigValueGraphMode.NONE)
        panel = panel.color_scheme(_colour(FieldColorModeId.THRESHOLDS))
        if self.decimals is not None:
            panel = panel.decimals(self.decimals)
        panel = panel.with_target(_query(self.query, "A").instant())
        return _told(panel.build(), self.about, number, NUMBER_HEIGHT)


@dataclass(frozen=True, slots=True)
class Table:
    """A line for each set of labels; the first query's column orders it, largest first, unless `smallest_first`.
    The words in `runbook_column` lead to the runbook of that name."""

    about: About
    queries: Sequence[Query]
    labels: Sequence[str]
    smallest_first: bool = False
    runbook_column: str = ""

    def panel(self, number: int) -> Panel:
        panel = table.Panel().unit("short").thresholds(_thresholds(NONE)).filterable(True)
        panel = panel.color_scheme(_colour(FieldColorModeId.THRESHOLDS))
        for query, letter in zip(self.queries, "ABCDEFGH", strict=False):
            panel = panel.with_target(_query(query, letter).instant().format(PromQueryFormat.TABLE))
            panel = panel.override_by_name(query.legend, _column(query))
        if self.runbook_column:
            url = "${runbooks}/${__value.text}.md"
            links = [{"title": "Runbook ${__value.text}", "url": url, "targetBlank": True}]
            panel = panel.override_by_name(self.runbook_column, [DynamicConfigValue("links", links)])
        for transformation in self._transformations():
            panel = panel.with_transformation(transformation)
        sorting = build.TableSortByFieldState().display_name(self.queries[0].legend).desc(not self.smallest_first)
        return _told(panel.sort_by([sorting]).build(), self.about, number, GRAPH_HEIGHT)

    def _transformations(self) -> list[DataTransformerConfig]:
        single = len(self.queries) == 1
        values = {f"Value #{letter}": q.legend for q, letter in zip(self.queries, "ABCDEFGH", strict=False)}
        renamed = {"Value": self.queries[0].legend} if single else values
        order = {name: place for place, name in enumerate([*self.labels, *renamed])}
        hidden = dict.fromkeys(HIDDEN_COLUMNS, True)
        hidden = {name: yes for name, yes in hidden.items() if name not in self.labels}
        organize = {"excludeByName": hidden, "indexByName": order, "renameByName": renamed}
        merge = [] if single else [DataTransformerConfig(id_val="merge", options={})]
        return [*merge, DataTransformerConfig(id_val="organize", options=organize)]


AnyPanel = Graph | Number | Table


def _query(query: Query, letter: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).legend_format(query.legend or "__auto").ref_id(letter)


def _told(panel: Panel, about: About, number: int, height: int) -> Panel:
    panel.id_val, panel.title, panel.description, panel.datasource = number, about.title, about.text, DATASOURCE
    panel.grid_pos = GridPos(h=height, w=about.width)
    if about.runbook:
        panel.description = f"{about.text}\n\nRunbook: infra/runbooks/{about.runbook}.md"
        panel.links = [runbook_link(about.runbook).build()]
    return panel


def runbook_link(name: str) -> dashboards.DashboardLink:
    """To the place that the dashboard's variable names."""
    link = dashboards.DashboardLink(f"Runbook {name}").type(DashboardLinkType.LINK)
    return link.url(f"${{runbooks}}/{name}.md").target_blank(True)


def _thresholds(limits: Limits) -> dashboards.ThresholdsConfig:
    steps = [Threshold(None, limits.first), *(Threshold(value, colour) for value, colour in limits.steps)]
    return dashboards.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _column(query: Query) -> list[DynamicConfigValue]:
    """Unit and colours of a table's column."""
    found = [DynamicConfigValue("unit", query.unit)]
    if query.decimals is not None:
        found.append(DynamicConfigValue("decimals", query.decimals))
    if query.limits.steps:
        found.append(DynamicConfigValue("thresholds", _thresholds(query.limits).build()))
        found.append(DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    return found


def _colour(mode: FieldColorModeId) -> dashboards.FieldColor:
    return dashboards.FieldColor().mode(mode)


def _legend() -> build.VizLegendOptions:
    shown = build.VizLegendOptions().show_legend(True).calcs(["lastNotNull"])
    return shown.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)


def _tooltip() -> build.VizTooltipOptions:
    return build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
