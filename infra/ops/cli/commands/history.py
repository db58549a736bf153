"""`ticketstream history`: import solved tickets."""

from __future__ import annotations

from pathlib import Path

import click

from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument


@click.group()
def history() -> None:
    """Import solved tickets."""


@history.command("import", cls=JsonCommand)
@tenant_argument()
@click.argument("path", metavar="FILE", type=click.Path(exists=True, path_type=Path, dir_okay=False))
@json_option
def import_(tenant_id: str, path: Path, json_to: JsonTo) -> int:
    """Import solved tickets for TENANT: JSON lines or a CSV file.

    A row has `ticket_id`, `subject`, `description` and `resolution`, and may have a requester, `site`, `end_customer`,
    `category`, `priority`, `created_at` and `solved_at`. Nothing is imported if any row is bad.
    """
    from infra.ops.cli.imports.history import read_solved_tickets
    from infra.ops.cli.imports.importing import import_file

    return import_file(
        tenant_id, path, read_solved_tickets, lambda store, rows: store.solved_tickets(rows), Output(json_to)
    )
