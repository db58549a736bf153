"""A dashboard: its rows, its variables, and the ways to the other one and to the runbooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    Panel,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from infra.monitoring.dashboards.panels import DATASOURCE, AnyPanel
from infra.monitoring.dashboards.promql import EVERY_TENANT, FIRING

TAG = "ticketstream"
UIDS = {"Operations": "ticketstream-operations", "Baseline Metrics": "ticketstream-baseline"}
TENANTS = f"label_values({{{EVERY_TENANT}}}, tenant_id)"
NOWHERE = "https://example.com/set-the-runbooks-variable-of-this-dashboard"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading, from left to right as wide as they say. A `closed` one asks for nothing until it is opened."""

    title: str
    panels: Sequence[AnyPanel]
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """`since` is the time shown at first, as Grafana writes it; `refresh` how often it is asked again."""

    title: str
    text: str
    rows: Sequence[Row]
    since: str
    refresh: str

    def json(self) -> str:
        """The file as Grafana imports it."""
        page = dashboards.Dashboard(self.title).uid(UIDS[self.title]).description(self.text).tags([TAG]).editable()
        page = (
            page.tooltip(DashboardCursorSync.CROSSHAIR)
            .time(self.since, "now")
            .refresh(self.refresh)
            .timezone("browser")
        )
        for variable in (_datasource(), _tenant(), _runbooks()):
            page = page.with_variable(variable)
        page = page.link(self._other()).annotation(_alerts())
        numbers = iter(range(1, 1000))
        for row in self.rows:
            heading = dashboards.Row(row.title).id(next(numbers)).collapsed(row.closed)
            panels = [_Made(panel.panel(next(numbers))) for panel in row.panels]
            for panel in panels if row.closed else ():
                heading = heading.with_panel(panel)
            page = page.with_row(heading)
            for panel in () if row.closed else panels:
                page = page.with_panel(panel)
        return JSONEncoder(indent=1, ensure_ascii=False).encode(page.build()) + "\n"

    def _other(self) -> dashboards.DashboardLink:
        (title,) = UIDS.keys() - {self.title}
        link = dashboards.DashboardLink(title).type(DashboardLinkType.LINK).icon("dashboard")
        return link.url(f"/d/{UIDS[title]}").include_vars(True).keep_time(False)


class _Made(Builder[Panel]):
    """A panel that is made already."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    def build(self) -> Panel:
        return self._panel


def _datasource() -> Builder[VariableModel]:
    return dashboards.DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def _tenant() -> Builder[VariableModel]:
    everything = VariableOption(True, ["All"], ["$__all"])
    variable = dashboards.QueryVariable("tenant").label("Tenant").datasource(DATASOURCE)
    variable = variable.query({"query": TENANTS, "refId": "tenants", "qryType": 5}).multi(True).include_all(True)
    variable = variable.all_value(".*").current(everything).sort(VariableSort.ALPHABETICAL_ASC)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)


def _runbooks() -> Builder[VariableModel]:
    variable = dashboards.TextBoxVariable("runbooks").label("Runbooks at").default_value(NOWHERE)
    variable = variable.description(
        "Where people find infra/runbooks: the address of that folder, without a slash at its end."
    )
    return variable.current(VariableOption(True, NOWHERE, NOWHERE))


def _alerts() -> dashboards.AnnotationQuery:
    """When an alert fired stands as a mark on every panel."""
    query = dashboards.AnnotationQuery().name("Alerts").datasource(DATASOURCE).enable(True).icon_color("red")
    return query.expr(FIRING.replace("{", '{severity=~"critical|warning", ', 1))
