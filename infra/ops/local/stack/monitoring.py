"""Prometheus and Alertmanager beside the services of a local stack: `up --monitoring`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.ops.local.monitoring import (
    MonitoringPorts,
    MonitoringTools,
    Pace,
    write_configuration,
    write_targets,
)
from infra.ops.local.monitoring.configuration import ALERTMANAGER_FILE, PROMETHEUS_FILE
from infra.ops.local.stack.service import ServiceSpec

FOLDER = "monitoring"
PROMETHEUS, ALERTMANAGER, ALERT_LOG = "prometheus", "alertmanager", "alerts"
KEPT_TIME, KEPT_SIZE = "7d", "512MB"


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Everything lies in the state folder's `monitoring`, bounded by time and size. `environment` is what the programs inherit."""

    state_dir: Path
    ports: MonitoringPorts
    tools: MonitoringTools
    environment: Mapping[str, str]
    pace: Pace = Pace()

    @property
    def folder(self) -> Path:
        return self.state_dir / FOLDER

    @property
    def prometheus(self) -> str:
        return f"http://127.0.0.1:{self.ports.prometheus}"

    @property
    def alertmanager(self) -> str:
        return f"http://127.0.0.1:{self.ports.alertmanager}"

    def prepare(self) -> None:
        """Write what the programs read when they start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        write_configuration(self.folder, self.ports, self.pace)
        write_targets(self.folder, {})

    def follow(self, internal: Mapping[str, str]) -> None:
        """Scrape these processes, at the URLs of their internal ports."""
        write_targets(self.folder, internal)

    def group(self) -> list[ServiceSpec]:
        """To be started after the services, so that it is stopped before them and no stop looks like a fault."""
        return [self._alert_log(), self._alertmanager(), self._prometheus()]

    def _prometheus(self) -> ServiceSpec:
        return self._spec(
            PROMETHEUS,
            (
                self.tools.prometheus,
                f"--config.file={self.folder / PROMETHEUS_FILE}",
                f"--storage.tsdb.path={self.folder / PROMETHEUS}",
                f"--storage.tsdb.retention.time={KEPT_TIME}",
                f"--storage.tsdb.retention.size={KEPT_SIZE}",
                f"--web.listen-address=127.0.0.1:{self.ports.prometheus}",
                "--log.level=warn",
            ),
            f"{self.prometheus}/-/ready",
        )

    def _alertmanager(self) -> ServiceSpec:
        return self._spec(
            ALERTMANAGER,
            (
                self.tools.alertmanager,
                f"--config.file={self.folder / ALERTMANAGER_FILE}",
                f"--storage.path={self.folder / ALERTMANAGER}",
                f"--web.listen-address=127.0.0.1:{self.ports.alertmanager}",
                "--cluster.listen-address=",  # else it opens a port on all addresses
                "--log.level=warn",
            ),
            f"{self.alertmanager}/-/ready",
        )

    def _alert_log(self) -> ServiceSpec:
        command = (sys.executable, "-m", "infra.ops.local.monitoring.alert_log", "--port", str(self.ports.alert_log))
        return self._spec(ALERT_LOG, command, f"http://127.0.0.1:{self.ports.alert_log}/ready")

    def _spec(self, name: str, command: tuple[str, ...], health_url: str) -> ServiceSpec:
        inherited = {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH"}
        surroundings = {key: value for key, value in self.environment.items() if key in inherited}
        return ServiceSpec(
            name, command, {**surroundings, "PYTHONUNBUFFERED": "1"}, health_url=health_url, stop_seconds=10.0
        )
