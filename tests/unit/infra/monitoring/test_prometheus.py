"""The configuration for an installation of one's own: valid, and with every process that there is."""

from __future__ import annotations

import re

from infra.ops.local.stack.services import RECONCILE, SEALER
from schemas.topics import Stage
from tests.unit.infra.monitoring.alert_rules import ROOT, promtool

FOLDER = ROOT / "infra/monitoring/prometheus"
PROCESSES = ["ingest", *(stage.value for stage in Stage), RECONCILE, SEALER, "lag", "console"]


def test_prometheus_takes_it_with_the_rules() -> None:
    told = promtool("check", "config", str(FOLDER / "prometheus.yml"))

    assert "SUCCESS" in told
    assert "rules found" in told


def test_its_targets_are_all_processes_by_the_names_that_rules_and_dashboards_use() -> None:
    assert re.findall(r"labels: \{job: (\w+)\}", (FOLDER / "targets/example.yml").read_text("utf-8")) == PROCESSES
