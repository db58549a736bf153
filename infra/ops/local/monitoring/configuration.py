"""What Prometheus and Alertmanager of a local stack are told. Their files are YAML, of which JSON is a part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

import infra

RULES = Path(infra.__file__).parent / "monitoring" / "rules" / "*.yml"
PROMETHEUS_FILE, ALERTMANAGER_FILE, TARGETS_FILE = "prometheus.yml", "alertmanager.yml", "targets.json"


@dataclass(frozen=True, slots=True)
class MonitoringPorts:
    """Where Prometheus, Alertmanager and the receiver of its alerts listen, on the loopback address."""

    prometheus: int
    alertmanager: int
    alert_log: int


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two scrapes, between two evaluations of the rules, and until a changed address is followed."""

    scrape: int = 5
    evaluate: int = 5
    follow: int = 5


def write_configuration(folder: Path, ports: MonitoringPorts, pace: Pace) -> None:
    """Prometheus' file and Alertmanager's, in a folder that exists."""
    _write(folder / PROMETHEUS_FILE, prometheus(ports, pace))
    _write(folder / ALERTMANAGER_FILE, alertmanager(ports))


def write_targets(folder: Path, internal: Mapping[str, str]) -> None:
    """What is to be scraped, by process: the URLs of internal ports. Written whole or not at all: Prometheus follows the file.

    The process is also the `instance`: there is one of each, and after a restart, on another port, its series go on.
    """
    targets = [
        {"targets": [urlsplit(url).netloc], "labels": {"job": name, "instance": name}}
        for name, url in sorted(internal.items())
    ]
    _write(folder / TARGETS_FILE, targets)


def prometheus(ports: MonitoringPorts, pace: Pace) -> dict[str, Any]:
    """As infra/monitoring/prometheus/prometheus.yml, with the local stack's addresses."""
    return {
        "global": {"scrape_interval": f"{pace.scrape}s", "evaluation_interval": f"{pace.evaluate}s"},
        "rule_files": [str(RULES)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{ports.alertmanager}"]}]}]},
        "scrape_configs": [
            {
                "job_name": "ticketstream",
                "file_sd_configs": [{"files": [TARGETS_FILE], "refresh_interval": f"{pace.follow}s"}],
            },
            _own("prometheus", ports.prometheus),
            _own("alertmanager", ports.alertmanager),
        ],
    }


def alertmanager(ports: MonitoringPorts) -> dict[str, Any]:
    """Nobody is called from a local stack: every alert becomes a line of a log."""
    return {
        "route": {
            "receiver": "log",
            "group_by": ["alertname", "tenant_id"],
            "group_wait": "1s",
            "group_interval": "10s",
            "repeat_interval": "12h",
        },
        "receivers": [
            {"name": "log", "webhook_configs": [{"url": f"http://127.0.0.1:{ports.alert_log}/alerts"}]},
        ],
    }


def _own(name: str, port: int) -> dict[str, Any]:
    return {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}


def _write(file: Path, content: object) -> None:
    part = file.with_suffix(".part")
    part.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    part.replace(file)
