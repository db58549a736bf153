"""What can be chosen about a local stack."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.ops.local.stack.errors import WrongSetting
from infra.ops.local.stack.ports import HIGHEST

DEFAULT_STATE_DIR = Path(".state")
INGEST_PORT = "TICKETSTREAM_INGEST_PORT"
LAG_PORT = "TICKETSTREAM_LAG_PORT"
CONSOLE_PORT = "TICKETSTREAM_CONSOLE_PORT"


@dataclass(frozen=True, slots=True)
class WantedPorts:
    """Ports to listen on at the first start, if they are free; 0 takes any free one. Later starts take the same again."""

    ingest: int = 8080
    console: int = 8081
    lag: int = 8082
    kafka: int = 9092
    servicedesk: int = 8090
    prometheus: int = 9090
    alertmanager: int = 9093

    @classmethod
    def any_free(cls) -> WantedPorts:
        return cls(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class StackOptions:
    """`environment` is what the services inherit and where `KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` may name real servers;
    `ready_seconds` bounds the time from spawning the services until all are ready. With `monitoring`, Prometheus and Alertmanager
    run beside them."""

    state_dir: Path = DEFAULT_STATE_DIR
    ports: WantedPorts = WantedPorts()
    partitions: int | None = None
    ready_seconds: float = 90.0
    monitoring: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def topic_prefix(self) -> str:
        return self.environment.get("TICKETSTREAM_TOPIC_PREFIX", "")

    def check(self) -> None:
        """Raises WrongSetting for what can be known to be wrong before anything is started."""
        _ = self.named_ingest_port, self.named_lag_port, self.named_console_port

    @property
    def named_ingest_port(self) -> int | None:
        """What TICKETSTREAM_INGEST_PORT says; None where it isn't set. Raises WrongSetting."""
        return self._named(INGEST_PORT, WantedPorts().ingest)

    @property
    def named_lag_port(self) -> int | None:
        """What TICKETSTREAM_LAG_PORT says, likewise."""
        return self._named(LAG_PORT, WantedPorts().lag)

    @property
    def named_console_port(self) -> int | None:
        """What TICKETSTREAM_CONSOLE_PORT says, likewise."""
        return self._named(CONSOLE_PORT, WantedPorts().console)

    def _named(self, variable: str, usual: int) -> int | None:
        text = self.environment.get(variable, "").strip()
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and int(text) <= HIGHEST):
            raise WrongSetting(
                f"{variable}: {text!r} is no port. Give a number up to {HIGHEST} (0 takes any free one), or unset it for "
                f"{usual}."
            )
        return int(text)
