"""The lag service beside a running chain: what it says of a tenant whose desk makes it wait, and once that is over."""

from __future__ import annotations

from typing import Any

from infra.ops.local.servicedesk_simulator import DeskFault
from schemas.reasons import Reason
from schemas.topics import Stage
from tests.integration.chain.polling import until
from tests.integration.chain.tenant import Tenant


async def read(tenant: Tenant, path: str) -> Any:
    async with tenant.chain.session.get(f"{tenant.chain.stack.endpoints.lag}{path}") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def at_deliver(tenant: Tenant) -> dict[str, Any]:
    """Nothing before the service has heard of the tenant."""
    found: dict[str, Any] = (await read(tenant, "/lag"))["stages"]["deliver"]["tenants"].get(tenant.tenant_id, {})
    return found


async def test_a_tenant_that_waits_for_its_desk_is_seen_to_be_held_and_then_to_be_through(tenant: Tenant) -> None:
    await tenant.faulty(DeskFault(kind="rate_limit", retry_after=8, calls=1))
    ticket_id = await tenant.told()

    async def held() -> bool:
        found = await at_deliver(tenant)
        return found.get("limited_by") == "hold" and bool(found["held"])

    await until(held, "the tenant is held", seconds=30)
    found = await at_deliver(tenant)
    assert (found["lag"], found["held"]["reason"]) == (1, Reason.DESK_RATE_LIMITED)
    scaling = await read(tenant, f"/scaling/{Stage.DELIVER}")
    (own,) = (one for one in scaling["tenants"] if one["tenant_id"] == tenant.tenant_id)
    assert (own["lag"], own["limited_by"], scaling["slots"]) == (1, "hold", 64) and scaling["desired_replicas"] >= 1
    async with tenant.chain.session.get(f"{tenant.chain.stack.endpoints.internal['lag']}/metrics") as answer:
        text = await answer.text()
    at = f'stage="deliver",tenant_id="{tenant.tenant_id}"'
    assert f'ticketstream_lag_limited{{limited_by="hold",{at}}} 1.0' in text
    assert "ticketstream_database_server_connections" in text
    await tenant.delivered(ticket_id)

    async def through() -> bool:
        return bool((await at_deliver(tenant))["lag"] == 0)

    await until(through, "nothing waits any more")
