"""A service as the supervisor sees it: how it is started, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from infra.runtime.settings import MISCONFIGURED

__all__ = ["MISCONFIGURED", "Backoff", "ServiceEvent", "ServiceSpec", "ServiceState", "ServiceStatus"]


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """`environment` is all that the process gets. `ports_file` is where it writes its addresses, removed before each start;
    `health_url` answers 200 when ready, for a process that writes none. `stop_seconds` lie between SIGTERM and SIGKILL."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ports_file: Path | None = None
    health_url: str | None = None
    stop_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds between a death and the next start: doubled each time, from `first` to `longest`, and `first` again after the
    process has lived for `healthy_after` seconds."""

    first: float = 0.5
    longest: float = 15.0
    healthy_after: float = 30.0

    def delay(self, deaths_in_a_row: int) -> float:
        return float(min(self.longest, self.first * 2 ** min(deaths_in_a_row - 1, 16)))


class ServiceState(StrEnum):
    RUNNING = "running"
    WAITING = "waiting"  # for its next start
    FAILED = "failed"  # misconfigured: a restart won't help
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """`exit_code` is the last one, negative for a signal, None while it never ended."""

    state: ServiceState
    pid: int | None = None
    restarts: int = 0
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """A change of a service's state, told once."""

    name: str
    status: ServiceStatus
    text: str
