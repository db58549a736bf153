"""`ticketstream tenant`: a command a file."""

from __future__ import annotations

import click

from infra.ops.cli.commands.tenant.create import create
from infra.ops.cli.commands.tenant.erase import erase
from infra.ops.cli.commands.tenant.settings import set_
from infra.ops.cli.commands.tenant.show import list_, show
from infra.ops.cli.commands.tenant.switch import disable, enable


@click.group()
def tenant() -> None:
    """Create tenants and change their settings."""


for command in (create, list_, show, set_, enable, disable, erase):
    tenant.add_command(command)
