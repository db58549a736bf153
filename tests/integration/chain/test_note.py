"""From a signed webhook to the note on the ticket, and what is told of it."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta

from infra.ops.local.servicedesk_simulator import DeskSettings, WebhookTarget
from schemas.events import DeliveryOutcome, EnhancementDelivered, Writer
from schemas.topics import Stage, Topic
from tests.integration.chain.analyst import Signed, verify
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import PREFIX
from tests.integration.chain.shelf import TenantShelf
from tests.integration.chain.tenant import MARKER, Tenant

DELIVERED_TYPE = "com.ticketstream.EnhancementDelivered.v1"
SIGNERS = {
    Topic.TICKETS_RECEIVED: "ingest",
    Topic.TICKETS_ENRICHED: "enrich",
    Topic.ENHANCEMENTS_SYNTHESIZED: "synthesize",
    Topic.ENHANCEMENTS_DELIVERED: "deliver",
}


async def require_good_note(tenant: Tenant, ticket_id: str) -> None:
    """One note on the ticket, for technicians only, with evidence of each kind and the marker."""
    delivered = await tenant.delivered(ticket_id)
    (note,) = await tenant.notes(ticket_id)
    assert note.show_to_requester is False
    assert len(set(MARKER.findall(note.description))) == 1
    shown = html.unescape(note.description)
    assert "KB-2001" in {citation.id for citation in delivered.citations}
    assert "https://kb.example.com/KB-2001" in shown
    assert "Remove-DhcpServerv4Lease" in shown
    assert "60001" in shown, "the requester's earlier ticket about the same"
    assert "school-pc20" in shown, "the device whose address the ticket names"
    assert "60002" not in shown and "KB-2002" not in shown, "what has nothing to do with it"
    assert (delivered.outcome, delivered.note_id) == (DeliveryOutcome.POSTED, note.note_id)
    assert delivered.reason is None


async def test_one_webhook_becomes_one_note_that_the_requester_never_sees(tenant: Tenant) -> None:
    ticket_id = await tenant.told()

    await require_good_note(tenant, ticket_id)


async def test_a_cloud_desk_gets_its_note_with_oauth(shelf: TenantShelf) -> None:
    tenant = await shelf.take("cloud")

    ticket_id = await tenant.told()

    await require_good_note(tenant, ticket_id)
    calls = await tenant.chain.desks.calls(tenant.desk)
    assert calls["counts"]["token"] == 1, "one access token serves all calls"


async def test_the_delivered_event_is_complete_signed_and_in_its_place(tenant: Tenant) -> None:
    before = datetime.now(UTC)
    ticket_id = await tenant.ticket()
    answer = await tenant.webhook(ticket_id)
    record = await tenant.delivery(ticket_id)
    event: EnhancementDelivered = record.event

    assert (record.key, record.partition) == (tenant.tenant_id.encode(), tenant.partition)
    headers = {name: value.decode() for name, value in record.headers}
    assert len(headers) == len(record.headers), "no header is there twice"
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_id"] == event.event_id
    assert headers["ce_type"] == DELIVERED_TYPE
    assert headers["ce_source"] == "/ticketstream/deliver"
    assert (headers["ce_subject"], headers["ce_tenantid"]) == (ticket_id, tenant.tenant_id)
    assert headers["content-type"] == "application/vnd.confluent.avro"
    assert datetime.fromisoformat(headers["ce_time"]) >= before - timedelta(milliseconds=1)
    (received,) = tenant.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, ticket_id)
    assert received.header("ce_id") == answer.event_id
    traces = {
        one.header("traceparent").split("-")[1]
        for topic in (Topic.TICKETS_RECEIVED, Topic.TICKETS_ENRICHED, Topic.ENHANCEMENTS_SYNTHESIZED)
        for one in tenant.chain.tap.records(topic, tenant.partition, ticket_id)
    }
    assert traces == {headers["traceparent"].split("-")[1]}, "one trace from webhook to note"
    assert (event.category, event.priority, event.writer) == ("Network", "High", Writer.BUILTIN)
    assert event.text and event.citations and not event.degraded
    times = event.times
    assert before <= times.received_at + timedelta(milliseconds=1)
    assert times.received_at <= times.enriched_at <= times.synthesized_at <= times.delivered_at <= datetime.now(UTC)
    total = (times.delivered_at - times.received_at) / timedelta(milliseconds=1)
    assert abs(event.total_ms - total) <= 2


async def test_everything_that_a_ticket_leaves_behind_is_signed_by_the_right_service(tenant: Tenant) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    async with tenant.chain.session.get(f"{tenant.chain.ingest}/keys") as answer:
        keys = (await answer.json())["keys"]

    for topic, service in SIGNERS.items():
        (record,) = tenant.chain.tap.records(topic, tenant.partition, ticket_id)
        headers = {name: value.decode() for name, value in record.headers}
        signed = Signed(topic.named(PREFIX), record.partition, record.key, headers, record.value)
        key = verify(signed, keys)  # raises InvalidSignature
        assert key["service"] == service
        assert topic.value in key["topics"]


async def test_the_webhook_that_our_own_note_raises_adds_no_note(tenant: Tenant) -> None:
    chain = tenant.chain
    (desk,) = [one for one in await chain.desks.desks() if one["desk"] == tenant.desk]
    target = WebhookTarget(url=f"{chain.ingest}/api/v1/webhooks/{tenant.tenant_id}", secret=tenant.secret)
    settings = DeskSettings(**{**desk["settings"], "webhook": target})
    await chain.desks.put_desk(tenant.desk, settings)

    ticket_id = await tenant.ticket()  # the desk itself sends the webhooks
    await tenant.delivered(ticket_id)
    assert await tenant.handled(Stage.ENRICH, "drop", "unchanged") == 1

    sent = [(one["cause"], one["status"]) for one in await chain.desks.webhooks(tenant.desk)]
    assert sent == [("request_created", 202), ("note_added", 202)]
    assert len(await tenant.notes(ticket_id)) == 1
    assert len(tenant.deliveries(ticket_id)) == 1


async def test_an_edited_ticket_gets_a_second_note_that_names_the_earlier_one(tenant: Tenant) -> None:
    ticket_id = await tenant.told()
    first = await tenant.delivered(ticket_id)

    await tenant.edit(
        ticket_id,
        subject="Label printer skips every second label",
        description="The media sensor blinks red, calibration was tried, the printer still skips labels.",
    )
    assert (await tenant.webhook(ticket_id)).status == 202
    second = await tenant.delivered(ticket_id, 2)

    earlier, later = await tenant.notes(ticket_id)
    assert (earlier.note_id, later.note_id) == (first.note_id, second.note_id)
    assert "replaces our note" in later.description and "replaces our note" not in earlier.description
    assert f"{first.times.delivered_at:%Y-%m-%d %H:%M}" in later.description
    assert MARKER.findall(earlier.description) != MARKER.findall(later.description)
    assert first.content_hash != second.content_hash
    assert "KB-2002" in {citation.id for citation in second.citations}


async def test_a_closed_ticket_gets_no_note_and_its_resolution_helps_the_next_one(tenant: Tenant) -> None:
    said = {
        "subject": "Plotter prints stripes in magenta",
        "description": "The plotter in room 12 prints magenta stripes.",
    }
    closed = await tenant.told(**said, status="Closed", resolution="Cleaned the magenta head with menu 7-3.")
    assert await tenant.handled(Stage.ENRICH, "drop", "not_for_enhancement") == 1

    other = {"id": "99", "name": "Reception", "email_id": "reception@town.example"}
    ticket_id = await tenant.told(
        subject="Magenta stripes from the plotter", description="Our plotter prints magenta stripes.", requester=other
    )
    delivered = await tenant.delivered(ticket_id)

    assert ("ticket_history", closed) in {(one.source, one.id) for one in delivered.citations}
    assert "menu 7-3" in delivered.text
    assert await tenant.notes(closed) == []
    await until(lambda: len(tenant.deliveries(ticket_id)) == 1, "exactly one delivery")
