"""What enrich relies on of its stores, on the fakes and on PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.runtime.postgres.pool import Pool
from infra.runtime.stream.record import Position
from processors.enrich.fakes import FakeEnhancements, FakeReceivedEvents, FakeTickets
from processors.enrich.ports import Enhancements, ReceivedEvents, Tickets
from schemas import ids
from schemas.events import Requester, Ticket, TicketKind, TicketReceived
from sinks.postgres import enhancements, received_events, tickets
from sinks.postgres.received_events import Admission

NewTenant = Callable[[], Awaitable[str]]

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TICKET = Ticket("52101", "VPN stops at 98 %", "FortiClient falls back", requester=Requester(email="desk@acme.example"))


@dataclass(frozen=True)
class Kept:
    """Stores of one kind, and two tenants in them."""

    received: ReceivedEvents
    tickets: Tickets
    enhancements: Enhancements
    tenant: str
    other: str

    def event(self, name: str = "wh-1", ticket: Ticket = TICKET, tenant: str = "", **changes: Any) -> TicketReceived:
        tenant = tenant or self.tenant
        event = TicketReceived(ids.of_webhook(tenant, name), tenant, TicketKind.CREATED, ticket, NOW, delivery_id=name)
        return replace(event, **changes)


@pytest.fixture
async def in_postgres(pool: Pool, new_tenant: NewTenant) -> Kept:
    return Kept(
        received_events.ReceivedEvents(pool),
        tickets.Tickets(pool),
        enhancements.Enhancements(pool),
        await new_tenant(),
        await new_tenant(),
    )


@pytest.fixture(params=["fake", "postgres"])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "fake":
        return Kept(FakeReceivedEvents(), FakeTickets(), FakeEnhancements(), "a", "b")
    real: Kept = request.getfixturevalue("in_postgres")
    return real


def at(offset: int, partition: int = 3) -> Position:
    return Position("tickets.received", partition, offset)


async def test_an_event_is_fresh_until_it_is_done_with_and_at_its_own_position_for_ever(kept: Kept) -> None:
    event = kept.event()
    assert await kept.received.admit(event, at(7), "h") is Admission.FRESH
    assert await kept.received.admit(event, at(9), "h") is Admission.FRESH
    await kept.received.mark(kept.tenant, event.event_id, "published", None)
    assert await kept.received.admit(event, at(9), "h") is Admission.FRESH
    assert await kept.received.admit(event, at(11), "h") is Admission.COPY


async def test_a_dropped_event_is_done_with_too(kept: Kept) -> None:
    event = kept.event()
    await kept.received.admit(event, at(7), "h")
    await kept.received.mark(kept.tenant, event.event_id, "dropped", "unchanged")
    await kept.received.mark(kept.tenant, event.event_id, "dropped", "unchanged")
    assert await kept.received.admit(event, at(8), "h") is Admission.COPY


async def test_another_body_under_the_same_id_is_a_conflict_whether_done_with_or_not(kept: Kept) -> None:
    event = kept.event()
    await kept.received.admit(event, at(7), "h")
    assert await kept.received.admit(event, at(8), "other") is Admission.CONFLICT
    await kept.received.mark(kept.tenant, event.event_id, "published", None)
    assert await kept.received.admit(event, at(8), "other") is Admission.CONFLICT
    assert await kept.received.admit(event, at(7), "h") is Admission.FRESH


async def test_at_its_own_position_an_event_is_fresh_though_another_release_makes_another_hash_of_it(
    kept: Kept,
) -> None:
    event = kept.event()
    await kept.received.admit(event, at(7), "h")
    assert await kept.received.admit(event, at(7), "hash of another release") is Admission.FRESH
    await kept.received.mark(kept.tenant, event.event_id, "published", None)
    assert await kept.received.admit(event, at(7), "hash of another release") is Admission.FRESH
    assert await kept.received.admit(event, at(8), "h") is Admission.COPY


async def test_the_newest_content_of_a_ticket_is_that_of_the_highest_offset(kept: Kept) -> None:
    old = kept.event("wh-1")
    edited = replace(TICKET, description="now the mail too", content_hash="")
    new = kept.event("wh-2", edited)
    assert (await kept.tickets.store(new, at(9))).newest_hash == edited.content_hash
    state = await kept.tickets.store(old, at(7))
    assert (state.newest_hash, state.newest_offset) == (edited.content_hash, 9)


async def test_a_newer_event_takes_over_and_a_repetition_changes_nothing(kept: Kept) -> None:
    edited = replace(TICKET, description="now the mail too", content_hash="")
    await kept.tickets.store(kept.event("wh-1"), at(7))
    for _ in range(2):
        state = await kept.tickets.store(kept.event("wh-2", edited), at(9))
        assert (state.newest_hash, state.newest_offset) == (edited.content_hash, 9)


async def test_content_belongs_to_the_event_that_began_it(kept: Kept) -> None:
    first, echo = kept.event("wh-1"), kept.event("wh-2", received_at=NOW + timedelta(seconds=9))
    assert await kept.enhancements.begin(first)
    assert await kept.enhancements.begin(first)
    assert not await kept.enhancements.begin(echo)
    assert await kept.enhancements.begin(kept.event("wh-3", replace(TICKET, subject="else", content_hash="")))


async def test_tenants_do_not_see_each_other(kept: Kept) -> None:
    mine, theirs = kept.event("wh-1"), kept.event("wh-1", tenant=kept.other)
    await kept.received.admit(mine, at(7), "h")
    await kept.received.mark(kept.tenant, mine.event_id, "published", None)
    await kept.tickets.store(mine, at(7))
    await kept.enhancements.begin(mine)
    same_id = replace(theirs, event_id=mine.event_id)
    assert await kept.received.admit(same_id, at(2, 4), "other") is Admission.FRESH
    assert (await kept.tickets.store(theirs, at(2, 4))).newest_offset == 2
    assert await kept.enhancements.begin(theirs)
