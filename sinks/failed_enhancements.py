"""What a dead letter leaves behind in `enhancements`: a row that says that it failed and why, instead of `pending` for ever."""

from __future__ import annotations

from infra.runtime.postgres.pool import Pool
from schemas.events import EnhancementSynthesized, Event, TicketEnriched, TicketReceived
from schemas.reasons import Reason
from sinks.postgres.enhancements import Enhancements

OF_ANOTHER = frozenset({Reason.CONFLICTING_DUPLICATE})
"""Here the row is that of the event which came first and counts."""


class FailedEnhancements:
    """Implements `infra.runtime.stream.ports.FailedEvents`. The next webhook with the failed content begins it anew. Events without
    content, such as feedback, concern no enhancement."""

    def __init__(self, pool: Pool) -> None:
        self._enhancements = Enhancements(pool)

    async def failed(self, event: Event, reason: Reason, detail: str) -> None:
        """Nothing happens where a note was posted. Raises PostgresUnavailable when PostgreSQL is away."""
        content, message = _content_hash(event), _message(reason, detail)
        if content is None or reason in OF_ANOTHER:
            return
        await self._enhancements.failed(event.tenant_id, event.ticket_id, content, reason.value, message)


def _content_hash(event: Event) -> str | None:
    if isinstance(event, TicketReceived | TicketEnriched):
        return event.ticket.content_hash
    return event.content_hash if isinstance(event, EnhancementSynthesized) else None


def _message(reason: Reason, detail: str) -> str:
    """Of a traceback the last line, which says what it was; without what PostgreSQL takes for no text."""
    said = detail.strip().rsplit("\n", 1)[-1] if reason is Reason.INTERNAL_ERROR else detail
    return said.encode("utf-8", "replace").decode().replace("\0", "?")
