"""What a dead letter leaves behind in `enhancements`: a row that says that it failed and why, instead of `pending` for ever."""

from __future__ import annotations

from infra.runtime.postgres.pool import Pool
from schemas.events import EnhancementSynthesized, Event, TicketEnriched, TicketReceived
from schemas.reasons import Reason
from sinks.postgres.enhancements import Enhancements, Failure

OF_ANOTHER = frozenset({Reason.CONFLICTING_DUPLICATE})
"""Here the row is that of the event which came first and counts."""


class FailedEnhancements:
    """Implements `infra.runtime.stream.ports.FailedEvents`. The next webhook with the failed content begins it anew. Events without
    content, such as feedback, concern no enhancement; nor does one whose content another event answers, such as the webhook that
    our own note raises."""

    def __init__(self, pool: Pool) -> None:
        self._enhancements = Enhancements(pool)

    async def failed(self, event: Event, reason: Reason, detail: str) -> None:
        """Nothing happens where a note was posted. Raises PostgresUnavailable when PostgreSQL is away."""
        if reason not in OF_ANOTHER and (failure := _failure(event, reason.value, _message(reason, detail))):
            await self._enhancements.failed(failure)


def _failure(event: Event, reason: str, message: str) -> Failure | None:
    where = (event.tenant_id, event.ticket_id)
    if isinstance(event, TicketReceived):
        return Failure(*where, event.ticket.content_hash, reason, message, event.event_id)
    if isinstance(event, TicketEnriched):
        return Failure(*where, event.ticket.content_hash, reason, message, event.input_id)
    if isinstance(event, EnhancementSynthesized):
        received_id = event.ticket_received_id or None
        return Failure(*where, event.content_hash, reason, message, received_id, event.enhancement_id)
    return None


def _message(reason: Reason, detail: str) -> str:
    """Of a traceback the last line, which says what it was; without what PostgreSQL takes for no text."""
    said = detail.strip().rsplit("\n", 1)[-1] if reason is Reason.INTERNAL_ERROR else detail
    return said.encode("utf-8", "replace").decode().replace("\0", "?")
