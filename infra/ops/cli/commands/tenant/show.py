"""`tenant list` and `tenant show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from infra.ops.cli.commands.tenant.store import shown, with_store, yes
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenant_settings import TenantSettings
    from sinks.postgres.tenants import TenantStore


@click.command("list", cls=JsonCommand)
@json_option
def list_(json_to: JsonTo) -> int:
    """All tenants."""
    output = Output(json_to)
    tenants: list[TenantSettings] = with_store(lambda store, _: store.list())

    def show() -> None:
        columns = ("tenant", "partition", "enabled", "desk", "form", "jobs", "outside model")
        rows = [
            (t.tenant_id, t.partition, yes(t.enabled), t.servicedesk_base_url, t.servicedesk_form, t.max_concurrent_jobs,
             yes(t.external_model))
            for t in tenants
        ]  # fmt: skip
        output.table(columns, rows)

    output.result({"tenants": [asdict(one) for one in tenants]}, show)
    return 0


@click.command(cls=JsonCommand)
@tenant_argument("ID")
@json_option
def show(tenant_id: str, json_to: JsonTo) -> int:
    """The settings of the tenant ID, and where its webhooks go. Never its secrets."""
    from infra.ops.cli.commands.tenant.sections import all_rows

    async def rows(store: TenantStore, at_work: Acting) -> dict[str, object]:
        return await all_rows(at_work, await store.show(tenant_id))

    output, found = Output(json_to), with_store(rows, tenant_id)
    output.result(
        found, lambda: output.table(("setting", "value"), [(name, shown(value)) for name, value in found.items()])
    )
    return 0
