"""`ticketstream export`: finished enhancements with their feedback, for analysts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from infra.ops.cli.failure import WrongUse
from infra.ops.cli.moment import Moment
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.sight import Sight, sight_options

FORMATS = ("jsonl", "csv", "parquet")


@click.command(cls=JsonCommand)
@click.option("--tenant", "tenants", multiple=True, metavar="ID", help="Of this tenant; may be given several times.")
@click.option("--all-tenants", is_flag=True, help="Of all tenants, for who may touch all.")
@click.option("--since", type=Moment(), help="Delivered from then on: 2026-01-31T09:00:00Z, or 2h, 3d ago.")
@click.option("--until", type=Moment(), help="Delivered before then.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="A file that isn't there yet, which only you may read; else stdout."
)
@click.option(
    "--with-text/--without-text",
    "text",
    default=False,
    help="With the notes' texts, what they cite, and comments: content, which needs a --reason. Without is the default.",
)
@click.option("--with-failed", "failed", is_flag=True, help="Those that failed, too: what a success rate needs.")
@sight_options
@json_option
def export(
    tenants: tuple[str, ...],
    all_tenants: bool,
    since: datetime | None,
    until: datetime | None,
    form: str,
    out: Path | None,
    text: bool,
    failed: bool,
    reason: str,
    consent: str,
    json_to: JsonTo,
) -> int:
    """Write finished enhancements, each with what technicians said of it, as JSON lines, CSV or Parquet.

    They come from the topic enhancements.delivered, which keeps 90 days: tenant after tenant in the order of delivery, an event
    that Kafka holds twice only once. --json tells how much it was, and needs --out. infra/handbook/analysts.md has the columns.
    """
    from infra.ops.cli.analyst_export import Asked, export_notes

    if bool(tenants) == all_tenants:
        raise WrongUse("export needs to know whose notes", "give --tenant ID, or --all-tenants")
    if since and until and since >= until:
        raise WrongUse("--since is not before --until", "exchange them")
    output = Output(json_to)
    if out is None and (form == "parquet" or output.json_on_stdout):
        raise WrongUse(f"{'Parquet' if form == 'parquet' else '--json'} needs a file for the rows", "add --out FILE")
    asked = Asked(tuple(dict.fromkeys(tenants)), since, until, form, out, text, failed, Sight(reason, consent))
    told = export_notes(asked)
    output.result(told, None)
    return 0
