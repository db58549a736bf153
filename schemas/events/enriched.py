"""TicketEnriched: the ticket with what is known about its problem."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas import ids
from schemas.events.received import TicketKind, TicketReceived
from schemas.events.ticket import Ticket

MAX_CONTEXT_ITEMS = 20
MAX_EXCERPT_BYTES = 2 * 1024


class Source(StrEnum):
    """Where context comes from. Open: readers must expect further names."""

    TICKET_HISTORY = "ticket_history"
    DOCS = "docs"
    IP_DATA = "ip_data"


@dataclass(frozen=True, slots=True)
class ContextItem:
    """One piece of evidence. `kind` tells how the source came to it (requester, similar, article, device, subnet, incident);
    `score` orders items of one source, higher is better; `excerpt` is at most 2 KiB of text."""

    source: str
    kind: str
    id: str
    title: str
    excerpt: str
    score: float
    link: str | None = None


@dataclass(frozen=True, slots=True)
class MissingSource:
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class TicketEnriched:
    """`took_ms` names the milliseconds that each source took, and `total`."""

    event_id: str
    input_id: str
    tenant_id: str
    kind: TicketKind
    ticket: Ticket
    received_at: datetime
    enriched_at: datetime
    context: tuple[ContextItem, ...] = ()
    missing: tuple[MissingSource, ...] = ()
    took_ms: dict[str, int] | None = None
    again: bool = False

    @property
    def ticket_id(self) -> str:
        return self.ticket.ticket_id

    @classmethod
    def following(
        cls,
        event: TicketReceived,
        *,
        context: tuple[ContextItem, ...],
        missing: tuple[MissingSource, ...],
        took_ms: dict[str, int],
        at: datetime,
    ) -> TicketEnriched:
        return cls(
            event_id=ids.of_output(event.event_id, "enrich"),
            input_id=event.event_id,
            tenant_id=event.tenant_id,
            kind=event.kind,
            ticket=event.ticket,
            received_at=event.received_at,
            enriched_at=at,
            context=context[:MAX_CONTEXT_ITEMS],
            missing=missing,
            took_ms=took_ms,
            again=event.again,
        )
