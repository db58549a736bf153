"""What opens a tenant's desk: on premises its API key, in the cloud the JSON of an OAuth client. Encrypted at rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from infra.runtime.keys.rings import KeyRing
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_call, tenant_transaction

COLUMN = "servicedesk_api_key"
KEPT_FOR = "7 days"
_RETIRE = f"""
UPDATE servicedesk_credentials SET replaced_at = clock_timestamp(), delete_after = now() + interval '{KEPT_FOR}'
WHERE tenant_id = $1 AND replaced_at IS NULL
"""  # noqa: S608 - a constant of ours
_PREVIOUS = """
SELECT credential_id, credential, created_by, replaced_at, delete_after FROM servicedesk_credentials
WHERE tenant_id = $1 AND replaced_at IS NOT NULL AND delete_after > now() ORDER BY replaced_at DESC LIMIT 1
"""


class NoCredential(LookupError):
    """The tenant has no credential. Give it one with: ticketstream tenant replace-credential."""


class NothingToRollBackTo(LookupError):
    """No credential was replaced within the last 7 days."""


@dataclass(frozen=True, slots=True)
class DeskAccess:
    """What opens a tenant's desk, decrypted, and the PEM certificates that vouch for it (empty: the public ones)."""

    credential: str = field(repr=False)
    ca: str = ""


@dataclass(frozen=True, slots=True)
class InUse:
    """Since when the current credential is used and who gave it; `previous_until` is until when one can roll back, if one can."""

    since: datetime
    by: str
    previous_until: datetime | None


class DeskCredentials:
    """Raises PostgresUnavailable when PostgreSQL is away, KeyRingError when the ring can't open what is stored."""

    def __init__(self, pool: Pool, ring: KeyRing) -> None:
        self._pool, self._ring = pool, ring

    async def get(self, tenant_id: str) -> DeskAccess:
        """The current one, as it was given. Raises NoCredential. Keep it in memory only, and shortly."""
        rows = await tenant_call(self._pool, "SELECT * FROM desk_access($1)", tenant_id)
        if not rows:
            raise NoCredential(f"tenant {tenant_id!r} has no desk credential")
        return DeskAccess(self._opened(rows[0]["stored"], tenant_id), rows[0]["ca"])

    async def previous(self, tenant_id: str) -> str:
        """The one that a roll-back would put back. Raises NothingToRollBackTo."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow(_PREVIOUS, tenant_id)
        if row is None:
            raise NothingToRollBackTo(f"no credential of {tenant_id!r} was replaced within the last {KEPT_FOR}")
        return self._opened(row["credential"], tenant_id)

    async def add(self, connection: Connection, tenant_id: str, credential: str, *, who: str) -> None:
        """Take the place of the current one, which is kept for 7 days, in the caller's tenant transaction."""
        stored = self._ring.encrypt(credential.encode(), tenant_id=tenant_id, column=COLUMN)
        await connection.execute(_RETIRE, tenant_id)
        await connection.execute(
            "INSERT INTO servicedesk_credentials (tenant_id, credential, created_by) VALUES ($1, $2, $3)",
            tenant_id,
            stored,
            who,
        )

    async def roll_back(self, connection: Connection, tenant_id: str, credential: str, *, who: str) -> None:
        """Put the previous one, which is `credential`, back; the current one is kept for 7 days in its stead. In the caller's
        tenant transaction. Raises NothingToRollBackTo, also where somebody else has replaced it meanwhile."""
        row = await connection.fetchrow(f"{_PREVIOUS} FOR UPDATE", tenant_id)
        if row is None or self._opened(row["credential"], tenant_id) != credential:
            raise NothingToRollBackTo(f"the credentials of {tenant_id!r} were changed by somebody else just now")
        await connection.execute(
            "DELETE FROM servicedesk_credentials WHERE tenant_id = $1 AND credential_id = $2",
            tenant_id,
            row["credential_id"],
        )
        await self.add(connection, tenant_id, credential, who=who)

    def _opened(self, stored: str, tenant_id: str) -> str:
        return self._ring.decrypt(stored, tenant_id=tenant_id, column=COLUMN).decode()


async def in_use(connection: Connection, tenant_id: str) -> InUse | None:
    """What may be told of the current credential, in the caller's tenant transaction."""
    current = await connection.fetchrow(
        "SELECT created_at, created_by FROM servicedesk_credentials WHERE tenant_id = $1 AND replaced_at IS NULL",
        tenant_id,
    )
    if current is None:
        return None
    previous = await connection.fetchrow(_PREVIOUS, tenant_id)
    return InUse(current["created_at"], current["created_by"], previous["delete_after"] if previous else None)


async def stored_ca(connection: Connection, tenant_id: str) -> str:
    """The PEM certificates that vouch for the tenant's desk, empty for the public ones, in the caller's tenant transaction."""
    found = await connection.fetchval("SELECT servicedesk_ca FROM tenant_configs WHERE tenant_id = $1", tenant_id)
    return str(found or "")


async def forget_replaced(pool: Pool, tenant_id: str) -> int:
    """Delete the credentials of a tenant that were replaced more than 7 days ago, which is audited; how many there were."""
    rows = await tenant_call(pool, "SELECT forget_replaced_credentials($1) AS forgotten", tenant_id)
    return int(rows[0]["forgotten"])


class CredentialsToFetch:
    """What enrich may know: the credentials of tenants in bearer mode. Raises as DeskCredentials."""

    def __init__(self, pool: Pool, ring: KeyRing) -> None:
        self._pool, self._ring = pool, ring

    async def get(self, tenant_id: str) -> DeskAccess:
        """The current one. Raises NoCredential also for a tenant that isn't in bearer mode."""
        rows = await tenant_call(self._pool, "SELECT * FROM credential_to_fetch($1)", tenant_id)
        if not rows:
            raise NoCredential(f"tenant {tenant_id!r} has no desk credential, or is not in bearer mode")
        opened = self._ring.decrypt(rows[0]["stored"], tenant_id=tenant_id, column=COLUMN).decode()
        return DeskAccess(opened, rows[0]["ca"])
