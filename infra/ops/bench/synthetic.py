"""Events as they travel in production, as many as wanted: of a realistic size, every ticket another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle
from uuid import uuid4

from infra.ops.bench.ingest import DESCRIPTION
from schemas import ids
from schemas.events import (
    ContextItem,
    EnhancementSynthesized,
    FeedbackSubmitted,
    FeedbackType,
    Requester,
    Ticket,
    TicketEnriched,
    TicketKind,
    TicketReceived,
    Writer,
)

FIRST_TICKET_ID = 7_000_000
CONTEXT_ITEMS = 8
EXCERPT = (DESCRIPTION * 5)[:1100]
ENVELOPE_BYTES = 500
"""What an event takes beside the text that fills it."""
MAX_COMMENT = 2000


def received(tenants: Sequence[str], count: int, *, text_bytes: int = 900, first: int = 0) -> Iterator[TicketReceived]:
    """The tenants in turn. `text_bytes` is the size of the description."""
    at = datetime.now(UTC).replace(microsecond=0)
    for number, tenant_id in zip(range(first, first + count), cycle(tenants), strict=False):
        ticket_id = str(FIRST_TICKET_ID + number)
        text = f"Reference {number}. " + (DESCRIPTION * (text_bytes // len(DESCRIPTION) + 1))[:text_bytes]
        ticket = Ticket(
            ticket_id=ticket_id,
            subject=f"Labels are cut in half ({tenant_id}, {number})",
            description=text,
            requester=Requester("71", "Cold Store", "cold.store@customer.example"),
            site="Harbour",
            category="Printing",
            priority="High",
            status="Open",
        )
        event_id = ids.of_webhook(tenant_id, str(uuid4()))
        yield TicketReceived(event_id, tenant_id, TicketKind.CREATED, ticket, received_at=at)


def enriched(
    tenants: Sequence[str], count: int, *, text_bytes: int = 900, first: int = 0, items: int = CONTEXT_ITEMS
) -> Iterator[TicketEnriched]:
    """With eight items of context each, about 11 kB."""
    context = tuple(
        ContextItem(
            "docs", "article", f"KB-{2000 + number}", f"Label printers, part {number}", EXCERPT, 5.0 - number / 10
        )
        for number in range(items)
    )
    for event in received(tenants, count, text_bytes=text_bytes, first=first):
        yield TicketEnriched.following(event, context=context, missing=(), took_ms={"total": 300}, at=event.received_at)


def synthesized(tenants: Sequence[str], count: int, *, text_bytes: int = 3000) -> Iterator[EnhancementSynthesized]:
    for event in enriched(tenants, count, items=0):
        event_id, enhancement_id = EnhancementSynthesized.ids_for(event)
        yield EnhancementSynthesized(
            event_id=event_id,
            input_id=event.event_id,
            tenant_id=event.tenant_id,
            ticket_id=event.ticket_id,
            enhancement_id=enhancement_id,
            text=(DESCRIPTION * (text_bytes // len(DESCRIPTION) + 1))[:text_bytes],
            citations=(),
            writer=Writer.BUILTIN,
            content_hash=event.ticket.content_hash,
            received_at=event.received_at,
            enriched_at=event.enriched_at,
            synthesized_at=event.enriched_at,
            subject=event.ticket.subject,
            ticket_received_id=event.input_id,
        )


def submitted(tenants: Sequence[str], count: int, *, text_bytes: int) -> Iterator[FeedbackSubmitted]:
    """A comment has at most 2,000 characters, so no feedback is larger."""
    at = datetime.now(UTC).replace(microsecond=0)
    comment = (DESCRIPTION * 10)[: min(text_bytes, MAX_COMMENT)]
    for number, tenant_id in zip(range(count), cycle(tenants), strict=False):
        event_id = ids.derive(tenant_id, "bench", str(number))
        yield FeedbackSubmitted(event_id, tenant_id, str(number), FeedbackType.RATING, at, rating=4, comment=comment)
