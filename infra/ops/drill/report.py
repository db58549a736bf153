"""What is left of a drill: the score for people and scripts, and the postmortem's draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from infra.ops.drill.client_message import template
from infra.ops.drill.facts import Fact, Kind
from infra.ops.drill.impact import Impact
from infra.ops.drill.incident import RIGHT_CAUSE, RIGHT_SEVERITY, Incident, clock_time
from infra.ops.drill.plan import CASE, LOOPING, STAGE
from infra.ops.drill.score import Score, minutes, scores, target

REPORT, POSTMORTEM = "report.md", "postmortem.md"
CURVE_POINTS = 60
CHAIN = f"""\
1. Two mailboxes at a client of {LOOPING} answered each other; each answer became a ticket with all earlier ones quoted.
2. {STAGE.value} ran out of memory over such tickets, and its worker was killed.
3. While it was started again and again, no client's notes were delivered."""
BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything is known when it is made; `facts` are in the order of time."""

    auto: bool
    scores: Sequence[Score]
    severity: str
    cause: str
    message: str
    kills: int
    backlog: Sequence[int]
    impact: Impact
    facts: Sequence[Fact]
    begun: datetime
    ended: datetime

    @classmethod
    def of(cls, incident: Incident, impact: Impact, *, auto: bool) -> Report:
        return cls(
            auto,
            scores(incident.milestones, auto=auto),
            incident.severity,
            incident.cause,
            incident.message,
            incident.fault.kills,
            [sample.most for sample in incident.observer.samples],
            impact,
            incident.timeline.facts,
            incident.milestones.fault or incident.timeline.clock(),
            incident.timeline.clock(),
        )

    @property
    def passed(self) -> bool:
        """Every target that counts was met, and what was wrong was understood."""
        understood = (self.severity, self.cause) == (RIGHT_SEVERITY, RIGHT_CAUSE)
        return understood and all(score.met for score in self.scores if score.scored)

    def as_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "auto": self.auto,
            "targets": [score.as_json() for score in self.scores],
            "severity": {"chosen": self.severity or None, "right": RIGHT_SEVERITY},
            "cause": {"chosen": self.cause or None, "right": RIGHT_CAUSE},
            "workers_killed": self.kills,
            "backlog_peak": max(self.backlog, default=0),
            "impact": self.impact.as_json(),
            "client_message": self.message or None,
            "timeline": [fact.as_json() for fact in self.facts],
        }

    def as_text(self) -> str:
        lines = [f"{score.mark} {_row(score)}" for score in self.scores]
        lines += [
            f"{_mark(self.severity == RIGHT_SEVERITY)} priority: {self.severity or 'none chosen'} (right: {RIGHT_SEVERITY})",
            f"{_mark(self.cause == RIGHT_CAUSE)} cause: {self.cause or 'none chosen'} (right: {RIGHT_CAUSE})",
            f"  {self.kills} workers died, at most {max(self.backlog, default=0)} tickets of one client waited",
            f"  tickets: {self.impact.words()}",
        ]
        lines += ["– is scored for people only"] if self.auto else []
        return "\n".join([*lines, "passed" if self.passed else "not passed"])

    def as_markdown(self) -> str:
        """The report as a page."""
        who = "by the runbooks (`--auto`)" if self.auto else "by people"
        return "\n".join(
            [
                f"# Drill of {self.begun:%Y-%m-%d %H:%M} UTC: {'passed' if self.passed else 'not passed'}",
                "",
                f"A P1 at the morning peak, handled {who}. The fault: workers of {STAGE.value} ran out of memory over tickets of",
                f"{LOOPING}, at whose client two mailboxes answered each other.",
                "",
                "| | counted from … to | target | was | |",
                "|---|---|---|---|---|",
                *(f"| {one.name} | {one.counted} | {target(one.target_seconds)} | {minutes(one.seconds)} | {one.mark} |"
                  for one in self.scores),
                f"| priority | | {RIGHT_SEVERITY} | {self.severity or 'none'} | {_mark(self.severity == RIGHT_SEVERITY)} |",
                f"| cause | | {RIGHT_CAUSE} | {self.cause or 'none'} | {_mark(self.cause == RIGHT_CAUSE)} |",
                "",
                f"Workers that died: {self.kills}. Tickets: {self.impact.words()}.",
                "",
                "Most tickets of one client that waited, over time (without who was held on purpose):",
                "```text",
                f"{curve(self.backlog)}  at most {max(self.backlog, default=0)}",
                "```",
                "",
                "## Timeline",
                "| time (UTC) | | what |",
                "|---|---|---|",
                *(f"| {clock_time(fact.at)} | {fact.kind.value} | {_cell(fact.text)} |" for fact in self.facts),
                *(["", "## The message to the client", "```text", self.message.rstrip(), "```"] if self.message else []),
                "",
            ]
        )  # fmt: skip

    def postmortem(self) -> str:
        """The draft: facts are filled in, what only people know is left to them."""
        by = {score.name: score for score in self.scores}
        first = next((fact.text for fact in self.facts if fact.kind is Kind.ALERT), "no alert")
        took = minutes(by["resolve"].seconds if by["resolve"].seconds else (self.ended - self.begun).total_seconds())
        clients = ", ".join(self.impact.clients) or "none"
        return template(POSTMORTEM).substitute(
            severity=self.severity or "none chosen",
            period=f"{self.begun:%Y-%m-%d %H:%M} to {self.ended:%H:%M} UTC, {took}",
            clients=f"{len(self.impact.clients)}: {clients}",
            tickets=self.impact.short(),
            detected_by=f"{first}, {minutes(by['alert'].seconds)} after it began",
            case=CASE,
            summary=self._summary(by["mitigate"]),
            noticed=f"Notes came late: {self.impact.words()}.",
            timeline="\n".join(f"| {clock_time(fact.at)} | {_cell(fact.text)} |" for fact in self.facts),
            targets="\n".join(
                f"| {one.name} | {target(one.target_seconds)} | {minutes(one.seconds)} | {one.mark} |" for one in self.scores
            ),
            causes=CHAIN,
        )  # fmt: skip

    def _summary(self, mitigated: Score) -> str:
        return (
            f"At the morning peak workers of {STAGE.value} died {self.kills} times, and up to {max(self.backlog, default=0)} "
            f"tickets of one client waited. Cause as found: {self.cause or 'none named'}. It was mitigated "
            f"{minutes(mitigated.seconds)} after it was acknowledged."
        )

    def write(self, out: Path) -> dict[str, str]:
        """Both pages into a folder of their own; where they are. Raises OSError."""
        folder = out / f"{self.begun:%Y-%m-%dT%H%M%SZ}"
        folder.mkdir(parents=True, exist_ok=True)
        written = {"report": folder / REPORT, "postmortem": folder / POSTMORTEM}
        written["report"].write_text(self.as_markdown(), "utf-8")
        written["postmortem"].write_text(self.postmortem(), "utf-8")
        return {name: str(path) for name, path in written.items()}


def curve(values: Sequence[int]) -> str:
    """A line of bars, as high as the highest value of each stretch."""
    if not values:
        return ""
    step = max(1, -(-len(values) // CURVE_POINTS))
    highest = [max(values[start : start + step]) for start in range(0, len(values), step)]
    top = max(highest) or 1
    return "".join(BARS[-(-value * (len(BARS) - 1) // top)] for value in highest)


def _row(score: Score) -> str:
    return f"{score.name:<16} {minutes(score.seconds):>14}   target {target(score.target_seconds)}, {score.counted}"


def _mark(right: bool) -> str:
    return "✓" if right else "✗"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
