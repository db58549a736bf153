"""Who did what, when, and why. Append only: no service may change or delete a row."""

from __future__ import annotations

from dataclasses import dataclass

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction

MASKED = "***"
"""Stands for a secret, old or new."""


@dataclass(frozen=True, slots=True)
class Audited:
    """`who` is a person or a service; `subject` is what was touched; secrets stand as MASKED."""

    tenant_id: str
    who: str
    operation: str
    subject: str = ""
    old_value: str | None = None
    new_value: str | None = None
    reason: str = ""


async def write(connection: Connection, entry: Audited) -> None:
    """In the caller's tenant transaction, so that a change and its entry are written together or not at all."""
    await connection.execute(
        """INSERT INTO audit_log (tenant_id, who, operation, subject, old_value, new_value, reason)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        entry.tenant_id, entry.who, entry.operation, entry.subject, entry.old_value, entry.new_value, entry.reason,
    )  # fmt: skip


class AuditLog:
    """For what changes no row of its own, e.g. somebody looked at a tenant's data."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def write(self, entry: Audited) -> None:
        async with tenant_transaction(self._pool, entry.tenant_id) as connection:
            await write(connection, entry)
