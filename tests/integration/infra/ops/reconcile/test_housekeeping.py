"""reconcile's round deletes what was kept of replaced credentials for long enough, also of tenants that are disabled."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, cast
from uuid import uuid4

import asyncpg

from infra.ops.reconcile.rounds import Reconciler
from infra.ops.reconcile.site import Site
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.pool import Pool, open_pool
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.tenant_directory import TenantDirectory
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets

RING = KeyRing.parse(new_ring_key("r"), variable="TEST")


class Database(Protocol):
    dsn: str
    dsns: dict[str, str]


@dataclass
class NoDesks:
    """A reconciler for which there is nothing to compare."""

    rounds: int = 0

    async def round(self, tenants: list[Any]) -> list[Any]:
        self.rounds += 1
        return []


async def replaced_tenant(operator: Pool) -> str:
    tenant_id = f"kept-{uuid4().hex[:8]}"
    store, credentials = TenantStore(operator), DeskCredentials(operator, RING)
    await store.create(
        NewTenant(tenant_id, "https://desk.example", "old key"),
        partitions=100_000,
        secrets=WebhookSecrets(operator, RING),
        credentials=credentials,
        change=Change("test"),
    )
    await store.replace_credential(tenant_id, "new key", credentials, Change("test"))
    await store.enable(tenant_id, False, Change("test"))
    return tenant_id


async def test_a_round_deletes_replaced_credentials_after_7_days_and_goes_on_without_postgresql(
    postgres: Database,
) -> None:
    admin = await asyncpg.connect(postgres.dsn)
    count = "SELECT count(*) FROM servicedesk_credentials WHERE tenant_id = $1"
    desks = NoDesks()
    async with await open_pool(postgres.dsns["operator"], service="operator", size=1) as operator:
        tenant_id = await replaced_tenant(operator)
    pool = await open_pool(postgres.dsns["reconcile"], service="reconcile", size=1)
    directory = cast(
        TenantDirectory, SimpleNamespace(all=lambda: [SimpleNamespace(tenant_id=tenant_id, enabled=False)])
    )
    site = Site(directory, cast(Reconciler, desks), pool)

    await site.round()
    assert await admin.fetchval(count, tenant_id) == 2
    await admin.execute(
        "UPDATE servicedesk_credentials SET delete_after = now() WHERE tenant_id = $1 AND replaced_at IS NOT NULL",
        tenant_id,
    )
    await site.round()
    assert await admin.fetchval(count, tenant_id) == 1

    await pool.close()
    await site.round()
    assert desks.rounds == 3
    await admin.close()
