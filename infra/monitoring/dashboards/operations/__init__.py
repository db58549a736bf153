"""operations: is everything well now, and if not, where does it hang? A module a group of rows."""

from infra.monitoring.dashboards.operations.backlog import BACKLOG_ROW
from infra.monitoring.dashboards.operations.edge import EDGE_ROW
from infra.monitoring.dashboards.operations.glance import GLANCE_ROW
from infra.monitoring.dashboards.operations.outside import DATABASE_ROW, DESK_ROW, MODEL_ROW
from infra.monitoring.dashboards.operations.stages import STAGES_ROW
from infra.monitoring.dashboards.operations.watching import WATCHING_ROW
from infra.monitoring.dashboards.operations.workers import WORKERS_ROW
from infra.monitoring.dashboards.page import Page

OPERATIONS = Page(
    title="Operations",
    text="Is everything well now, and if not: where does it hang, for whom, and what is to be done?",
    rows=(
        GLANCE_ROW,
        EDGE_ROW,
        BACKLOG_ROW,
        WORKERS_ROW,
        STAGES_ROW,
        DESK_ROW,
        MODEL_ROW,
        DATABASE_ROW,
        WATCHING_ROW,
    ),
    since="now-1h",
    refresh="30s",
)
