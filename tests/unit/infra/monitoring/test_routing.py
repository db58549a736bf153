"""Who hears of which alert: Alertmanager's own tool says where each would go."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.unit.infra.monitoring.alert_rules import ROOT, Alert, alerts, amtool, names

CONFIG = ROOT / "infra/monitoring/alertmanager/alertmanager.yml"
OF_SEVERITY = {"critical": "phone", "warning": "low-urgency", "info": "chat"}
OF_THEIR_OWN = {
    "Watchdog": "dead-mans-switch",
    "TenantIsolationViolation": "phone-and-security",
    "AuditLogAltered": "phone-and-security",
    "AlertDeliveryFailing": "every-way",
}
ADDRESS = re.compile(r"https?://([^/\s'\"]+)|@([\w.-]+)|smarthost: ([\w.-]+)")


def receiver(alert: Alert) -> str:
    if alert.labels.get("escalate") == "engineering":
        return "phone-and-engineering"
    return OF_THEIR_OWN.get(alert.name) or OF_SEVERITY[alert.labels["severity"]]


def test_the_configuration_is_valid() -> None:
    assert "SUCCESS" in amtool("check-config", str(CONFIG))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: "-".join((alert.name, *alert.labels.values())))
def test_each_alert_goes_where_it_belongs(alert: Alert) -> None:
    labels = [f"{name}={value}" for name, value in {**alert.labels, "alertname": alert.name}.items()]

    amtool("config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver(alert)}", *labels)


def test_an_alert_that_nobody_foresaw_goes_by_its_severity() -> None:
    for severity, expected in {**OF_SEVERITY, "unheard-of": "chat"}.items():
        words = (f"--config.file={CONFIG}", f"--verify.receivers={expected}", "alertname=New", f"severity={severity}")
        amtool("config", "routes", "test", *words)


def test_a_violation_of_isolation_pages_at_once_and_every_half_hour_whatever_else_fires() -> None:
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    (route,) = [one for one in config["route"]["routes"] if one["matchers"] == ['alertname="TenantIsolationViolation"']]

    assert (route["group_wait"], route["repeat_interval"]) == ("0s", "30m")
    targets = [text for rule in config["inhibit_rules"] for text in rule["target_matchers"]]
    assert [text for text in targets if "TenantIsolationViolation" in text] == []


def test_what_silences_and_is_silenced_are_alerts() -> None:
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    texts = [
        text for rule in config["inhibit_rules"] for end in ("source", "target") for text in rule[f"{end}_matchers"]
    ]
    named = {
        name for text in texts for found in re.findall(r'alertname=~?"([^"]+)"', text) for name in found.split("|")
    }

    assert named - set(names()) == set()


def test_keys_are_files_and_addresses_are_placeholders() -> None:
    text = CONFIG.read_text(encoding="utf-8")
    hosts = {next(part for part in found if part) for found in ADDRESS.findall(text)}

    assert hosts
    assert {host for host in hosts if not host.endswith("example.com")} == set()
    assert re.findall(r"(?:routing_key|service_key|api_url|smtp_auth_password):", text) == []
