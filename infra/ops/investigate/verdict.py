"""What a rule says: the cause, and the words for this ticket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from infra.ops.investigate.cause import Cause


@dataclass(frozen=True, slots=True)
class Verdict:
    """`letter` and `stage` name those that the remedy is about, where they aren't the newest letter and the place's stage."""

    cause: Cause
    words: str
    letter: str = ""
    stage: str = ""


def clock(at: datetime | None) -> str:
    """A time for people, with its zone: UTC, as logs and dashboards have it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"


def tries(count: int) -> str:
    return "1 try" if count == 1 else f"{count} tries"


def lasting(seconds: float) -> str:
    """A duration for people."""
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
