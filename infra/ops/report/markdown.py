"""The review as Markdown. Whatever somebody else wrote stays text: nothing in it becomes markup, a link, a picture or HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from infra.ops.report import telling
from infra.ops.report.review import Report
from infra.ops.report.rows import WorstNote
from infra.ops.report.telling import Table

_MARKUP = re.compile(r"([\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.)", re.IGNORECASE)
"""Underscores within a word are none, nor is a round bracket without a square one before it. What is markup only where a line
begins never stands there."""
_TICKS = re.compile(r"`+")


def document(reports: Sequence[Report]) -> str:
    """One tenant's, or with several first a table of all."""
    parts = [f"# {plain(telling.title(reports))}", "", telling.when(reports[0]), ""]
    if len(reports) > 1:
        parts += [*_table(telling.tenants_table(reports)), ""]
    for report in reports:
        parts += _report(report, alone=len(reports) == 1)
    return "\n".join(parts).rstrip() + "\n"


def plain(text: str) -> str:
    """Anybody's text on one line, with nothing in it that Markdown or HTML would take for more."""
    return escape(_MARKUP.sub(r"\\\1", " ".join(text.split())), quote=False)


def _report(report: Report, *, alone: bool) -> Iterator[str]:
    level = "##" if alone else "###"
    if not alone:
        yield f"## {plain(report.tenant_id)}"
        yield ""
    yield f"**{report.summary()}**"
    yield ""
    for table in (telling.criteria_table(report), telling.weeks_table(report)):
        yield from _section(level, table, "")
    yield from _section(level, telling.worst_table(report), "No note was rated 3 or lower.")
    for one in report.worst:
        yield from _said(one)
    yield from _section(level, telling.themes_table(report), telling.no_themes(report))
    yield from _section(level, telling.categories_table(report), "Nobody said anything of a note.")
    yield from _section(level, telling.issues_table(report), "Nothing is known to be wrong.")
    for line in report.unknown:
        yield f"- Not known: {plain(line)}"
    yield ""


def _section(level: str, table: Table, nothing: str) -> Iterator[str]:
    yield f"{level} {table.caption}"
    yield ""
    yield from _table(table) if table.rows else [plain(nothing) if "CASE" not in nothing else nothing]
    yield ""


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.columns)} |"
    yield "|" + "---|" * len(table.columns)
    for row in table.rows:
        yield f"| {' | '.join(plain(cell) for cell in row)} |"


def _said(one: WorstNote) -> Iterator[str]:
    """Only there where content was asked for."""
    for comment in one.note.comments:
        yield f"- {plain(one.note.ticket_id)}: “{plain(comment)}”"
    if one.text is not None:
        fence = "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(one.text)), default=0))
        yield from ("", f"The note on {plain(one.note.ticket_id)}:", "", f"{fence}text", one.text.rstrip(), fence)
    if one.note.comments or one.text is not None:
        yield ""
