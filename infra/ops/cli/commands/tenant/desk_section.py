"""The section of `tenant show` about the tenant's desk: whose credential since when, and which certificates vouch for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.runtime.postgres.tenant import tenant_transaction
from schemas.times import rfc3339
from sinks.postgres.credentials import InUse, in_use, stored_ca
from sinks.postgres.tenant_settings import CA, told

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from infra.ops.cli.commands.tenant.sections import Rows
    from sinks.postgres.tenant_settings import TenantSettings


async def desk(at_work: Acting, tenant: TenantSettings) -> Rows:
    async with tenant_transaction(at_work.pool, tenant.tenant_id) as connection:
        used = await in_use(connection, tenant.tenant_id)
        ca = await stored_ca(connection, tenant.tenant_id)
    return {"servicedesk_credential": None if used is None else _told(used), CA: told(CA, ca)}


def _told(used: InUse) -> dict[str, str | None]:
    until = used.previous_until
    return {
        "since": rfc3339(used.since, "seconds"),
        "by": used.by,
        "roll-back until": rfc3339(until, "seconds") if until else None,
    }
