"""Rows to the Report of a week: what is told, without how. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from infra.ops.report.criteria import Measured, Status, measured
from infra.ops.report.issues import Issue, issues
from infra.ops.report.rows import Rows, WeekFigures, WorstNote
from infra.ops.report.themes import Theme, themes
from infra.ops.report.week import Week
from schemas.times import rfc3339
from sinks.postgres.period_figures import CategoryFeedback


@dataclass(frozen=True, slots=True)
class Report:
    """One tenant's week. `weeks` are those of the trend, the week itself last. `themes` is None where comments weren't asked
    for."""

    tenant_id: str
    week: Week
    made_at: datetime
    criteria: tuple[Measured, ...]
    weeks: tuple[WeekFigures, ...]
    worst: tuple[WorstNote, ...]
    categories: tuple[CategoryFeedback, ...]
    themes: tuple[Theme, ...] | None
    comments: int
    issues: tuple[Issue, ...]
    unknown: tuple[str, ...]

    @property
    def over(self) -> bool:
        """Whether the week is; else the figures are those so far."""
        return self.made_at >= self.week.until

    @property
    def has_data(self) -> bool:
        """Whether any ticket came or anybody said anything."""
        this = self.weeks[-1]
        done = this.enhancements
        return bool(done.succeeded + done.failed + done.dropped + done.pending + this.feedback.answers)

    def summary(self) -> str:
        """The week in one or two sentences."""
        if not self.has_data:
            return "No ticket came and no feedback was given in this week: there is nothing to measure."
        flags = [one.criterion.name for one in self.criteria if one.status is Status.RED_FLAG]
        missed = [one.criterion.name for one in self.criteria if one.status is Status.MISSED]
        met = sum(one.status is Status.MET for one in self.criteria)
        told = [f"{met} of {met + len(missed) + len(flags)} targets met."]
        told += [f"Red flag: {', '.join(flags)}."] if flags else []
        told += [f"Below target: {', '.join(missed)}."] if missed else []
        return " ".join(told)

    def as_markdown(self) -> str:
        """For a ticket, a wiki or a mail."""
        from infra.ops.report.markdown import document

        return document([self])

    def as_html(self) -> str:
        """A page that stands alone, with charts."""
        from infra.ops.report.page import document

        return document([self])

    def as_json(self) -> dict[str, Any]:
        """All figures; texts and comments only where they were asked for."""
        return {
            "tenant_id": self.tenant_id,
            "week": str(self.week),
            "since": rfc3339(self.week.since),
            "until": rfc3339(self.week.until),
            "over": self.over,
            "made_at": rfc3339(self.made_at),
            "summary": self.summary(),
            "criteria": [one.as_json() for one in self.criteria],
            "weeks": [_week(one) for one in self.weeks],
            "worst": [_worst(one) for one in self.worst],
            "categories": [asdict(one) for one in self.categories],
            "themes": None if self.themes is None else [asdict(one) for one in self.themes],
            "issues": [one.as_json() for one in self.issues],
            "unknown": list(self.unknown),
        }


def review(rows: Rows) -> Report:
    """The report of these rows."""
    return Report(
        tenant_id=rows.tenant_id,
        week=rows.this.week,
        made_at=rows.made_at,
        criteria=measured(rows.weeks),
        weeks=rows.weeks,
        worst=rows.worst,
        categories=rows.categories,
        themes=None if rows.comments is None else themes(rows.comments),
        comments=rows.this.feedback.comments,
        issues=issues(rows),
        unknown=rows.unknown,
    )


def in_order(reports: Sequence[Report]) -> list[Report]:
    """For all tenants: who has red flags first, then who missed most, then by name; who had nothing last."""

    def rank(report: Report) -> tuple[bool, int, int, str]:
        counts = [sum(one.status is status for one in report.criteria) for status in (Status.RED_FLAG, Status.MISSED)]
        return not report.has_data, -counts[0], -counts[1], report.tenant_id

    return sorted(reports, key=rank)


def _week(one: WeekFigures) -> dict[str, Any]:
    shares = {"success": one.enhancements.success, "thumbs_up_share": one.feedback.thumbs_up_share}
    return {"week": str(one.week), **asdict(one.enhancements), **asdict(one.feedback), **asdict(one.edge), **shares}


def _worst(one: WorstNote) -> dict[str, Any]:
    note = asdict(one.note)
    note.pop("input_id")
    posted = one.note.posted_at
    return {
        **note,
        "posted_at": rfc3339(posted) if posted else None,
        "comments": list(one.note.comments),
        "missing": None if one.missing is None else list(one.missing),
        "text": one.text,
    }
