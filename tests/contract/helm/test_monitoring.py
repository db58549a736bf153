"""Prometheus scrapes every process, and gets the rules and dashboards of the tree as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.contract.helm.chart import CHART, ROOT, Rendered, facts
from tests.contract.helm.conftest import Render

MONITORING = ROOT / "infra" / "monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yml"))
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))


def test_every_process_is_scraped_once_under_its_own_name(defaults: Rendered) -> None:
    spec = defaults.of("ServiceMonitor")["ticketstream"]["spec"]
    wanted = spec["selector"]["matchLabels"]
    services = [one for one in defaults.of("Service").values() if wanted.items() <= one["metadata"]["labels"].items()]

    assert sorted(one["metadata"]["labels"][spec["jobLabel"]] for one in services) == sorted(facts())
    assert {
        port["port"]
        for one in services
        for port in one["spec"]["ports"]
        if port["name"] == spec["endpoints"][0]["port"]
    } == {9090}


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_rules_are_those_of_the_tree(defaults: Rendered, file: Path) -> None:
    rendered = defaults.of("PrometheusRule")[f"ticketstream-{file.stem.replace('_', '-')}"]

    assert rendered["spec"] == yaml.safe_load(file.read_text(encoding="utf-8"))


def test_all_rules_are_there_and_no_others(defaults: Rendered) -> None:
    assert len(defaults.of("PrometheusRule")) == len(RULES) > 0


def test_dashboards_are_those_of_the_tree(defaults: Rendered) -> None:
    found = {name: text for one in defaults.of("ConfigMap").values() for name, text in one["data"].items()}

    assert {name: json.loads(text) for name, text in found.items()} == {
        file.name: json.loads(file.read_text(encoding="utf-8")) for file in DASHBOARDS
    }
    assert {one["metadata"]["labels"]["grafana_dashboard"] for one in defaults.of("ConfigMap").values()} <= {"1"}


def test_the_chart_has_no_copy_of_them() -> None:
    """Helm reads only what is in the chart's folder; it follows links."""
    assert (CHART / "files" / "monitoring").is_symlink()
    assert (CHART / "files" / "monitoring").resolve() == MONITORING


def test_labels_let_prometheus_find_them(render: Render) -> None:
    rendered = render("labelled monitoring")

    for one in (*rendered.of("PrometheusRule").values(), *rendered.of("ServiceMonitor").values()):
        assert one["metadata"]["labels"]["release"] == "prometheus"


def test_there_is_none_where_the_values_say_so(render: Render) -> None:
    rendered = render("no monitoring")

    assert not (rendered.of("ServiceMonitor") or rendered.of("PrometheusRule") or rendered.of("ConfigMap"))
