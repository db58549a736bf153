"""A desk that can't sign: its webhook says only which ticket changed, and the note answers what the desk says of it."""

from __future__ import annotations

import json
import time

from infra.ops.cli.webhook_request import Answer, key_of, send
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
    assert (await announce(tenant, ticket_id)).status == 403, "nobody approved of it yet"
    await tenant.command("tenant", "set", "webhook_auth=bearer", "webhook_sources=127.0.0.1,192.0.2.0/24", *APPROVED)
    await tenant.faulty(DeskFault(kind="error", status=503, operation="get_request", calls=1))

    async def accepted() -> bool:
        return (await announce(tenant, ticket_id)).status == 202

    await until(accepted, "the edge knows the mode", seconds=EFFECTIVE)

    delivered = await tenant.delivered(ticket_id)
    assert delivered.outcome is DeliveryOutcome.POSTED and delivered.category == "Network"
    assert len(await tenant.notes(ticket_id)) == 1
    received = tenant.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, ticket_id)[0].event
    enriched = tenant.chain.tap.records(Topic.TICKETS_ENRICHED, tenant.partition, ticket_id)[0].event
    assert (received.kind, received.ticket.subject) == (TicketKind.ANNOUNCED, "")
    assert (enriched.kind, enriched.ticket.subject) == (TicketKind.CREATED, SUBJECT)
    assert ("hold", str(Reason.DESK_UNAVAILABLE)) in await tenant.chain.handled(Stage.ENRICH, tenant.tenant_id)

    assert (await announce(tenant, ticket_id)).status in (200, 202)  # our own note raises one, too
    assert await tenant.handled(Stage.ENRICH, "drop", str(Reason.UNCHANGED))
    assert len(await tenant.notes(ticket_id)) == 1

    assert (await announce(tenant, ticket_id, secret=other_tenant.secret)).status == 403
    assert (await announce(other_tenant, await other_tenant.ticket())).status == 403
    listed = {one["tenant_id"]: one for one in (await tenant.chain.command("tenant", "list"))["tenants"]}
    assert listed[tenant.tenant_id]["webhook_auth"] == "bearer"
    assert listed[other_tenant.tenant_id]["webhook_auth"] == "signature"


async def announce(tenant: Tenant, ticket_id: str, *, secret: str = "") -> Answer:
    said = {"ticket_id": ticket_id, "operation": "created", "updated_time": str(time.time_ns() // 1_000_000)}
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {key_of(secret or tenant.secret).decode()}",
    }
    url = f"{tenant.chain.ingest}/api/v1/webhooks/{tenant.tenant_id}"
    return await send(tenant.chain.session, url, json.dumps(said).encode(), headers)
