"""A desk that can't sign: its webhook says only which ticket changed, and the note answers what the desk says of it."""

from __future__ import annotations

from infra.ops.local.servicedesk_simulator import DeskFault
from schemas.events import DeliveryOutcome, TicketKind
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from tests.integration.chain.polling import until
from tests.integration.chain.tenant import SUBJECT, Tenant

APPROVED = ("--approved-by", "An Engineer", "--reason", "its desk can't sign")
EFFECTIVE = 5.0


async def test_a_desk_that_cannot_sign_gets_its_note(tenant: Tenant, other_tenant: Tenant) -> None:
    ticket_id = await tenant.ticket()
    assert (await tenant.announce(ticket_id)).status == 403, "nobody approved of it yet"
    await tenant.command("tenant", "set", "webhook_auth=bearer", "webhook_sources=127.0.0.1,192.0.2.0/24", *APPROVED)
    await tenant.faulty(DeskFault(kind="error", status=503, operation="get_request", calls=1))

    async def accepted() -> bool:
        return (await tenant.announce(ticket_id)).status == 202

    await until(accepted, "the edge knows the mode", seconds=EFFECTIVE)

    delivered = await tenant.delivered(ticket_id)
    assert delivered.outcome is DeliveryOutcome.POSTED and delivered.category == "Network"
    assert len(await tenant.notes(ticket_id)) == 1
    received = tenant.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, ticket_id)[0].event
    enriched = tenant.chain.tap.records(Topic.TICKETS_ENRICHED, tenant.partition, ticket_id)[0].event
    assert (received.kind, received.ticket.subject) == (TicketKind.ANNOUNCED, "")
    assert (enriched.kind, enriched.ticket.subject) == (TicketKind.CREATED, SUBJECT)
    assert ("hold", str(Reason.DESK_UNAVAILABLE)) in await tenant.chain.handled(Stage.ENRICH, tenant.tenant_id)

    assert (await tenant.announce(ticket_id)).status in (200, 202)  # our own note raises one, too
    assert await tenant.handled(Stage.ENRICH, "drop", str(Reason.UNCHANGED))
    assert len(await tenant.notes(ticket_id)) == 1

    assert (await tenant.announce(ticket_id, secret=other_tenant.secret)).status == 403
    assert (await other_tenant.announce(await other_tenant.ticket())).status == 403
    listed = {one["tenant_id"]: one for one in (await tenant.chain.command("tenant", "list"))["tenants"]}
    assert listed[tenant.tenant_id]["webhook_auth"] == "bearer"
    assert listed[other_tenant.tenant_id]["webhook_auth"] == "signature"
