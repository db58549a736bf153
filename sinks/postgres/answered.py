"""What was answered already, asked for many at once: so that a replay leaves alone what would only be dropped."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction

_NOTES = """
SELECT e.ticket_id, e.content_hash FROM enhancements e
JOIN unnest($2::text[], $3::text[]) AS asked(ticket_id, content_hash) USING (ticket_id, content_hash)
WHERE e.tenant_id = $1 AND e.status = 'success'
"""
_FEEDBACK = "SELECT input_id::text AS id FROM feedback_aggregates WHERE tenant_id = $1 AND input_id = ANY($2::uuid[])"


class Answered:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def with_note(self, tenant_id: str, contents: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of these pairs of ticket id and content hash, those whose note is on the ticket."""
        if not contents:
            return set()
        tickets, hashes = zip(*contents, strict=True)
        async with tenant_transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(_NOTES, tenant_id, list(tickets), list(hashes))
        return {(row["ticket_id"], row["content_hash"]) for row in rows}

    async def aggregated(self, tenant_id: str, feedback_ids: Collection[str]) -> set[str]:
        """Of these answers of technicians, those that count in the tenant's aggregate."""
        if not feedback_ids:
            return set()
        async with tenant_transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(_FEEDBACK, tenant_id, [UUID(one) for one in feedback_ids])
        return {row["id"] for row in rows}
