"""Who did what, when, and why. Append only: no service may change or delete a row."""

from __future__ import annotations

from dataclasses import dataclass

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction

MASKED = "***"
"""Stands for a secret, old or new."""
PLATFORM = "-platform"
"""Stands in place of a tenant for what concerns none or several. No tenant is called so: an id begins with a letter or digit."""


@dataclass(frozen=True, slots=True)
class Audited:
    """`who` is a person or a service, `role` the person's (support or engineer; empty for services); `subject` is what was touched;
    secrets stand as MASKED; `reason` has the support ticket's number, `consent` the client's, where content was looked at."""

    tenant_id: str
    who: str
    operation: str
    subject: str = ""
    old_value: str | None = None
    new_value: str | None = None
    reason: str = ""
    role: str = ""
    consent: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes something of a tenant, in which role, and why; `agreed_by` names who agreed to an outside model, where that is
    switched on."""

    who: str
    reason: str = ""
    agreed_by: str | None = None
    role: str = ""

    def entry(
        self, tenant_id: str, operation: str, subject: str, old_value: str | None = None, new_value: str | None = None
    ) -> Audited:
        """The entry for one thing that was changed."""
        return Audited(tenant_id, self.who, operation, subject, old_value, new_value, self.reason, self.role)


async def write(connection: Connection, entry: Audited) -> None:
    """In the caller's tenant transaction, so that a change and its entry are written together or not at all."""
    await connection.execute(
        """INSERT INTO audit_log (tenant_id, who, operation, subject, old_value, new_value, reason, role, consent)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        entry.tenant_id, entry.who, entry.operation, entry.subject, entry.old_value, entry.new_value, entry.reason, entry.role,
        entry.consent,
    )  # fmt: skip


class AuditLog:
    """For what changes no row of its own, e.g. somebody looked at a tenant's data."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def write(self, entry: Audited) -> None:
        async with tenant_transaction(self._pool, entry.tenant_id) as connection:
            await write(connection, entry)
