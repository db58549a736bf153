"""`ticketstream tenant`: a command a file."""

from __future__ import annotations

import click

from infra.ops.cli.commands.tenant.contacts import contacts
from infra.ops.cli.commands.tenant.create import create
from infra.ops.cli.commands.tenant.erase import erase
from infra.ops.cli.commands.tenant.export import export
from infra.ops.cli.commands.tenant.handover import handover
from infra.ops.cli.commands.tenant.refusals import refusals
from infra.ops.cli.commands.tenant.replace_credential import replace_credential
from infra.ops.cli.commands.tenant.rotate_secret import rotate_secret
from infra.ops.cli.commands.tenant.settings import set_
from infra.ops.cli.commands.tenant.show import list_, show
from infra.ops.cli.commands.tenant.switch import disable, enable
from infra.ops.cli.commands.tenant.verify import verify


@click.group()
def tenant() -> None:
    """Create tenants and change their settings."""


tenant.add_command(create)
tenant.add_command(list_)
tenant.add_command(show)
tenant.add_command(set_)
tenant.add_command(enable)
tenant.add_command(disable)
tenant.add_command(rotate_secret)
tenant.add_command(erase)
tenant.add_command(replace_credential)
tenant.add_command(contacts)
tenant.add_command(refusals)
tenant.add_command(handover)
tenant.add_command(verify)
for command in (create, list_, show, set_, enable, disable, rotate_secret, contacts, refusals, export, erase):
    tenant.add_command(command)
