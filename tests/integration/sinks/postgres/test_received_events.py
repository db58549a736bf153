"""Marks of received events: many at once are few statements, and a tenant whose rows are held keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from infra.runtime.postgres.pool import Connection, Pool, open_pool
from infra.runtime.postgres.tenant import PostgresUnavailable, tenant_transaction
from infra.runtime.stream.record import Position
from schemas import ids
from schemas.events import Ticket, TicketKind, TicketReceived
from sinks.postgres.received_events import Admission, ReceivedEvents
from tests.conftest import MigratedDatabase
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

DEADLINE = 20.0
AT = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
_numbers = iter(range(1, 1_000))


async def admitted(received: ReceivedEvents, tenant: str) -> TicketReceived:
    name = f"wh-{next(_numbers)}"
    event = TicketReceived(
        ids.of_webhook(tenant, name), tenant, TicketKind.CREATED, Ticket("1", "a", "b"), AT, delivery_id=name
    )
    assert await again(received, event, 7) is Admission.FRESH
    return event


async def again(received: ReceivedEvents, event: TicketReceived, offset: int = 9) -> Admission:
    return await received.admit(event, Position("tickets.received", 3, offset), "h")


def mark(received: ReceivedEvents, event: TicketReceived) -> asyncio.Task[None]:
    return asyncio.create_task(received.mark(event.tenant_id, event.event_id, "published", None))


async def test_what_is_marked_while_a_statement_is_under_way_goes_together_in_the_next(
    pool_of: PoolOf, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = ReceivedEvents(await pool_of("enrich"))
    tenants = [await make_tenant() for _ in range(3)]
    events = [await admitted(received, tenants[number % 3]) for number in range(70)]
    trips, borrow = [], Pool.borrow

    async def counted(pool: Pool) -> Connection:
        trips.append(pool)
        return await borrow(pool)

    monkeypatch.setattr(Pool, "borrow", counted)
    await asyncio.gather(*(mark(received, event) for event in events))
    monkeypatch.undo()

    assert len(trips) == 2
    assert {await again(received, event) for event in events} == {Admission.COPY}


async def test_a_row_that_is_held_keeps_only_its_own_event_waiting(pool_of: PoolOf, make_tenant: MakeTenant) -> None:
    pool = await pool_of("enrich")
    received = ReceivedEvents(pool)
    held, free = await admitted(received, await make_tenant()), await admitted(received, await make_tenant())

    async with asyncio.timeout(DEADLINE):
        async with tenant_transaction(pool, held.tenant_id) as connected:
            await connected.fetch("SELECT FROM received_events WHERE event_id = $1 FOR UPDATE", held.event_id)
            waiting = mark(received, held)
            await mark(received, free)
            assert not waiting.done()
        await waiting

    assert [await again(received, event) for event in (held, free)] == [Admission.COPY] * 2


async def test_who_is_cut_off_leaves_the_others_their_mark(pool_of: PoolOf, tenant: str) -> None:
    received = ReceivedEvents(await pool_of("enrich"))
    events = [await admitted(received, tenant) for _ in range(3)]
    given_up, *others = [mark(received, event) for event in events]
    await asyncio.sleep(0)
    given_up.cancel()

    await asyncio.gather(*others)

    assert {await again(received, event) for event in events[1:]} == {Admission.COPY}


async def test_all_hear_that_postgresql_is_away_and_may_ask_again(
    pool_of: PoolOf, tenant: str, postgres: MigratedDatabase
) -> None:
    event = await admitted(ReceivedEvents(await pool_of("enrich")), tenant)
    closed = await open_pool(postgres.dsns["enrich"], service="marks", size=1)
    await closed.close()
    received = ReceivedEvents(closed)

    for _ in range(2):
        answers = await asyncio.gather(mark(received, event), mark(received, event), return_exceptions=True)
        assert [type(answer) for answer in answers] == [PostgresUnavailable] * 2
