"""`ticketstream knowledge`: import knowledge articles."""

from __future__ import annotations

from pathlib import Path

import click

from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument


@click.group()
def knowledge() -> None:
    """Import knowledge articles."""


@knowledge.command("import", cls=JsonCommand)
@tenant_argument()
@click.argument("path", metavar="FILE|FOLDER", type=click.Path(exists=True, path_type=Path))
@json_option
def import_(tenant_id: str, path: Path, json_to: JsonTo) -> int:
    """Import articles for TENANT: a folder of Markdown files with front matter, a CSV file, or JSON lines.

    An article has `id`, `title` and a body, and may have `topic`, `keywords`, `end_customer` and `link`. One with an id that is
    there already is replaced. Nothing is imported if any row is bad.
    """
    from infra.ops.cli.imports.importing import import_file
    from infra.ops.cli.imports.knowledge import read_articles

    return import_file(tenant_id, path, read_articles, lambda store, rows: store.articles(rows), Output(json_to))
