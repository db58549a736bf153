"""The four outcomes of an event as they are seen from outside: emitted, dropped, held, dead-lettered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from infra.ops.local.free_ports import free_ports
from infra.ops.local.servicedesk_simulator import DeskFault, Simulator, SimulatorControl
from infra.runtime.kafka.producer import Record
from schemas.events import DeliveryOutcome
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from tests.integration.chain.forgery import Forger, ticket_received
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import PREFIX
from tests.integration.chain.shelf import desk_of
from tests.integration.chain.tenant import MARKER, Tenant


async def test_emit_each_stage_emits_once(tenant: Tenant) -> None:
    ticket_id = await tenant.told()

    await tenant.delivered(ticket_id)

    for stage in (Stage.ENRICH, Stage.SYNTHESIZE, Stage.DELIVER):
        assert await tenant.handled(stage, "emit") == 1
        assert len(tenant.chain.tap.records(stage.produces, tenant.partition, ticket_id)) == 1
        assert await tenant.chain.handled(stage, tenant.tenant_id) == {("emit", ""): 1}


@pytest.mark.parametrize("reason", [Reason.TICKET_DELETED, Reason.TICKET_CLOSED])
async def test_drop_a_ticket_that_was_deleted_or_closed_meanwhile_gets_no_note(tenant: Tenant, reason: Reason) -> None:
    ticket_id = await tenant.ticket()
    if reason is Reason.TICKET_DELETED:
        await tenant.chain.desks.delete_request(tenant.desk, ticket_id)
    else:
        await tenant.chain.desks.update_request(tenant.desk, ticket_id, status="Closed")
    assert (await tenant.webhook(ticket_id)).status == 202  # which says what was so before

    delivered = await tenant.delivered(ticket_id)

    assert (delivered.outcome, delivered.reason) == (DeliveryOutcome.DROPPED, reason.value)
    assert delivered.note_id is None
    assert await tenant.handled(Stage.DELIVER, "drop", reason) == 1
    assert await tenant.notes(ticket_id) == []


async def test_drop_the_same_content_again_is_unchanged(tenant: Tenant) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    await tenant.edit(ticket_id, priority="Low", status="In Progress")  # nothing that a note answers

    assert (await tenant.webhook(ticket_id)).status == 202

    assert await tenant.handled(Stage.ENRICH, "drop", Reason.UNCHANGED) == 1
    assert len(await tenant.notes(ticket_id)) == 1
    assert len(tenant.deliveries(ticket_id)) == 1


async def test_drop_a_webhook_sent_twice_is_known_by_its_id(tenant: Tenant) -> None:
    ticket_id = await tenant.ticket()

    first = await tenant.webhook(ticket_id, webhook_id="msg-once")
    second = await tenant.webhook(ticket_id, webhook_id="msg-once")

    assert (first.status, second.status) == (202, 200)
    assert first.event_id == second.event_id
    assert second.body["status"] == "duplicate"
    await tenant.delivered(ticket_id)
    assert len(await tenant.notes(ticket_id)) == 1


async def test_drop_a_copy_of_an_event_at_another_offset(tenant: Tenant) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    (received,) = tenant.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, ticket_id)

    copy = Record(
        Topic.TICKETS_RECEIVED.named(PREFIX), received.partition, received.key, received.value, list(received.headers)
    )
    at = await Forger(tenant.chain).write(copy)

    assert at.offset > received.offset
    assert await tenant.handled(Stage.ENRICH, "drop", Reason.DUPLICATE) == 1
    assert len(await tenant.notes(ticket_id)) == 1
    assert len(tenant.chain.tap.records(Topic.TICKETS_ENRICHED, tenant.partition, ticket_id)) == 1


async def test_drop_a_webhook_that_two_edges_took_at_the_same_instant(tenant: Tenant) -> None:
    """Each edge knows only its own, so there are two records with one id."""
    ticket_id = await tenant.ticket()
    event = ticket_received(tenant.tenant_id, ticket_id)
    forger = Forger(tenant.chain)
    twins = [replace(event, received_at=event.received_at + timedelta(milliseconds=n)) for n in range(2)]
    await asyncio.gather(
        *(forger.write(forger.signed(twin, Topic.TICKETS_RECEIVED, tenant.partition)) for twin in twins)
    )

    await tenant.delivered(ticket_id)

    assert await tenant.handled(Stage.ENRICH, "drop", Reason.DUPLICATE) == 1
    assert len(await tenant.notes(ticket_id)) == 1
    assert len(tenant.chain.tap.records(Topic.TICKETS_ENRICHED, tenant.partition, ticket_id)) == 1


@pytest.mark.parametrize("topic", [Topic.TICKETS_ENRICHED, Topic.ENHANCEMENTS_SYNTHESIZED])
async def test_emit_the_same_again_for_what_a_stage_wrote_twice(tenant: Tenant, topic: Topic) -> None:
    """As after a crash between writing and committing: the same id at two offsets."""
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    (written,) = tenant.chain.tap.records(topic, tenant.partition, ticket_id)
    await Forger(tenant.chain).write(
        Record(topic.named(PREFIX), written.partition, written.key, written.value, list(written.headers))
    )

    await tenant.delivered(ticket_id, 2)

    assert len(await tenant.notes(ticket_id)) == 1
    assert len({one.value for one in tenant.deliveries(ticket_id)}) == 1
    answers = tenant.chain.tap.records(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, ticket_id)
    assert len({one.value for one in answers}) == 1, "the stored answer, with its times"


async def test_hold_a_desk_that_says_when_is_asked_again_then(tenant: Tenant, other_tenant: Tenant) -> None:
    await tenant.faulty(DeskFault(kind="rate_limit", retry_after=3, calls=1))
    started = time.monotonic()
    ticket_id = await tenant.told()
    assert await tenant.handled(Stage.DELIVER, "hold", Reason.DESK_RATE_LIMITED) == 1

    others = await other_tenant.told()
    await other_tenant.delivered(others, seconds=2.0)
    assert tenant.deliveries(ticket_id) == [], "the other tenant didn't wait for this one"

    delivered = await tenant.delivered(ticket_id)
    assert delivered.outcome is DeliveryOutcome.POSTED
    assert time.monotonic() - started >= 3.0
    assert len(await tenant.notes(ticket_id)) == 1
    calls = (await tenant.chain.desks.calls(tenant.desk, "get_request", ticket_id))["calls"]
    assert [call["status"] for call in calls] == [429, 200], "asked again once, not before"


async def test_hold_closes_the_lane_for_all_of_the_tenants_tickets(tenant: Tenant) -> None:
    await tenant.faulty(DeskFault(kind="rate_limit", retry_after=2, calls=1))
    tickets = [await tenant.told() for _ in range(4)]

    for ticket_id in tickets:
        await tenant.delivered(ticket_id)

    assert [len(await tenant.notes(ticket_id)) for ticket_id in tickets] == [1, 1, 1, 1]
    calls = (await tenant.chain.desks.calls(tenant.desk, "get_request"))["calls"]
    assert len([call for call in calls if call["status"] == 429]) == 1


async def test_hold_a_desk_out_of_order_is_waited_for(tenant: Tenant) -> None:
    await tenant.faulty(DeskFault(kind="error", status=503, operation="get_request", calls=1))

    ticket_id = await tenant.told()
    delivered = await tenant.delivered(ticket_id)

    assert delivered.outcome is DeliveryOutcome.POSTED
    assert await tenant.handled(Stage.DELIVER, "hold", Reason.DESK_UNAVAILABLE) == 1
    assert len(await tenant.notes(ticket_id)) == 1


async def test_hold_a_desk_that_refuses_connections_gets_its_note_when_it_is_back(tenant: Tenant) -> None:
    (port,) = free_ports(1)
    await tenant.command("tenant", "set", f"servicedesk_base_url=http://127.0.0.1:{port}/{tenant.desk}")
    told: list[str] = []

    async def held() -> bool:
        """From the moment on when deliver has seen the change; what was told before still found the old desk."""
        told.append(await tenant.told())
        await tenant.chain.tap.first(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, told[-1])
        return ("hold", str(Reason.DESK_UNAVAILABLE)) in await tenant.chain.handled(Stage.DELIVER, tenant.tenant_id)

    await until(held, "deliver can't reach the desk", seconds=10)
    waiting = await tenant.told()
    settings, _ = desk_of(tenant.tenant_id, "onprem", tenant.chain)
    async with Simulator(port=port) as desk:
        control = SimulatorControl(desk.url, tenant.chain.session)
        await control.put_desk(tenant.desk, settings)
        await control.create_request(tenant.desk, **tenant.requests[waiting])

        delivered = await tenant.delivered(waiting, seconds=30)

        (note,) = await control.notes(tenant.desk, waiting)
    assert (delivered.outcome, delivered.note_id) == (DeliveryOutcome.POSTED, note.note_id)
    assert await tenant.notes(waiting) == []


async def test_dead_letter_what_the_desk_refuses_for_good(tenant: Tenant) -> None:
    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note", calls=1))
    refused = await tenant.told()
    synthesized = await tenant.chain.tap.first(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, refused)

    found = await tenant.chain.tap.letter_for(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, synthesized.offset)

    letter = found.event
    assert (letter.reason, letter.stage) == (Reason.DESK_REFUSED, "deliver")
    assert (found.key.decode(), letter.tenant_id, letter.ticket_id) == (tenant.tenant_id, tenant.tenant_id, refused)
    assert letter.original_value == synthesized.value
    assert letter.error
    assert await tenant.notes(refused) == []
    assert await tenant.failure(refused) == (letter.reason, letter.error)
    accepted = await tenant.told()
    assert (await tenant.delivered(accepted)).outcome is DeliveryOutcome.POSTED, "the next one is not held up"


async def test_dead_letter_the_same_id_with_another_body(tenant: Tenant) -> None:
    """The edge notices it too, but forgets when it is restarted: here the second one is written past it."""
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    (first,) = tenant.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, ticket_id)
    forger = Forger(tenant.chain)

    altered = replace(first.event.ticket, description="Something else.", content_hash="")
    other = forger.signed(replace(first.event, ticket=altered), Topic.TICKETS_RECEIVED, tenant.partition)
    at = await forger.write(other)

    found = await tenant.chain.tap.letter_for(at.topic, at.partition, at.offset)
    assert found.event.reason == Reason.CONFLICTING_DUPLICATE
    assert len(await tenant.notes(ticket_id)) == 1


async def test_zz_a_note_that_the_desk_wrote_and_denied_is_found_not_written_again(
    uncertain: tuple[Tenant, str],
) -> None:
    """Last, since the desk gets 30 s to settle; it began with the first test of the chain."""
    tenant, ticket_id = uncertain

    delivered = await tenant.delivered(ticket_id, seconds=60)

    (note,) = await tenant.notes(ticket_id)
    assert (delivered.outcome, delivered.note_id) == (DeliveryOutcome.POSTED, note.note_id)
    assert len(set(MARKER.findall(note.description))) == 1
    calls = (await tenant.chain.desks.calls(tenant.desk, "add_note", ticket_id))["calls"]
    assert [call["status"] for call in calls] == [500]
