"""How far each tenant's desk was compared with what arrived, and which of its tickets did arrive."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres import audit_log
from sinks.postgres.audit_log import Audited

MAX_ERROR = 1000

_ENSURE = """
INSERT INTO reconcile_state (tenant_id, first, listed_until)
SELECT tenant_id, created_at, created_at FROM tenant_configs WHERE tenant_id = $1 ON CONFLICT (tenant_id) DO NOTHING
"""
_LEASE = """
UPDATE reconcile_state SET lease_id = $2, leased_until = now() + $3 * interval '1 second'
WHERE tenant_id = $1 AND (leased_until IS NULL OR leased_until < now()) RETURNING listed_until, first, not_before
"""
_RENEW = """
UPDATE reconcile_state SET leased_until = now() + $3 * interval '1 second' WHERE tenant_id = $1 AND lease_id = $2
RETURNING tenant_id
"""
_RELEASE = "UPDATE reconcile_state SET lease_id = NULL, leased_until = NULL WHERE tenant_id = $1 AND lease_id = $2"
_END = """
UPDATE reconcile_state SET lease_id = NULL, leased_until = NULL, last_run_at = now(), listed_until = $3,
    first = $4, not_before = $5,
    last_result = $6, last_error = $7, listed = $8, known = $9, fed_in = $10, too_young = $11, closed = $12, failed = $13
WHERE tenant_id = $1 AND lease_id = $2
"""
_ARRIVED = """
SELECT ticket_id FROM received_events WHERE tenant_id = $1 AND ticket_id = ANY($2)
UNION SELECT ticket_id FROM tickets WHERE tenant_id = $1 AND ticket_id = ANY($2) AND record_offset >= 0
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a run goes on: `listed_until` by the desk's clock, `not_before` when the desk wants to be asked again, by ours. No
    ticket from before `first` is fed in."""

    listed_until: datetime
    first: datetime
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Of a run's tickets. `listed` is the sum of the others where the run came to its end."""

    listed: int = 0
    known: int = 0
    fed_in: int = 0
    too_young: int = 0
    closed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """What is kept of a run. `audited` is what the audit log is to say, if anything."""

    listed_until: datetime
    first: datetime
    result: str
    counts: Counts
    not_before: datetime | None = None
    error: str = ""
    audited: tuple[Audited, ...] = field(default=())


class ReconcileState:
    """One run a tenant at a time, whoever runs it. Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, tenant_id: str, lease_id: str, seconds: float) -> Begun | None:
        """Take the tenant for so many seconds; None if another run has it, or there is no such tenant. A first run begins at the
        tenant's creation."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(_ENSURE, tenant_id)
            row = await connection.fetchrow(_LEASE, tenant_id, lease_id, seconds)
        return Begun(row["listed_until"], row["first"], row["not_before"]) if row else None

    async def renew(self, tenant_id: str, lease_id: str, seconds: float) -> bool:
        """False if another run has taken the tenant meanwhile: stop."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            return await connection.fetchval(_RENEW, tenant_id, lease_id, seconds) is not None

    async def release(self, tenant_id: str, lease_id: str) -> None:
        """Give the tenant back and change nothing."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(_RELEASE, tenant_id, lease_id)

    async def end(self, tenant_id: str, lease_id: str, ended: Ended) -> None:
        """Keep what came of the run and give the tenant back. What a run that lost its tenant did is audited, no more."""
        counts = ended.counts
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(
                _END, tenant_id, lease_id, ended.listed_until, ended.first, ended.not_before, ended.result,
                ended.error[:MAX_ERROR], counts.listed, counts.known, counts.fed_in, counts.too_young, counts.closed, counts.failed,
            )  # fmt: skip
            for entry in ended.audited:
                await audit_log.write(connection, entry)

    async def arrived(self, tenant_id: str, ticket_ids: Collection[str]) -> frozenset[str]:
        """Those of the tickets of which any event was ever handled here; imported history doesn't count."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(_ARRIVED, tenant_id, list(ticket_ids))
        return frozenset(row["ticket_id"] for row in rows)
