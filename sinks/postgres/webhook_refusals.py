"""The last 100 webhooks of each tenant that the edge refused: when, why, which ticket, from where. Never what was in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_transaction

MOST_OF_A_TENANT = 100
_KEEP = "SELECT keep_refusals($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_LIST = """
SELECT at, status, reason, detail, ticket_id, host(address) AS address, seconds_off, times FROM webhook_refusals
WHERE tenant_id = $1 ORDER BY at DESC, refusal_id LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """`reason` is the edge's word for it. `ticket_id` is what the body claimed, `address` an IP address; `seconds_off` is the
    webhook's timestamp minus our clock where that is more than is allowed. `times`: so many alike came at about that time."""

    at: datetime
    status: int
    reason: str
    detail: str = ""
    ticket_id: str | None = None
    address: str | None = None
    seconds_off: int | None = None
    times: int = 1


class WebhookRefusals:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, refusals: Sequence[tuple[str, Refusal]]) -> None:
        """Refusals with their tenants, in one statement. Those of tenants that there are none of (any more) are passed over."""
        columns = zip(
            *(
                (tenant, r.at, r.status, r.reason, r.detail, r.ticket_id, r.address, r.seconds_off, r.times)
                for tenant, r in refusals
            ),
            strict=True,
        )
        async with connection(self._pool) as connected:  # the function takes one tenant after the other
            await connected.execute(_KEEP, *columns)

    async def list(self, tenant_id: str, limit: int = MOST_OF_A_TENANT) -> list[Refusal]:
        """Newest first."""
        async with tenant_transaction(self._pool, tenant_id) as connected:
            return [Refusal(**row) for row in await connected.fetch(_LIST, tenant_id, limit)]
