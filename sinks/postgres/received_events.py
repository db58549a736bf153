"""Which webhooks' events were received, where they stood, and whether they are done with: how a copy is told from a redelivery."""

from __future__ import annotations

from enum import StrEnum

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from infra.runtime.stream.record import Position
from schemas.events import TicketReceived


class Admission(StrEnum):
    FRESH = "fresh"
    COPY = "copy"
    CONFLICT = "conflict"


_INSERT = """
INSERT INTO received_events (tenant_id, event_id, ticket_id, kind, topic, partition, record_offset, body_hash, received_at,
    replay_of)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (tenant_id, event_id) DO NOTHING RETURNING event_id
"""
_READ = """
SELECT topic, partition, record_offset, body_hash, published FROM received_events
WHERE tenant_id = $1 AND event_id = $2 FOR UPDATE
"""
_MOVE = """
UPDATE received_events SET topic = $3, partition = $4, record_offset = $5, updated_at = now() WHERE tenant_id = $1 AND event_id = $2
"""
_MARK = """
UPDATE received_events SET published = true, outcome = coalesce(outcome, $3), reason = coalesce(reason, $4), updated_at = now()
WHERE tenant_id = $1 AND event_id = $2
"""


class ReceivedEvents:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def admit(self, event: TicketReceived, position: Position, body_hash: str) -> Admission:
        """FRESH: never seen, or seen at this position, or seen elsewhere and not done with: handle it. COPY: it stood elsewhere,
        had the same body and is done with. CONFLICT: the same id stood elsewhere with another body.

        Dropping whatever has a row would lose the event whose worker died between the row and its output. What stands at its own
        position is the same record, whatever its hash: another release may make another hash of it."""
        where = (position.topic, position.partition, position.offset)
        async with tenant_transaction(self._pool, event.tenant_id) as connection:
            inserted = await connection.fetchval(
                _INSERT,
                event.tenant_id,
                event.event_id,
                event.ticket_id,
                event.kind.value,
                *where,
                body_hash,
                event.received_at,
                event.replay_of,
            )
            if inserted is not None:
                return Admission.FRESH
            row = await connection.fetchrow(_READ, event.tenant_id, event.event_id)
            if row is None:
                raise LookupError("an event that was just received is gone: its tenant was erased meanwhile")
            if (row["topic"], row["partition"], row["record_offset"]) == where:
                return Admission.FRESH
            if row["body_hash"] != body_hash:
                return Admission.CONFLICT
            if row["published"]:
                return Admission.COPY
            await connection.execute(_MOVE, event.tenant_id, event.event_id, *where)
            return Admission.FRESH

    async def mark(self, tenant_id: str, event_id: str, outcome: str, reason: str | None) -> None:
        """The event is done with: `outcome` is "published" or "dropped". May be said again; the first word stays."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(_MARK, tenant_id, event_id, outcome, reason)
