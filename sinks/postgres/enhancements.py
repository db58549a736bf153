"""The table `enhancements`: which content of which ticket was answered, is being answered, or couldn't be, and by what."""

from __future__ import annotations

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.events import EnhancementSynthesized, TicketReceived
from schemas.reasons import Reason
from sinks.postgres.tickets import alone_with

_BEGIN = """
INSERT INTO enhancements AS kept (tenant_id, ticket_id, content_hash, event_id, received_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, ticket_id, content_hash) DO UPDATE SET event_id = excluded.event_id, received_at = excluded.received_at,
    status = 'pending', reason = NULL, error_message = NULL, updated_at = now()
WHERE kept.status IN ('dropped', 'failed')
"""
_OWNER = "SELECT event_id::text FROM enhancements WHERE tenant_id = $1 AND ticket_id = $2 AND content_hash = $3"
_SYNTHESIZED = """
UPDATE enhancements SET enhancement_id = $4, writer = $5, model = $6, prompt_version = $7, prompt_tokens = $8,
    completion_tokens = $9, cost_usd = $10, degraded = $11, synthesized_at = $12, updated_at = now()
WHERE tenant_id = $1 AND ticket_id = $2 AND content_hash = $3
"""
_POSTED = """
UPDATE enhancements SET status = 'success', note_id = $4, error_message = NULL, reason = NULL,
    posted_at = coalesce(posted_at, now()), updated_at = now()
WHERE tenant_id = $1 AND ticket_id = $2 AND content_hash = $3
"""
_ENDED = """
UPDATE enhancements SET status = $4, reason = $5, error_message = $6, updated_at = now()
WHERE tenant_id = $1 AND ticket_id = $2 AND content_hash = $3 AND status <> 'success'
"""
_OVERTAKEN = "SELECT EXISTS (SELECT FROM tickets WHERE tenant_id = $1 AND ticket_id = $2 AND content_hash <> $3)"
MAX_MESSAGE = 4000


class Enhancements:
    """Every method may be repeated. Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, event: TicketReceived) -> bool:
        """Note down that this event's content is being answered. False if another event's row for it is there; the row that
        this same event wrote doesn't count, nor one that ended without a note: a ticket edited there and back is answered."""
        where = (event.tenant_id, event.ticket_id, event.ticket.content_hash)
        async with tenant_transaction(self._pool, event.tenant_id) as connection:
            await connection.execute(_BEGIN, *where, event.event_id, event.received_at)
            owner: str | None = await connection.fetchval(_OWNER, *where)
            return owner == event.event_id

    async def synthesized(self, event: EnhancementSynthesized) -> None:
        """What wrote the text, and what it took."""
        async with tenant_transaction(self._pool, event.tenant_id) as connection:
            await connection.execute(
                _SYNTHESIZED, event.tenant_id, event.ticket_id, event.content_hash, event.enhancement_id, event.writer.value,
                event.model, event.prompt_version, event.usage.prompt_tokens, event.usage.completion_tokens, event.usage.cost_usd,
                event.degraded, event.synthesized_at,
            )  # fmt: skip

    async def posted(self, tenant_id: str, ticket_id: str, content_hash: str, note_id: str) -> None:
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(_POSTED, tenant_id, ticket_id, content_hash, note_id)

    async def dropped(self, tenant_id: str, ticket_id: str, content_hash: str, reason: str) -> None:
        """Nothing went wrong, but there is no note: the ticket is gone, closed or says something else now. The last is asked again
        and noted down only if it is still so, see `superseded`."""
        if reason == Reason.SUPERSEDED.value:
            await self.superseded(tenant_id, ticket_id, content_hash)
        else:
            await self._ended(tenant_id, ticket_id, content_hash, "dropped", reason, None)

    async def superseded(self, tenant_id: str, ticket_id: str, content_hash: str) -> bool:
        """Note down that there is no note because the ticket says something else now. False, and nothing noted, if it says just
        this: then the event is to be answered after all.

        A ticket edited there and back gets its note by the event of the edit back, which takes over what is noted down here as
        dropped, or by the first event, which goes on because of this answer. `Tickets.store` waits for this transaction and this
        one for it, so one of the two is sure."""
        where = (tenant_id, ticket_id, content_hash)
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await alone_with(connection, tenant_id, ticket_id)
            if not await connection.fetchval(_OVERTAKEN, *where):
                return False
            await connection.execute(_ENDED, *where, "dropped", Reason.SUPERSEDED.value, None)
            return True

    async def failed(self, tenant_id: str, ticket_id: str, content_hash: str, reason: str, message: str) -> None:
        await self._ended(tenant_id, ticket_id, content_hash, "failed", reason, message[:MAX_MESSAGE])

    async def _ended(
        self, tenant_id: str, ticket_id: str, content_hash: str, status: str, reason: str, message: str | None
    ) -> None:
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(_ENDED, tenant_id, ticket_id, content_hash, status, reason, message)
