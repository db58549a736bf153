"""Edits of a ticket as they are seen from outside: one note for what it says in the end, and not many of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from infra.runtime.postgres.tenant import tenant_transaction
from schemas import ids
from schemas.events import DeliveryOutcome, TicketKind, TicketReceived
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from tests.integration.chain.forgery import Forger
from tests.integration.chain.polling import until
from tests.integration.chain.tenant import DESCRIPTION, Tenant


async def edited(tenant: Tenant, ticket_id: str, what: str) -> None:
    """At the desk, which then says so."""
    await tenant.edit(ticket_id, description=what)
    assert (await tenant.webhook(ticket_id)).status == 202


async def dropped(tenant: Tenant, reason: Reason, count: int) -> None:
    async def look() -> bool:
        return (await tenant.chain.handled(Stage.ENRICH, tenant.tenant_id)).get(("drop", reason.value), 0) == count

    await until(look, f"enrich drops {count} events as {reason}")


async def test_of_quick_edits_the_last_is_answered_and_nothing_is_written_for_the_others(tenant: Tenant) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)

    for what in ("All tablets are affected.", "Only the tablets upstairs.", "Only the tablets in room 12."):
        await edited(tenant, ticket_id, what)

    second = await tenant.delivered(ticket_id, 2)
    await dropped(tenant, Reason.SUPERSEDED, 2)
    assert second.outcome is DeliveryOutcome.POSTED
    assert len(await tenant.notes(ticket_id)) == 2
    for topic in (Topic.TICKETS_ENRICHED, Topic.ENHANCEMENTS_SYNTHESIZED):
        assert len(tenant.chain.tap.records(topic, tenant.partition, ticket_id)) == 2
    (_, last) = tenant.chain.tap.records(Topic.TICKETS_ENRICHED, tenant.partition, ticket_id)
    assert "room 12" in last.event.ticket.description
    holds = await tenant.chain.handled(Stage.ENRICH, tenant.tenant_id)
    assert holds["hold", Reason.GATHERING.value] >= 3


async def test_a_ticket_edited_there_and_back_keeps_its_note(tenant: Tenant) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)

    await edited(tenant, ticket_id, "It is the printer.")
    await edited(tenant, ticket_id, DESCRIPTION)

    await dropped(tenant, Reason.UNCHANGED, 1)
    await dropped(tenant, Reason.SUPERSEDED, 1)
    assert len(await tenant.notes(ticket_id)) == 1
    assert len(tenant.deliveries(ticket_id)) == 1


async def test_a_ticket_gets_no_fourth_note_within_a_day(tenant: Tenant) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    for number in (2, 3):
        await edited(tenant, ticket_id, f"Now in room {number}.")
        assert (await tenant.delivered(ticket_id, number)).outcome is DeliveryOutcome.POSTED

    await edited(tenant, ticket_id, "Now in room 4.")

    await dropped(tenant, Reason.NOTE_LIMIT, 1)
    assert len(await tenant.notes(ticket_id)) == 3
    assert len(tenant.chain.tap.records(Topic.TICKETS_ENRICHED, tenant.partition, ticket_id)) == 3, "no model was paid"
    async with tenant_transaction(tenant.chain.pool, tenant.tenant_id) as connection:
        rows = await connection.fetch("SELECT status, reason FROM enhancements WHERE ticket_id = $1", ticket_id)
    assert sorted((row["status"], row["reason"]) for row in rows) == [
        ("dropped", "note_limit"), ("success", None), ("success", None), ("success", None)
    ]  # fmt: skip


def replayed(event: TicketReceived, run: str, **changes: Any) -> TicketReceived:
    event_id = ids.of_replayed(event.event_id, run)
    return replace(event, event_id=event_id, kind=TicketKind.REPLAYED, replay_of=event.event_id, **changes)


async def test_a_replay_adds_a_note_only_if_that_is_asked_for_and_once_a_run(tenant: Tenant) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    (original,) = tenant.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, ticket_id)
    forger = Forger(tenant.chain)

    async def write(event: TicketReceived) -> None:
        await forger.write(forger.signed(event, Topic.TICKETS_RECEIVED, tenant.partition))

    await write(replayed(original.event, "run-1"))
    await dropped(tenant, Reason.UNCHANGED, 1)
    again = replayed(original.event, "run-2", again=True)
    await write(again)
    await tenant.delivered(ticket_id, 2)
    await write(again)
    await dropped(tenant, Reason.DUPLICATE, 1)

    first, second = await tenant.notes(ticket_id)
    assert "at the request of an operator" in second.description
    assert "replaces our note" not in first.description
    assert len(tenant.deliveries(ticket_id)) == 2
