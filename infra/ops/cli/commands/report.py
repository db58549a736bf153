"""`ticketstream report`: a week against what was agreed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.sight import Sight, sight_options

if TYPE_CHECKING:
    from infra.ops.report.week import Week

MARKDOWN, HTML = "markdown", "html"


class WeekName(click.ParamType):
    """An ISO week."""

    name = "week"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Week:
        from infra.ops.report.week import Week

        if isinstance(value, Week):
            return value
        try:
            return Week.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(cls=JsonCommand)
@click.option("--tenant", "tenants", multiple=True, metavar="ID", help="Of this tenant; may be given several times.")
@click.option("--all-tenants", is_flag=True, help="Of all tenants, for who may touch all.")
@click.option(
    "--week", type=WeekName(), help="An ISO week in UTC, like 2026-W47; the last one that is over by default."
)
@click.option("--weeks", type=click.IntRange(0, 52), default=8, show_default=True, help="So many before it as a trend.")
@click.option(
    "--format", "form", type=click.Choice([MARKDOWN, HTML]), help="HTML by default where FILE ends with .html."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="A file that isn't there yet, which only you may read; else stdout."
)
@click.option(
    "--with-text",
    "text",
    is_flag=True,
    help="With comments, their themes, and the worst notes' texts: content, which needs a --reason.",
)
@sight_options
@json_option
def report(
    tenants: tuple[str, ...],
    all_tenants: bool,
    week: Week | None,
    weeks: int,
    form: str | None,
    out: Path | None,
    text: bool,
    reason: str,
    consent: str,
    json_to: JsonTo,
) -> int:
    """Review a week: success, speed and ratings against target, the trend, the worst notes, themes in comments, known issues.

    As Markdown, or as a page of HTML with charts that stands alone. A week without data says so.
    infra/handbook/clients/weekly-review.md says how to read it and what to do about it.
    """
    from infra.ops.cli.weekly_review import ReviewAsked, make_reviews

    if bool(tenants) == all_tenants:
        raise WrongUse("report needs to know whose week", "give --tenant ID, or --all-tenants")
    output = Output(json_to)
    as_html = form == HTML or (form is None and out is not None and out.suffix.lower() in (".html", ".htm"))
    asked = ReviewAsked(tuple(dict.fromkeys(tenants)), week, weeks, out, text, Sight(reason, consent), as_html)
    found, document = make_reviews(asked, output)
    output.result(found, (lambda: click.echo(document, nl=False)) if out is None else None)
    return 0
