"""The alert rules: valid, firing when they should and not before, of metrics and labels that exist, each saying what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from schemas.reasons import Reason
from tests.unit.infra.monitoring.alert_rules import CASES, ROOT, RULES, Alert, alerts, metrics, names, promtool, rules

CODE = ("schemas", "ingest", "processors", "sinks", "infra")
LAG_FAMILIES = ROOT / "infra/ops/lag/metrics.py"
ALWAYS = {"Watchdog"}
"""What never stops firing."""
FOREIGN = {
    "up", "ALERTS", "process_start_time_seconds",
    "alertmanager_notifications_failed_total", "alertmanager_notifications_total",
    "prometheus_notifications_alertmanagers_discovered", "prometheus_notifications_dropped_total",
    "prometheus_notifications_errors_total", "prometheus_rule_evaluation_failures_total",
}  # fmt: skip
"""Metrics of Prometheus, Alertmanager and the client library."""

_SERIES_OF = re.compile(r"_(bucket|count|sum)$")


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_the_rules_are_valid(file: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(file))


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_no_expression_is_a_yaml_alias(file: Path) -> None:
    """Prometheus takes an alias for a metric of the anchor's name, and promtool finds nothing wrong with it."""
    assert re.findall(r"(?:expr|alert|record): \*\w+", file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.name)
def test_alerts_fire_when_they_should_and_only_then(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_every_alert_is_seen_to_fire_at_each_severity_and_not_to_fire() -> None:
    silent: set[str] = set()
    fires: set[tuple[str, str]] = set()
    for file in CASES:
        for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
            for case in test["alert_rule_test"]:
                fires |= {(case["alertname"], one["exp_labels"]["severity"]) for one in case["exp_alerts"]}
                silent |= set() if case["exp_alerts"] else {case["alertname"]}

    assert set(names()) - silent == ALWAYS
    assert {(alert.name, alert.labels["severity"]) for alert in alerts()} - fires == set()


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: f"{alert.name}-{alert.labels['severity']}")
def test_an_alert_says_what_to_do(alert: Alert) -> None:
    assert alert.labels["severity"] in {"critical", "warning", "info"}
    assert set(alert.annotations) == {"summary", "description", "runbook"}
    assert all(text.strip() for text in alert.annotations.values())
    assert alert.annotations["runbook"] == f"infra/runbooks/{alert.name}.md"


def test_what_is_of_one_tenant_names_it_in_the_summary() -> None:
    by_tenant = {alert.name for alert in alerts() if re.search(r"tenant:|by \([^)]*tenant_id", alert.expr)}
    named = {alert.name for alert in alerts() if "$labels.tenant_id" in alert.annotations["summary"]}

    assert by_tenant - named == set()


def _of_the_code() -> str:
    return "".join(file.read_text(encoding="utf-8") for top in CODE for file in (ROOT / top).rglob("*.py"))


def _shown(code: str, metric: str) -> bool:
    """The lag service puts the prefix before the names of its families."""
    name = _SERIES_OF.sub("", metric)
    of_lag = LAG_FAMILIES.read_text(encoding="utf-8")
    return any(f'"{one}"' in code for one in (metric, name)) or f'"{name.removeprefix("ticketstream_")}"' in of_lag


def test_every_metric_in_the_rules_is_one_of_the_code() -> None:
    code, recorded = _of_the_code(), {rule["record"] for rule in rules() if "record" in rule}
    named = set().union(*(metrics(rule["expr"]) for rule in rules())) - recorded - FOREIGN
    missing = {_SERIES_OF.sub("", name) for name in named if not _shown(code, name)}

    assert len(named) >= 30
    assert missing == set()


def test_what_is_recorded_is_used_and_what_is_used_is_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in metrics(rule["expr"]) if ":" in name}

    assert recorded == used


def _patterns(label: str) -> set[str]:
    found = {text for rule in rules() for text in re.findall(rf'\b{label}(?:=~|!~|!=|=)"([^"]+)"', rule["expr"])}
    return {pattern for text in found for pattern in text.split("|")}


def test_the_reasons_in_the_rules_are_the_codes() -> None:
    named = _patterns("reason")

    assert {"desk_.+", "tenant_disabled", "internal_error", "gathering"} <= named
    assert {one for one in named if not any(re.fullmatch(one, reason) for reason in Reason)} == set()


def test_the_outcomes_in_the_rules_are_the_codes() -> None:
    places = (
        "ingest/webhooks.py", "infra/runtime/stream/handler.py", "infra/runtime/stream/telling.py",
        "infra/ops/reconcile/metrics.py", "infra/runtime/telemetry/metrics.py",
    )  # fmt: skip
    code = "".join((ROOT / place).read_text(encoding="utf-8") for place in places)

    assert {"queued", "bad_signature", "dead_letter", "hold", "fed_in"} <= _patterns("outcome")
    assert {one for one in _patterns("outcome") if f'"{one}"' not in code} == set()
