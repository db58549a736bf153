"""`tenant list` and `tenant show`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from infra.ops.cli.commands.tenant.store import shown, webhooks, with_store, word, yes
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenant_settings import TenantSettings
    from sinks.postgres.tenants import TenantStore
    from sinks.postgres.webhook_secrets import KnownSecret


@click.command("list", cls=JsonCommand)
@click.option("--due", "by_due", is_flag=True, help="Those first whose webhook secret is due first.")
@json_option
def list_(by_due: bool, json_to: JsonTo) -> int:
    """All tenants that you may touch."""
    from infra.ops.cli.secret_words import in_use, said_of_due, secrets_json

    output, now = Output(json_to), datetime.now(UTC)
    listed = with_store(_listed)
    if by_due:
        listed.sort(key=lambda one: _due(one[1]))

    def show() -> None:
        columns = (
            "tenant", "partition", "enabled", "desk", "form", "jobs", "outside model", "webhooks", "secret due", "in use",
        )  # fmt: skip
        rows = [
            (t.tenant_id, t.partition, yes(t.enabled), t.servicedesk_base_url, t.servicedesk_form, t.max_concurrent_jobs,
             yes(t.external_model), webhooks(t), said_of_due(secrets, now), in_use(secrets).value)
            for t, secrets in listed
        ]  # fmt: skip
        output.table(columns, rows)

    output.result({"tenants": [asdict(one) | secrets_json(secrets, now) for one, secrets in listed]}, show)
    return 0


@click.command(cls=JsonCommand)
@tenant_argument("ID")
@json_option
def show(tenant_id: str, json_to: JsonTo) -> int:
    """The settings of the tenant ID, and where its webhooks go, and which secret its desk uses. Never its secrets."""
    from infra.ops.cli.commands.tenant.sections import all_rows

    async def rows(store: TenantStore, at_work: Acting) -> dict[str, object]:
        return await all_rows(at_work, await store.show(tenant_id))

    output, found = Output(json_to), with_store(rows, tenant_id)
    output.result(found, lambda: _show_rows(output, found))
    return 0


def _show_rows(output: Output, found: dict[str, Any]) -> None:
    """A row a value; settings with what is allowed and who may change them."""
    rules = found["rules"]
    rows = [
        (
            name,
            shown(value),
            *(word(rules[name][what]) if name in rules else "" for what in ("default", "allowed", "approver")),
        )
        for name, value in found.items()
        if name != "rules"
    ]
    output.table(("setting", "value", "default", "allowed", "changed by"), rows)


async def _listed(store: TenantStore, at_work: Acting) -> list[tuple[TenantSettings, list[KnownSecret]]]:
    """Every tenant that the person may touch, with its valid secrets."""
    from sinks.postgres.secret_uses import valid_secrets

    secrets = await valid_secrets(at_work.pool)
    own = [tenant for tenant in await store.list() if at_work.operator.may_touch(tenant.tenant_id)]
    return [(tenant, secrets.get(tenant.tenant_id, [])) for tenant in own]


def _due(secrets: list[KnownSecret]) -> datetime:
    return secrets[0].due if secrets else datetime.max.replace(tzinfo=UTC)
