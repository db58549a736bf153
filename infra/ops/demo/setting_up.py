"""Before the first webhook: desks, tenants, their data, and an edge that knows them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import aiohttp

from infra.ops.cli.failure import Failure
from infra.ops.cli.imports.history import read_solved_tickets
from infra.ops.cli.imports.inventory import read_devices
from infra.ops.cli.imports.knowledge import read_articles
from infra.ops.cli.imports.store import DataStore
from infra.ops.cli.surroundings import Surroundings
from infra.ops.cli.tenancy import create_tenant, webhook_secret
from infra.ops.cli.webhook_request import headers, key_of, send
from infra.ops.demo.memory import Memory, TenantMemory
from infra.ops.demo.tenants import DemoTenant
from infra.ops.local.servicedesk_simulator import DeskSettings, SimulatorControl
from infra.runtime.postgres.pool import Pool
from sinks.postgres.tenant_directory import POLL_SECONDS
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.tokens import SCOPES, ApiTokens, NewToken

WHO = "ticketstream demo"
KNOWN_SECONDS = 20.0
STAGES_FOLLOW_SECONDS = POLL_SECONDS + 0.5


@dataclass(slots=True)
class Stage:
    """The stage on which the demo plays: where everything is, and what outlives a run.

    `changed_at` is when a tenant was last made, or its desk last moved; None if neither happened in this run.
    """

    around: Surroundings
    pool: Pool
    session: aiohttp.ClientSession
    desks: SimulatorControl
    memory: Memory
    changed_at: float | None = None

    def key(self, tenant: DemoTenant) -> bytes:
        """The tenant's raw webhook key."""
        return key_of(self.memory.tenants[tenant.tenant_id].webhook_secret)


async def set_up(stage: Stage, tenants: Sequence[DemoTenant]) -> dict[str, int]:
    """Whatever is missing of desks, tenants, tokens and data; the partition of each tenant."""
    store = TenantStore(stage.pool)
    existing = {one.tenant_id: one for one in await store.list()}
    partitions: dict[str, int] = {}
    for tenant in tenants:
        base = await stage.desks.put_desk(tenant.desk, DeskSettings(kind="onprem", key=tenant.desk_key))
        found = existing.get(tenant.tenant_id)
        if found is None:
            new = NewTenant(tenant.tenant_id, base, tenant.desk_key, tenant.form)
            created = await create_tenant(stage.around, stage.pool, new, Change(WHO, "demo"))
            found = created.settings
            stage.memory.tenants[tenant.tenant_id] = TenantMemory(created.secret.whsec)
            stage.memory.save()  # at once: the secret is shown only now
            stage.changed_at = time.monotonic()
        elif found.servicedesk_base_url != base:  # the simulator listens on another port than last time
            await store.set(tenant.tenant_id, {"servicedesk_base_url": base}, Change(WHO, "the desk moved"))
            stage.changed_at = time.monotonic()
        partitions[tenant.tenant_id] = found.partition
        await _remember(stage, tenant)
    stage.memory.save()
    return partitions


async def bring_data(stage: Stage, tenant: DemoTenant) -> dict[str, int]:
    """Import the tenant's knowledge, inventory and history unless this very data is there; how many of each there are."""
    articles = read_articles(tenant.data / "knowledge")
    devices = read_devices(tenant.data / "inventory.csv")
    solved = read_solved_tickets(tenant.data / "history.jsonl")
    remembered, mark = stage.memory.tenants[tenant.tenant_id], fingerprint(tenant.data)
    if remembered.imported != mark:
        store = DataStore(stage.pool, tenant.tenant_id, WHO)
        await store.articles(articles)
        await store.devices(devices)
        await store.solved_tickets(solved)
        remembered.imported = mark
        stage.memory.save()
    return {"articles": len(articles), "devices": len(devices), "solved tickets": len(solved)}


async def wait_until_known(stage: Stage, tenants: Sequence[DemoTenant]) -> None:
    """Until the edge takes each tenant's signature (a signed webhook with nothing in it is answered 422 then, 403 before), and
    every stage has looked for new tenants: one that is unknown there would be held for 5 s, which is no figure for a table."""
    if stage.changed_at is not None:
        await asyncio.sleep(max(0.0, stage.changed_at + STAGES_FOLLOW_SECONDS - time.monotonic()))
    deadline = time.monotonic() + KNOWN_SECONDS
    for tenant in tenants:
        url, key = stage.around.webhook_url(tenant.tenant_id), stage.key(tenant)
        while (answer := await send(stage.session, url, b"{}", headers(key, "demo-probe", b"{}"))).status != 422:
            if time.monotonic() > deadline:
                told = f"the edge answers {answer.status} to {tenant.tenant_id}, {KNOWN_SECONDS:.0f} s after it was created"
                raise Failure(told, "see the edge's log in the state folder's logs/")
            await asyncio.sleep(0.1)


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and contents of the files in a folder."""
    digest = sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + sha256(file.read_bytes()).digest())
    return digest.hexdigest()


async def _remember(stage: Stage, tenant: DemoTenant) -> None:
    """Secret and token of a tenant that is there already, in case the demo's memory was lost."""
    tenant_id = tenant.tenant_id
    if tenant_id not in stage.memory.tenants:
        stage.memory.tenants[tenant_id] = TenantMemory(await webhook_secret(stage.around, stage.pool, tenant_id))
    remembered = stage.memory.tenants[tenant_id]
    if not remembered.token:
        remembered.token, _ = await ApiTokens(stage.pool).create(NewToken(tenant_id, SCOPES, "demo"), Change(WHO))
