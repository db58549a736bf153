"""`tenant export`."""

from __future__ import annotations

from pathlib import Path

import click

from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument


@click.command(cls=JsonCommand)
@tenant_argument("ID")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder that isn't there yet, or a file that ends with .zip. Only you may read it.",
)
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--reason", required=True, help="For the audit log: who asked for it, and where.")
@json_option
def export(tenant_id: str, out: Path, form: str, reason: str, json_to: JsonTo) -> int:
    """Write all data of the tenant ID for the tenant: a file a kind, and manifest.json with counts and SHA-256.

    Without secrets. JSON lines are exact; in CSV an apostrophe stands before what a spreadsheet would take for a formula.
    """
    from infra.ops.cli.running import run_async
    from infra.ops.cli.tenant_export import export_tenant
    from infra.ops.leaving.tables import Format

    output = Output(json_to)
    manifest = run_async(lambda: export_tenant(tenant_id, out, Format(form), reason, output))

    def show() -> None:
        output.table(("file", "rows", "bytes"), [(one["name"], one["rows"], one["bytes"]) for one in manifest["files"]])
        output.say(f"{out} holds all of {tenant_id}'s data. Hand it over by a safe way, and delete it.")

    output.result(manifest | {"out": str(out)}, show)
    return 0
