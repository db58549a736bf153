"""Content that was overtaken: a ticket edited there and back is answered by one event or the other, whatever comes between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

import pytest

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, connection, tenant_transaction
from infra.runtime.stream.record import Position
from schemas import ids
from schemas.events import EnhancementSynthesized, Ticket, TicketKind, TicketReceived, Writer
from schemas.reasons import Reason
from sinks.postgres.enhancements import Enhancements
from sinks.postgres.note_intents import NoteIntents, NoteKey, Sent
from sinks.postgres.tickets import Tickets, alone_with
from tests.integration.sinks.postgres.conftest import PoolOf

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FIRST = Ticket("52101", "VPN stops at 98 %", "FortiClient falls back")
SECOND = replace(FIRST, description="It is the printer, sorry", content_hash="")
_numbers = count(1)


@dataclass
class Edited:
    """A ticket's events as enrich takes them, and the stage further on that looks at the first."""

    tenant: str
    enrich: Pool
    later: Pool

    async def arrives(self, ticket: Ticket) -> bool:
        """Whether enrich answers this state of the ticket."""
        number = next(_numbers)
        event_id = ids.of_webhook(self.tenant, f"wh-{number}")
        event = TicketReceived(event_id, self.tenant, TicketKind.UPDATED, ticket, NOW)
        await Tickets(self.enrich).store(event, Position("tickets.received", 3, number))
        return await Enhancements(self.enrich).begin(event)

    async def first_is_superseded(self) -> bool:
        return await Enhancements(self.later).superseded(self.tenant, FIRST.ticket_id, FIRST.content_hash)

    async def drop_first(self, reason: Reason) -> None:
        await Enhancements(self.later).dropped(self.tenant, FIRST.ticket_id, FIRST.content_hash, reason.value)

    async def status_of_first(self) -> tuple[str, str | None]:
        async with tenant_transaction(self.enrich, self.tenant) as connected:
            row = await connected.fetchrow(
                "SELECT status, reason FROM enhancements WHERE content_hash = $1", FIRST.content_hash
            )
        assert row is not None
        return row["status"], row["reason"]

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Connection]:
        """Another transaction is at work on the ticket."""
        async with tenant_transaction(self.enrich, self.tenant) as connected:
            await alone_with(connected, self.tenant, FIRST.ticket_id)
            yield connected

    async def until_one_waits(self) -> None:
        async with asyncio.timeout(10), connection(self.enrich) as connected:
            while not await connected.fetchval(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ):
                await asyncio.sleep(0.01)


@pytest.fixture(params=["synthesize", "deliver"])
async def edited(request: pytest.FixtureRequest, tenant: str, pool_of: PoolOf) -> Edited:
    there = Edited(tenant, await pool_of("enrich"), await pool_of(request.param))
    assert await there.arrives(FIRST)
    return there


async def test_what_an_edit_has_overtaken_is_noted_down_and_the_edit_back_is_answered(edited: Edited) -> None:
    assert await edited.arrives(SECOND)
    assert await edited.first_is_superseded()
    assert await edited.status_of_first() == ("dropped", "superseded")
    assert await edited.first_is_superseded(), "said again"
    assert await edited.arrives(FIRST)
    assert await edited.status_of_first() == ("pending", None)


async def test_after_an_edit_back_that_was_unchanged_the_first_event_goes_on(edited: Edited) -> None:
    assert await edited.arrives(SECOND)
    assert not await edited.arrives(FIRST)
    assert not await edited.first_is_superseded()
    assert await edited.status_of_first() == ("pending", None)


async def test_a_drop_as_superseded_leaves_the_newest_content_alone_and_any_other_drop_does_not(edited: Edited) -> None:
    await edited.drop_first(Reason.SUPERSEDED)
    assert await edited.status_of_first() == ("pending", None)
    await edited.drop_first(Reason.TICKET_CLOSED)
    assert await edited.status_of_first() == ("dropped", "ticket_closed")


async def test_a_ticket_that_nothing_is_known_of_was_not_overtaken(edited: Edited) -> None:
    assert not await Enhancements(edited.later).superseded(edited.tenant, "unknown", FIRST.content_hash)


async def test_an_edit_back_under_way_is_waited_for(edited: Edited) -> None:
    assert await edited.arrives(SECOND)
    async with edited.alone() as connected:
        superseded = asyncio.create_task(edited.first_is_superseded())
        await edited.until_one_waits()
        await connected.execute("UPDATE tickets SET content_hash = $1", FIRST.content_hash)
    assert not await superseded


async def test_an_edit_back_waits_for_a_drop_under_way(edited: Edited) -> None:
    assert await edited.arrives(SECOND)
    async with edited.alone():
        edit_back = asyncio.create_task(edited.arrives(FIRST))
        await edited.until_one_waits()
        assert not edit_back.done()
    assert not await edit_back


async def test_an_edit_back_under_way_is_waited_for_before_a_note_is_sent(tenant: str, pool_of: PoolOf) -> None:
    edited = Edited(tenant, await pool_of("enrich"), await pool_of("deliver"))
    assert await edited.arrives(FIRST)
    assert await edited.arrives(SECOND)
    event, intents = written(tenant), NoteIntents(edited.later)
    key = NoteKey(tenant, FIRST.ticket_id, FIRST.content_hash, "f" * 24, event.event_id)
    await intents.claim(key, "one", event)
    async with edited.alone() as connected:
        sent = asyncio.create_task(intents.sent(key, "one"))
        await edited.until_one_waits()
        await connected.execute("UPDATE tickets SET content_hash = $1", FIRST.content_hash)
    assert await sent is Sent.NOTED
    assert await edited.status_of_first() == ("pending", None)


def written(tenant: str) -> EnhancementSynthesized:
    return EnhancementSynthesized(
        event_id=str(uuid4()),
        input_id=str(uuid4()),
        tenant_id=tenant,
        ticket_id=FIRST.ticket_id,
        enhancement_id=str(uuid4()),
        text="Restart it.",
        citations=(),
        writer=Writer.BUILTIN,
        content_hash=FIRST.content_hash,
        received_at=NOW,
        enriched_at=NOW,
        synthesized_at=NOW,
    )
