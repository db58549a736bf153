"""`tenant list` and `tenant show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from infra.ops.cli.commands.tenant.store import with_store, word, yes
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from sinks.postgres.tenant_settings import TenantSettings


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
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.cli.tenancy import secret_due

    around, output = Surroundings.find(), Output(json_to)
    found = asdict(with_store(lambda store, _: store.show(tenant_id), tenant_id))
    found |= {
        "webhook_url": around.webhook_url(tenant_id),
        "webhook_secret_due": run_async(lambda: secret_due(around, tenant_id)),
    }
    output.result(
        found, lambda: output.table(("setting", "value"), [(name, word(value)) for name, value in found.items()])
    )
    return 0
