"""What can be chosen about a local stack."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_STATE_DIR = Path(".state")


@dataclass(frozen=True, slots=True)
class WantedPorts:
    """Ports to listen on if they are free; 0 takes any free one."""

    ingest: int = 8080
    kafka: int = 9092
    servicedesk: int = 8090

    @classmethod
    def any_free(cls) -> WantedPorts:
        return cls(0, 0, 0)


@dataclass(frozen=True, slots=True)
class StackOptions:
    """`environment` is what the services inherit and where `KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` may name real servers;
    `ready_seconds` bounds the time from spawning the services until all are ready."""

    state_dir: Path = DEFAULT_STATE_DIR
    ports: WantedPorts = WantedPorts()
    partitions: int | None = None
    ready_seconds: float = 90.0
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def topic_prefix(self) -> str:
        return self.environment.get("TICKETSTREAM_TOPIC_PREFIX", "")
