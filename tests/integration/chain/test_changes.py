"""What operators change is effective everywhere within seconds, and what dies comes back and loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from uuid import uuid4

from infra.ops.local.stack.service import ServiceState
from schemas.events import DeliveryOutcome
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from tests.integration.chain.forgery import Forger, ticket_received
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.shelf import desk_of
from tests.integration.chain.tenant import Tenant

EFFECTIVE = 5.0
"""Seconds, by the contract."""


async def test_a_new_tenant_is_served_within_five_seconds(chain: RunningChain, tmp_path: Path) -> None:
    tenant_id = f"msp-{uuid4().hex[:10]}"
    settings, credential = desk_of(tenant_id, "onprem", chain)
    base = await chain.desks.put_desk(tenant_id, settings)
    (tmp_path / "key").write_text(credential)

    made = await chain.command(
        "tenant", "create", tenant_id, "--servicedesk-url", base, "--servicedesk-key-file", str(tmp_path / "key")
    )

    assert made["tenant_id"] == tenant_id
    assert made["webhook_url"] == f"{chain.ingest}/api/v1/webhooks/{tenant_id}"
    tenant = Tenant(chain, tenant_id, made["partition"], made["webhook_secret"])
    ticket_id = await tenant.ticket()

    async def accepted() -> bool:
        return (await tenant.webhook(ticket_id)).status == 202

    await until(accepted, "the edge knows the tenant", seconds=EFFECTIVE)
    delivered = await tenant.delivered(ticket_id)
    assert delivered.outcome is DeliveryOutcome.POSTED
    assert len(await tenant.notes(ticket_id)) == 1


async def test_a_tenants_new_rate_limit_is_effective_within_five_seconds(tenant: Tenant) -> None:
    await tenant.command("tenant", "set", "webhook_rate_per_second=0.1", "webhook_burst=1")

    async def limited() -> bool:
        answer = await tenant.webhook(await tenant.ticket())
        assert answer.status in (202, 429)
        return answer.status == 429 and bool(answer.retry_after)

    await until(limited, "the edge limits the tenant", seconds=EFFECTIVE)


async def test_a_disabled_tenant_is_refused_and_its_events_wait(tenant: Tenant) -> None:
    waiting = await tenant.ticket()
    await tenant.command("tenant", "disable", "--reason", "unpaid")
    disabled_at = time.monotonic()

    async def refused() -> bool:
        return (await tenant.webhook(await tenant.ticket())).status == 403

    await until(refused, "the edge refuses the tenant", seconds=EFFECTIVE)

    # Each process follows by itself: what the edge knows, enrich may learn later, but not later than promised.
    await asyncio.sleep(max(0.0, disabled_at + EFFECTIVE - time.monotonic()))
    forger = Forger(tenant.chain)  # what was accepted a moment before
    event = ticket_received(tenant.tenant_id, waiting)

    async def held() -> bool:
        return ("hold", str(Reason.TENANT_DISABLED)) in await tenant.chain.handled(Stage.ENRICH, tenant.tenant_id)

    await forger.write(forger.signed(event, Topic.TICKETS_RECEIVED, tenant.partition))
    await until(held, "enrich holds the tenant's event")
    assert await tenant.notes(waiting) == []

    await tenant.command("tenant", "enable")
    fresh = await tenant.ticket()

    async def accepted() -> bool:
        return (await tenant.webhook(fresh)).status == 202

    await until(accepted, "the edge takes the tenant's webhooks again", seconds=EFFECTIVE)
    for ticket_id in (waiting, fresh):
        assert (await tenant.delivered(ticket_id)).outcome is DeliveryOutcome.POSTED
        assert len(await tenant.notes(ticket_id)) == 1


async def test_a_new_token_works_and_a_revoked_one_ends_within_five_seconds(tenant: Tenant) -> None:
    chain = tenant.chain
    made = await tenant.command("token", "create")
    headers = {"Authorization": f"Bearer {made['token']}"}

    async def status() -> int:
        async with chain.session.get(f"{chain.ingest}/api/v1/feedback", headers=headers) as answer:
            return answer.status

    async def works() -> bool:
        return await status() == 200

    async def ended() -> bool:
        return await status() == 401

    await until(works, "the token works", seconds=EFFECTIVE)
    await tenant.command("token", "revoke", made["token_id"], "--yes")
    await until(ended, "the token is refused", seconds=EFFECTIVE)


async def test_killed_services_come_back_and_every_ticket_gets_one_note(tenant: Tenant, other_tenant: Tenant) -> None:
    supervisor = tenant.chain.stack.supervisor
    victims = (Stage.ENRICH.value, Stage.SYNTHESIZE.value, Stage.DELIVER.value)
    before = {name: supervisor.status(name) for name in victims}
    told = [(owner, await owner.told(subject=f"Before {n}")) for n in range(4) for owner in (tenant, other_tenant)]
    for name in victims:
        pid = before[name].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    meanwhile = time.monotonic()
    told += [(owner, await owner.told(subject=f"After {n}")) for n in range(4) for owner in (tenant, other_tenant)]

    def restarted() -> bool:
        now = {name: supervisor.status(name) for name in victims}
        return all(
            now[name].state is ServiceState.RUNNING and now[name].restarts == before[name].restarts + 1
            for name in victims
        )

    await until(restarted, "the supervisor starts them again")
    for owner, ticket_id in told:
        delivered = await owner.delivered(ticket_id, seconds=60)
        assert delivered.outcome is DeliveryOutcome.POSTED
    for owner, ticket_id in told:
        assert len(await owner.notes(ticket_id)) == 1
        assert len({one.header("ce_id") for one in owner.deliveries(ticket_id)}) == 1
    assert time.monotonic() - meanwhile < 60
    assert {name: supervisor.status(name).exit_code for name in victims} == dict.fromkeys(victims, -signal.SIGKILL)


async def test_a_killed_edge_comes_back_where_it_was(tenant: Tenant) -> None:
    """With the same address: desks know no other."""
    supervisor, url = tenant.chain.stack.supervisor, tenant.chain.ingest
    ticket_id = await tenant.ticket()
    pid = supervisor.status("ingest").pid
    assert pid is not None

    os.kill(pid, signal.SIGKILL)

    async def accepted() -> bool:
        try:
            return (await tenant.webhook(ticket_id)).status == 202
        except OSError:
            return False

    await until(lambda: supervisor.status("ingest").pid not in (None, pid), "the supervisor starts it again")
    await until(accepted, "it takes webhooks again")
    assert (await tenant.delivered(ticket_id)).outcome is DeliveryOutcome.POSTED
    assert tenant.chain.ingest == url
