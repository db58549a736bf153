"""The table `enhancements`: which content of which ticket was answered, is being answered, or couldn't be, and by what."""

from __future__ import annotations

from dataclasses import dataclass

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_call
from schemas.events import EnhancementSynthesized, TicketReceived
from schemas.reasons import Reason

_BEGIN = "SELECT begin_enhancement($1, $2, $3, $4, $5, $6)"
_ANOTHERS = "SELECT anothers_enhancement($1, $2, $3, $4)"
_LIMIT = "SELECT limit_enhancement($1, $2, $3, $4, $5)"
_SUPERSEDE = "SELECT supersede_enhancement($1, $2, $3, $4)"
_SYNTHESIZED = "SELECT enhancement_synthesized($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
_POSTED = "SELECT enhancement_posted($1, $2, $3, $4)"
_DROPPED = "SELECT enhancement_dropped($1, $2, $3, $4)"
_FAILED = "SELECT enhancement_failed($1, $2, $3, $4, $5, $6, $7)"
MAX_MESSAGE = 4000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no enhancement of a ticket's content. `received_id` is the TicketReceived event that it was to answer; only
    where that isn't known (an event of an earlier release) `enhancement_id` tells whose row it is."""

    tenant_id: str
    ticket_id: str
    content_hash: str
    reason: str
    message: str
    received_id: str | None
    enhancement_id: str | None = None


class Enhancements:
    """Every method may be repeated. Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, event: TicketReceived) -> bool:
        """Note down that this event's content is being answered. False if another event's row for it is there; the row that
        this same event wrote doesn't count, nor one that ended without a note: a ticket edited there and back is answered.
        A replay takes over also what the event that it repeats, or an earlier replay of that, began and never ended."""
        rows = await tenant_call(self._pool, _BEGIN, *_where(event), event.event_id, event.received_at, event.replay_of)
        return bool(rows[0][0])

    async def anothers(self, event: TicketReceived) -> bool:
        """Whether this event's content was answered, or is being answered, for another event. Notes down nothing."""
        rows = await tenant_call(self._pool, _ANOTHERS, *_where(event), event.event_id)
        return bool(rows[0][0])

    async def limited(self, event: TicketReceived, notes: int) -> bool:
        """Whether the ticket got so many notes about other content within 24 hours, by PostgreSQL's clock; if so, notes down that
        there is none for this content, until an event with it comes later.

        What is under way doesn't count: it is older than this event, so it is overtaken, and what the ticket says now would be
        left without a note for one that is never written. Whoever posts counts again, and for sure."""
        rows = await tenant_call(self._pool, _LIMIT, *_where(event), notes, Reason.NOTE_LIMIT.value)
        return bool(rows[0][0])

    async def synthesized(self, event: EnhancementSynthesized) -> None:
        """What wrote the text, and what it took."""
        where = (event.tenant_id, event.ticket_id, event.content_hash)
        await tenant_call(self._pool, _SYNTHESIZED, *where, *written_by(event))

    async def posted(self, tenant_id: str, ticket_id: str, content_hash: str, note_id: str) -> None:
        await tenant_call(self._pool, _POSTED, tenant_id, ticket_id, content_hash, note_id)

    async def dropped(self, tenant_id: str, ticket_id: str, content_hash: str, reason: str) -> None:
        """Nothing went wrong, but there is no note: the ticket is gone, closed or says something else now. The last is asked again
        and noted down only if it is still so, see `superseded`."""
        await tenant_call(self._pool, _DROPPED, tenant_id, ticket_id, content_hash, reason)

    async def superseded(self, tenant_id: str, ticket_id: str, content_hash: str) -> bool:
        """Note down that there is no note because the ticket says something else now. False, and nothing noted, if it says just
        this: then the event is to be answered after all.

        A ticket edited there and back gets its note by the event of the edit back, which takes over what is noted down here as
        dropped, or by the first event, which goes on because of this answer. `Tickets.store` waits for this transaction and this
        one for it, so one of the two is sure."""
        rows = await tenant_call(self._pool, _SUPERSEDE, tenant_id, ticket_id, content_hash, Reason.SUPERSEDED.value)
        return bool(rows[0][0])

    async def failed(self, failure: Failure) -> None:
        """Nothing happens where a note was posted, nor where the content is being answered for another event by now."""
        await tenant_call(
            self._pool, _FAILED, failure.tenant_id, failure.ticket_id, failure.content_hash, failure.reason,
            failure.message[:MAX_MESSAGE], failure.received_id, failure.enhancement_id,
        )  # fmt: skip


def written_by(event: EnhancementSynthesized) -> tuple[object, ...]:
    """What wrote an enhancement, and what it took, as the database's functions take it."""
    usage = event.usage
    return (
        event.enhancement_id, event.writer.value, event.model, event.prompt_version, usage.prompt_tokens, usage.completion_tokens,
        usage.cost_usd, event.degraded, event.synthesized_at,
    )  # fmt: skip


def _where(event: TicketReceived) -> tuple[str, str, str]:
    return event.tenant_id, event.ticket_id, event.ticket.content_hash
