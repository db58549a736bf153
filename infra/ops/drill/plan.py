"""Who plays, how fast, and for how long at most."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schemas.topics import Stage

CASE = "DRILL-1"
"""Stands where a support ticket's number would."""
STAGE = Stage.DELIVER
"""Whose workers crash."""
LOOPING = "msp-harbor-it"
"""At whose client two mailboxes answer each other."""
NORMAL, PAGES = 20, 100


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds and tickets a second. A desk's answer takes `desk_seconds`, at the peak as on real desks, so that a note takes time;
    `loop_desk_seconds` where the mail loop is, and `quiet_desk_seconds` once that is switched off. `swell_seconds` after a worker
    began with one of the loop's tickets its memory is full. `calm_seconds` lie before the fault, and up to `surprise_seconds` more,
    so that nobody waits for it."""

    peak_per_second: float = 0.5
    loop_tickets: int = 130
    loop_per_second: float = 12.0
    desk_seconds: float = 1.5
    loop_desk_seconds: float = 5.0
    quiet_desk_seconds: float = 0.5
    swell_seconds: float = 10.0
    calm_seconds: float = 20.0
    surprise_seconds: float = 60.0
    engineering_seconds: float = 90.0
    most_seconds: float = 3 * 3600.0


AUTO = Plan(calm_seconds=5.0, surprise_seconds=0.0, engineering_seconds=3.0, most_seconds=45 * 60.0)


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """`state_dir` None: a folder that is removed at the end. Reports go to `out`."""

    out: Path
    state_dir: Path | None = None
    auto: bool = False

    @property
    def plan(self) -> Plan:
        return AUTO if self.auto else Plan()
