"""`tenant contacts`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from infra.ops.cli.commands.tenant.settings import SetCommand
from infra.ops.cli.commands.tenant.store import reason_option, with_store
from infra.ops.cli.output import JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenant_contacts import Contact, ContactKind
    from sinks.postgres.tenants import TenantStore


@click.command(cls=SetCommand)
@tenant_argument("ID")
@click.argument("given", nargs=-1, metavar="[KIND='NAME <E-MAIL> PHONE' …]")
@reason_option
@json_option
def contacts(tenant_id: str, given: tuple[str, ...], reason: str, json_to: JsonTo) -> int:
    """Whom to ask at the tenant ID, and to change that: KIND is technical, executive or sdp_administrator.

    technical='Jo Doe <jo.doe@customer.example> +49 30 1234' puts a contact in the place of the one before; technical= takes it
    away. Audited, without the persons' names.
    """
    from infra.ops.cli.tenancy import pairs
    from sinks.postgres.tenant_contacts import ContactKind, TenantContacts, parse_contacts

    async def work(store: TenantStore, at_work: Acting) -> dict[ContactKind, Contact]:
        await store.show(tenant_id)
        changed, kept = parse_contacts(pairs(given)), TenantContacts(at_work.pool)
        if changed:
            await kept.set(tenant_id, changed, at_work.operator.change(reason))
        return await kept.of(tenant_id)

    output, found = Output(json_to), with_store(work, tenant_id)
    as_json = {kind.value: asdict(found[kind]) if kind in found else None for kind in ContactKind}
    rows = [(kind.value, found[kind].line if kind in found else "-") for kind in ContactKind]
    output.result({"tenant_id": tenant_id, "contacts": as_json}, lambda: output.table(("contact", "who"), rows))
    return 0
