"""`ticketstream inventory`: import network inventory."""

from __future__ import annotations

from pathlib import Path

import click

from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument


@click.group()
def inventory() -> None:
    """Import network inventory."""


@inventory.command("import", cls=JsonCommand)
@tenant_argument()
@click.argument("path", metavar="FILE", type=click.Path(exists=True, path_type=Path, dir_okay=False))
@json_option
def import_(tenant_id: str, path: Path, json_to: JsonTo) -> int:
    """Import devices and networks for TENANT: a CSV file or JSON lines.

    A row has `asset_id`, `address` (an IP address, or a network in CIDR notation) and `kind`, and may have `hostname`, `site`,
    `end_customer`, `role` and `notes`. Nothing is imported if any row is bad.
    """
    from infra.ops.cli.imports.importing import import_file
    from infra.ops.cli.imports.inventory import read_devices

    return import_file(tenant_id, path, read_devices, lambda store, rows: store.devices(rows), Output(json_to))
