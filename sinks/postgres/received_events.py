"""Which webhooks' events were received, where they stood, and whether they are done with: how a copy is told from a redelivery."""

from __future__ import annotations

from enum import StrEnum

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_call
from infra.runtime.stream.record import Position
from schemas.events import TicketReceived


class Admission(StrEnum):
    FRESH = "fresh"
    COPY = "copy"
    CONFLICT = "conflict"


_ADMIT = "SELECT admit_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_MARK = "SELECT mark_event($1, $2, $3, $4)"


class ReceivedEvents:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def admit(self, event: TicketReceived, position: Position, body_hash: str) -> Admission:
        """FRESH: never seen, or seen at this position, or seen elsewhere and not done with: handle it. COPY: it stood elsewhere,
        had the same body and is done with. CONFLICT: the same id stood elsewhere with another body.

        Dropping whatever has a row would lose the event whose worker died between the row and its output. What stands at its own
        position is the same record, whatever its hash: another release may make another hash of it."""
        rows = await tenant_call(
            self._pool, _ADMIT, event.tenant_id, event.event_id, event.ticket_id, event.kind.value, position.topic,
            position.partition, position.offset, body_hash, event.received_at, event.replay_of,
        )  # fmt: skip
        return admission(rows[0][0])

    async def mark(self, tenant_id: str, event_id: str, outcome: str, reason: str | None) -> None:
        """The event is done with: `outcome` is "published" or "dropped". May be said again; the first word stays."""
        await tenant_call(self._pool, _MARK, tenant_id, event_id, outcome, reason)


def admission(said: str | None) -> Admission:
    """What the database's `admit_event` says."""
    if said is None:
        raise LookupError("an event that was just received is gone: its tenant was erased meanwhile")
    return Admission(said)
