"""`tenant refusals`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from infra.ops.cli.commands.tenant.store import with_store
from infra.ops.cli.output import JsonCommand, JsonTo, Output, json_option
from infra.ops.cli.tenant_argument import tenant_argument

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenants import TenantStore
    from sinks.postgres.webhook_refusals import Refusal

COLUMNS = ("at", "status", "ticket", "from", "times", "likely cause")


@click.command(cls=JsonCommand)
@tenant_argument("ID")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="At most so many.")
@json_option
def refusals(tenant_id: str, limit: int, json_to: JsonTo) -> int:
    """The last webhooks of the tenant ID that were refused, newest first, each with its likely cause.

    The ticket is what the webhook claimed. The edge keeps 100 and writes them within seconds; of many alike at once it only counts
    those after the tenth.
    """
    from infra.ops.onboarding.refusal_causes import cause
    from schemas.times import rfc3339
    from sinks.postgres.webhook_refusals import WebhookRefusals

    async def read(store: TenantStore, at_work: Acting) -> list[Refusal]:
        await store.show(tenant_id)
        return await WebhookRefusals(at_work.pool).list(tenant_id, limit)

    output, found = Output(json_to), with_store(read, tenant_id)
    as_json = [asdict(one) | {"at": rfc3339(one.at), "cause": cause(one)} for one in found]

    def show() -> None:
        if not found:
            output.say(f"No webhook of {tenant_id} was refused lately.")
            return
        rows = [
            (f"{one.at.astimezone():%d %b %H:%M:%S}", one.status, one.ticket_id or "", one.address or "", one.times, cause(one))
            for one in found
        ]  # fmt: skip
        output.table(COLUMNS, rows)

    output.result({"tenant_id": tenant_id, "refusals": as_json}, show)
    return 0
