"""Against the targets of the customer: detect <5 min, triage <5, mitigate <30, tell the client <15, resolve <2 h."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from infra.ops.drill.facts import Milestones

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Score:
    """`seconds` None: never reached. `scored`: whether it counts for who responded; a program has no targets for talking."""

    name: str
    counted: str
    target_seconds: float
    seconds: float | None
    scored: bool

    @property
    def met(self) -> bool:
        return self.seconds is not None and self.seconds < self.target_seconds

    @property
    def mark(self) -> str:
        return ("✓" if self.met else "✗") if self.scored else "–"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}


def scores(marks: Milestones, *, auto: bool) -> list[Score]:
    """All of them, in the order of an incident."""

    def score(
        name: str, counted: str, minutes: float, begin: datetime | None, end: datetime | None, by_all: bool
    ) -> Score:
        took = (end - begin).total_seconds() if begin and end else None
        return Score(name, counted, minutes * MINUTE, took, by_all or not auto)

    return [
        score("alert", "fault to the first alert", 5, marks.fault, marks.alerted, by_all=True),
        score("detect", "fault to acknowledged", 5, marks.fault, marks.detected, by_all=False),
        score("triage", "acknowledged to priority and cause", 5, marks.detected, marks.triaged, by_all=False),
        score("mitigate", "acknowledged to nobody above 20", 30, marks.detected, marks.mitigated, by_all=True),
        score("backlog", "fault to nobody above 20, nor held", 30, marks.fault, marks.drained, by_all=True),
        score("tell the client", "acknowledged to the first message", 15, marks.detected, marks.told, by_all=False),
        score("resolve", "fault to resolved", 120, marks.fault, marks.resolved, by_all=False),
    ]


def target(seconds: float) -> str:
    """For people: whole minutes or hours."""
    return f"<{seconds / HOUR:.0f} h" if seconds >= HOUR else f"<{seconds / MINUTE:.0f} min"


def minutes(seconds: float | None) -> str:
    """For people."""
    if seconds is None:
        return "never"
    whole = round(seconds)
    return f"{whole} s" if whole < 2 * MINUTE else f"{whole // 60} min {whole % 60:02d} s"
