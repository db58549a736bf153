"""The review as one page of HTML that stands alone: charts as inline SVG, no script, nothing fetched. Every text is escaped,
whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from infra.ops.report import telling
from infra.ops.report.charts import Chart
from infra.ops.report.criteria import Status, percent, seconds, stars
from infra.ops.report.review import Report
from infra.ops.report.rows import WorstNote
from infra.ops.report.telling import Table

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SHORT = 16
"""Characters of a cell that isn't broken."""
_CLASSES = {f"{telling.MARK[status]} {status.value}": status.value.replace(" ", "-") for status in Status}
"""By the cells that tell a status."""


def document(reports: Sequence[Report]) -> str:
    """One tenant's, or with several first a table of all."""
    head = escape(telling.title(reports))
    style = (files("infra.ops.report") / "style.css").read_text(encoding="utf-8")
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{head}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n<h1>{head}</h1>",
        f"<p>{escape(telling.when(reports[0]))}</p>",
    ]
    if len(reports) > 1:
        parts.append(_table(telling.tenants_table(reports)))
    for number, report in enumerate(reports):
        parts += _report(report, number, alone=len(reports) == 1)
    return "\n".join([*parts, "</main>\n</body>\n</html>\n"])


def _report(report: Report, number: int, *, alone: bool) -> Iterator[str]:
    level, whose = (2, "") if alone else (3, f" of {report.tenant_id}")
    yield "<section>"
    if not alone:
        yield f"<h2>{escape(report.tenant_id)}</h2>"
    yield f'<p class="summary">{escape(report.summary())}</p>'
    yield from _section(level, telling.criteria_table(report), "", whose)
    drawn = [chart for chart in charts(report, number) if any(value is not None for value in chart.values)]
    figures = [f"<figure>{chart.svg()}<figcaption>{escape(chart.name)}</figcaption></figure>" for chart in drawn]
    yield f'<div class="charts">{"".join(figures)}</div>'
    yield from _section(level, telling.weeks_table(report), "", whose)
    yield from _section(level, telling.worst_table(report), "No note was rated 3 or lower.", whose)
    for one in report.worst:
        yield from _said(one)
    yield from _section(level, telling.themes_table(report), telling.no_themes(report), whose)
    yield from _section(level, telling.categories_table(report), "Nobody said anything of a note.", whose)
    yield from _section(level, telling.issues_table(report), "Nothing is known to be wrong.", whose)
    if report.unknown:
        yield f"<ul>{''.join(f'<li>Not known: {escape(line)}</li>' for line in report.unknown)}</ul>"
    yield "</section>"


def charts(report: Report, number: int = 0) -> list[Chart]:
    """Of the figures that have a course: success, time to the note, rating, thumbs up."""
    weeks = [str(one.week) for one in report.weeks]
    return [
        Chart(
            f"success-{number}", "Enhancement success rate", weeks, [one.enhancements.success for one in report.weeks],
            percent, target=0.95, least=0.8, most=1.0,
        ),
        Chart(
            f"p95-{number}", "Webhook to note, p95", weeks, [one.enhancements.p95_seconds for one in report.weeks],
            seconds, target=60.0, least=0.0,
        ),
        Chart(
            f"rating-{number}", "Average feedback rating", weeks, [one.feedback.average_rating for one in report.weeks],
            lambda value: stars(value).removesuffix(" of 5"), target=4.0, least=1.0, most=5.0,
        ),
        Chart(
            f"thumbs-{number}", "Thumbs up", weeks, [one.feedback.thumbs_up_share for one in report.weeks],
            percent, target=0.7, least=0.0, most=1.0,
        ),
    ]  # fmt: skip


def _section(level: int, table: Table, nothing: str, whose: str = "") -> Iterator[str]:
    yield f"<h{level}>{escape(table.caption)}</h{level}>"
    yield _table(table, whose) if table.rows else f"<p>{escape(nothing)}</p>"


def _table(table: Table, whose: str = "") -> str:
    """In a box of its own that can be scrolled by keyboard where the page is too narrow for it."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "".join(_row(row) for row in table.rows)
    name = escape(f"{table.caption}{whose}")
    return (
        f'<div class="wide" role="region" aria-label="{name}" tabindex="0"><table><caption>{name}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(row: Sequence[str]) -> str:
    cells = "".join(f"<td{_class(cell)}>{escape(cell)}</td>" for cell in row[1:])
    return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'


def _class(cell: str) -> str:
    names = [_CLASSES.get(cell, ""), "short" if len(cell) <= SHORT else ""]
    return f' class="{" ".join(filter(None, names))}"' if any(names) else ""


def _said(one: WorstNote) -> Iterator[str]:
    """Only there where content was asked for."""
    if not one.note.comments and one.text is None:
        return
    yield f"<details><summary>What was said of the note on {escape(one.note.ticket_id)}</summary>"
    for comment in one.note.comments:
        yield f"<blockquote>{escape(comment)}</blockquote>"
    if one.text is not None:
        yield f"<pre>{escape(one.text)}</pre>"
    yield "</details>"
