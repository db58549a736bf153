"""What opens a tenant's desk: on premises its API key, in the cloud the JSON of an OAuth client. Encrypted at rest."""

from __future__ import annotations

from infra.runtime.keys.rings import KeyRing
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_call

COLUMN = "servicedesk_api_key"


class NoCredential(LookupError):
    """The tenant has no credential. Give it one with: ticketstream tenant replace-credential."""


class DeskCredentials:
    """Raises PostgresUnavailable when PostgreSQL is away, KeyRingError when the ring can't open what is stored."""

    def __init__(self, pool: Pool, ring: KeyRing) -> None:
        self._pool, self._ring = pool, ring

    async def get(self, tenant_id: str) -> str:
        """The current credential, as it was given. Raises NoCredential. Keep it in memory only, and shortly."""
        rows = await tenant_call(self._pool, "SELECT * FROM desk_credential($1)", tenant_id)
        if not rows:
            raise NoCredential(f"tenant {tenant_id!r} has no desk credential")
        return self._ring.decrypt(rows[0]["stored"], tenant_id=tenant_id, column=COLUMN).decode()

    async def add(self, connection: Connection, tenant_id: str, credential: str, *, who: str) -> None:
        """Take the place of the current one, which is kept for 7 days, in the caller's tenant transaction."""
        stored = self._ring.encrypt(credential.encode(), tenant_id=tenant_id, column=COLUMN)
        await connection.execute(
            """UPDATE servicedesk_credentials SET replaced_at = clock_timestamp(), delete_after = now() + interval '7 days'
               WHERE tenant_id = $1 AND replaced_at IS NULL""",
            tenant_id,
        )
        await connection.execute(
            "INSERT INTO servicedesk_credentials (tenant_id, credential, created_by) VALUES ($1, $2, $3)",
            tenant_id,
            stored,
            who,
        )
