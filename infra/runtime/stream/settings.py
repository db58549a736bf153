"""Settings that every stage has; each stage's own class adds its database role's variable and what is particular to it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pydantic import Field

from infra.runtime.settings import SigningSettings
from infra.runtime.stream.lanes import DEFAULT_SLOTS


class StageSettings(SigningSettings):
    """`slots` is how many events of all tenants this process works on at once."""

    database_url: str = Field(repr=False)
    slots: int = Field(DEFAULT_SLOTS, ge=1, le=1000)
    hold_hours: float = Field(24.0, gt=0, le=14 * 24)
    """After so many hours from its first failure a held event becomes a dead letter."""
    run_dir: Path = Field(default_factory=lambda: Path(tempfile.gettempdir()) / f"ticketstream-{os.getuid()}")
    """Where workers leave notes of what they handle for those who start after their death."""
