"""TicketReceived: ingest took a webhook (or reconcile or replay fed a ticket in)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.events.ticket import Ticket


class TicketKind(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    CLOSED = "closed"
    RECONCILED = "reconciled"
    REPLAYED = "replayed"
    ANNOUNCED = "announced"
    """Only which ticket changed is known (bearer mode): its content is still to be asked for at the desk."""


@dataclass(frozen=True, slots=True)
class TicketReceived:
    """`delivery_id` is the webhook-id; `replay_of` the event that a replay repeats; `again` allows a second note."""

    event_id: str
    tenant_id: str
    kind: TicketKind
    ticket: Ticket
    received_at: datetime
    delivery_id: str | None = None
    replay_of: str | None = None
    again: bool = False

    @property
    def closes(self) -> bool:
        """Whether the ticket is closed with this event, by its kind or by its status."""
        return self.kind is TicketKind.CLOSED or self.ticket.closed

    @property
    def ticket_id(self) -> str:
        return self.ticket.ticket_id
