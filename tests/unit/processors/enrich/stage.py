"""enrich on fakes, with a clock that stands still until it is moved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.runtime.stream.outcomes import Drop, Emit, Outcome
from infra.runtime.stream.record import Position
from processors.enrich import processor
from processors.enrich.fakes import (
    FakeArrivals,
    FakeEnhancements,
    FakeReceivedEvents,
    FakeSearch,
    FakeSource,
    FakeTenantChoices,
    FakeTenants,
    FakeTickets,
)
from processors.enrich.fingerprint import fingerprint
from processors.enrich.gather import Limits
from processors.enrich.obstacle import Restraint
from processors.enrich.ports import ContextSource
from schemas import ids
from schemas.events import ContextItem, Ticket, TicketEnriched, TicketKind, TicketReceived

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TENANT = "msp-acme-corp"
TICKET = Ticket(ticket_id="52101", subject="VPN stops at 98 %", description="FortiClient falls back, no message.")


class StandingClock:
    """Clock."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def received(name: str = "wh-1", ticket: Ticket = TICKET, **changes: Any) -> TicketReceived:
    event = TicketReceived(
        event_id=ids.of_webhook(TENANT, name),
        tenant_id=TENANT,
        kind=TicketKind.CREATED,
        ticket=ticket,
        received_at=NOW,
        delivery_id=name,
    )
    return replace(event, **changes)


def at(offset: int) -> Position:
    return Position("tickets.received", 3, offset)


def evidence(number: int) -> ContextItem:
    return ContextItem("docs", "article", f"KB-{number}", f"Article {number}", "what to do", 1.0)


@dataclass
class Enrich:
    """The stage on fakes. `handle` runs an event; `done` carries an outcome out as the runner does."""

    clock: StandingClock = field(default_factory=StandingClock)
    received: FakeReceivedEvents = field(default_factory=FakeReceivedEvents)
    search: FakeSearch = field(default_factory=FakeSearch)
    remembering: FakeSearch = field(default_factory=FakeSearch)
    tenants: FakeTenants = field(default_factory=lambda: FakeTenants({TENANT: FakeTenantChoices()}))
    sources: list[ContextSource] = field(default_factory=lambda: [FakeSource("docs", [evidence(1)])])
    limits: Limits = field(default_factory=Limits)
    restraint: Restraint = field(default_factory=Restraint)

    def __post_init__(self) -> None:
        self.tickets = FakeTickets(self.received, self.clock.now)
        self.enhancements = FakeEnhancements(self.tickets, self.clock.now)
        self.arrivals = FakeArrivals(self.received, self.tickets, self.enhancements)

    async def handle(self, event: TicketReceived, offset: int, body_hash: str | None = None) -> Outcome:
        return await processor.process(
            event,
            at(offset),
            body_hash or fingerprint(event),
            stores=processor.Stores(self.arrivals, self.received, self.enhancements),
            knowledge=processor.Knowledge(self.sources, self.search, self.remembering, self.limits),
            tenants=self.tenants,
            clock=self.clock,
            restraint=self.restraint,
        )

    async def done(self, event: TicketReceived, offset: int) -> Outcome:
        outcome = await self.handle(event, offset)
        assert isinstance(outcome, Emit | Drop)
        if outcome.then:
            await outcome.then()
        return outcome

    def row(self, event: TicketReceived) -> tuple[str | None, str | None]:
        row = self.received.rows[event.tenant_id, event.event_id]
        return row.outcome, row.reason


def emitted(outcome: Outcome) -> TicketEnriched:
    assert isinstance(outcome, Emit)
    assert isinstance(outcome.event, TicketEnriched)
    return outcome.event
