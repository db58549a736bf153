"""When each webhook secret was last used, as the edges note it, and what operators see of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection
from sinks.postgres.webhook_secrets import KnownSecret, known_secret

_NOTE = "SELECT note_secret_uses($1, $2, $3, $4, $5)"


@dataclass(frozen=True, slots=True)
class SecretUse:
    """So many good signatures of one secret, the first and the last at these times."""

    tenant_id: str
    secret_id: str
    first_at: datetime
    last_at: datetime
    count: int


class SecretUseStore:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def note(self, uses: Sequence[SecretUse]) -> None:
        """All in one statement; those of secrets that are gone are passed over."""
        async with connection(self._pool) as connected:
            await connected.execute(
                _NOTE,
                [use.tenant_id for use in uses],
                [UUID(use.secret_id) for use in uses],
                [use.first_at for use in uses],
                [use.last_at for use in uses],
                [use.count for use in uses],
            )


async def valid_secrets(pool: Pool) -> dict[str, list[KnownSecret]]:
    """Every tenant's valid secrets, the current one first. For operators."""
    found: dict[str, list[KnownSecret]] = {}
    async with connection(pool) as connected:
        for row in await connected.fetch("SELECT * FROM webhook_secrets_overview()"):
            found.setdefault(row["tenant_id"], []).append(known_secret(dict(row)))
    return found
