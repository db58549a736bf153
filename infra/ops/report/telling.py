"""The words and tables that Markdown and HTML share: each table is columns and rows of plain texts, which their writers escape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infra.ops.report.criteria import Status, percent, seconds, stars
from infra.ops.report.review import Report
from infra.ops.report.rows import WeekFigures, WorstNote
from schemas.times import rfc3339

MARK = {Status.MET: "✓", Status.MISSED: "✗", Status.RED_FLAG: "⚑", Status.NO_DATA: "–", Status.NO_TARGET: "·"}
NO_DATA = "no data"
WITH_TEXT = "ticketstream report --with-text --reason CASE shows what was said."


@dataclass(frozen=True, slots=True)
class Table:
    """The first column names the row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def title(reports: Sequence[Report]) -> str:
    first = reports[0]
    whose = first.tenant_id if len(reports) == 1 else f"{len(reports)} tenants"
    return f"Weekly review {first.week}: {whose}"


def when(report: Report) -> str:
    made = rfc3339(report.made_at, "seconds")
    so_far = "" if report.over else " The week isn't over: all figures are those so far."
    return f"{report.week.days()}, UTC. Made {made}.{so_far}"


def tenants_table(reports: Sequence[Report]) -> Table:
    rows = []
    for report in reports:
        by_key = {one.criterion.key: one for one in report.criteria}
        flags = sum(one.status is Status.RED_FLAG for one in report.criteria)
        missed = sum(one.status is Status.MISSED for one in report.criteria)
        shown = [by_key[key].text for key in ("success", "note_p95", "rating", "thumbs_up")]
        rows.append((report.tenant_id, *shown, str(flags), str(missed), str(len(report.issues))))
    columns = ("tenant", "success", "webhook to note, p95", "rating", "thumbs up", "red flags", "missed", "issues")
    return Table("All tenants", columns, tuple(rows))


def criteria_table(report: Report) -> Table:
    rows = tuple(
        (
            one.criterion.name,
            one.text,
            f"{MARK[one.status]} {one.status.value}",
            one.criterion.aim(),
            one.criterion.flag(),
            one.basis,
            one.trend,
        )
        for one in report.criteria
    )
    return Table("Success criteria", ("what", "this week", "status", "target", "red flag", "made of", "trend"), rows)


def weeks_table(report: Report) -> Table:
    columns = (
        "week",
        "notes",
        "failed",
        "dropped",
        "success",
        "p95",
        "ratings",
        "rating",
        "thumbs up",
        "minutes saved",
    )
    return Table("Week by week", columns, tuple(_week(one) for one in report.weeks))


def _week(one: WeekFigures) -> tuple[str, ...]:
    done, said = one.enhancements, one.feedback
    came = done.succeeded + done.failed + done.dropped + done.pending
    minutes = (
        NO_DATA if said.minutes_saved is None else f"{said.minutes_saved:,} ({said.minutes_saved_answers:,} answers)"
    )
    return (
        str(one.week),
        *((f"{done.succeeded:,}", f"{done.failed:,}", f"{done.dropped:,}") if came else (NO_DATA,) * 3),
        _or_none(done.success, percent),
        _or_none(done.p95_seconds, seconds),
        f"{said.ratings:,}" if said.answers else NO_DATA,
        _or_none(said.average_rating, stars),
        _or_none(said.thumbs_up_share, percent),
        minutes,
    )


def worst_table(report: Report) -> Table:
    columns = ("ticket", "rating", "thumbs", "written by", "category", "sources missing")
    return Table("Lowest rated notes", columns, tuple(_worst(one) for one in report.worst))


def _worst(one: WorstNote) -> tuple[str, ...]:
    note = one.note
    writer = note.model or note.writer or "not known"
    missing = "not known any more" if one.missing is None else ", ".join(one.missing) or "none"
    return (
        note.ticket_id,
        f"{stars(note.average_rating)} ({note.ratings})" if note.average_rating is not None else "none",
        f"{note.thumbs_up} up, {note.thumbs_down} down",
        f"{writer} ({note.degraded})" if note.degraded else writer,
        note.category or "",
        missing,
    )


def categories_table(report: Report) -> Table:
    rows = tuple(
        (
            one.category or "none",
            str(one.answers),
            f"{stars(one.average_rating)} ({one.ratings})" if one.average_rating is not None else NO_DATA,
            str(one.thumbs_down),
        )
        for one in report.categories
    )
    return Table("Feedback by category", ("category", "answers", "rating", "thumbs down"), rows)


def themes_table(report: Report) -> Table:
    rows = tuple(
        (one.term, str(one.comments), _or_none(one.rating, stars), ", ".join(one.tickets))
        for one in report.themes or ()
    )
    return Table("Themes in comments", ("theme", "comments", "rating", "tickets"), rows)


def issues_table(report: Report) -> Table:
    rows = tuple(
        (one.kind, one.what, "" if one.count is None else f"{one.count:,}", one.article) for one in report.issues
    )
    return Table("Known issues", ("kind", "what", "times", "what to do"), rows)


def no_themes(report: Report) -> str:
    """Why there is no table of themes."""
    if not report.comments:
        return "Nobody wrote a comment in this week."
    number = f"{report.comments:,} {'comment was' if report.comments == 1 else 'comments were'} written."
    return f"{number} {WITH_TEXT if report.themes is None else 'No word stands in two of them.'}"


def _or_none(value: float | None, shown: Callable[[float], str]) -> str:
    return NO_DATA if value is None else shown(value)
