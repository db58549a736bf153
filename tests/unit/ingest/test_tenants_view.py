"""The tenants in memory: following, keeping, decrypting, knowing their age."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from infra.runtime.keys.rings import KeyRing, new_ring_key
from ingest.fakes import FakeTenantSource
from ingest.ports import TenantRow
from ingest.tenants_view import SECRET_COLUMN, TenantsView

RING = KeyRing.parse(new_ring_key("k1"), variable="TICKETSTREAM_WEBHOOK_KEYS")
OTHER_RING = KeyRing.parse(new_ring_key("k2"), variable="TICKETSTREAM_WEBHOOK_KEYS")
KEY = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
SHOWN = b"whsec_" + b64encode(KEY)


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def row(tenant_id: str = "a", *secrets: bytes, ring: KeyRing = RING) -> TenantRow:
    stored = tuple(ring.encrypt(secret, tenant_id=tenant_id, column=SECRET_COLUMN) for secret in secrets)
    return TenantRow(tenant_id, 3, True, 10.0, 20, stored)


def view(source: FakeTenantSource, time: Time | None = None) -> TenantsView:
    return TenantsView(source, RING, monotonic=time or Time())


@pytest.mark.parametrize("stored", [KEY, SHOWN])
async def test_secrets_are_decrypted_to_raw_keys_however_they_are_kept(stored: bytes) -> None:
    tenants = view(FakeTenantSource([row("a", stored)]))
    assert await tenants.refresh()
    tenant = tenants.get("a")
    assert tenant is not None
    assert (tenant.partition, tenant.enabled, tenant.secrets, tenant.readable) == (3, True, (KEY,), True)


async def test_nothing_is_loaded_before_the_source_answers() -> None:
    source = FakeTenantSource([row()])
    source.away = True
    tenants = view(source)
    assert not await tenants.refresh()
    assert not tenants.loaded
    assert tenants.age_seconds == float("inf")


async def test_the_last_view_outlives_the_source_and_knows_its_age() -> None:
    source, time = FakeTenantSource([row("a", KEY)]), Time()
    tenants = view(source, time)
    await tenants.refresh()
    source.away = True
    time.now += 40
    assert not await tenants.refresh()
    assert tenants.loaded
    assert tenants.get("a") is not None
    assert tenants.age_seconds == 40
    source.away = False
    await tenants.refresh()
    assert tenants.age_seconds == 0


async def test_rows_are_read_again_only_after_a_change() -> None:
    source = FakeTenantSource([row("a", KEY)])
    tenants = view(source)
    for _ in range(3):
        await tenants.refresh()
    assert source.loads == 1
    source.change([row("b", KEY)])
    await tenants.refresh()
    assert tenants.get("a") is None
    assert tenants.get("b") is not None


async def test_a_secret_that_ceases_by_itself_is_dropped_in_time() -> None:
    source, time = FakeTenantSource([row("a", KEY)]), Time()
    source.changes_in = 5.0
    tenants = view(source, time)
    await tenants.refresh()
    source.rows, source.changes_in = [row("a")], None
    time.now += 4
    await tenants.refresh()
    assert tenants.get("a").secrets == (KEY,)  # type: ignore[union-attr]
    time.now += 1
    await tenants.refresh()
    assert tenants.get("a").secrets == ()  # type: ignore[union-attr]


async def test_a_secret_that_cannot_be_read_takes_nobody_else_down() -> None:
    tenants = view(FakeTenantSource([row("a", KEY, ring=OTHER_RING), row("b", KEY)]))
    await tenants.refresh()
    unreadable, good = tenants.get("a"), tenants.get("b")
    assert unreadable is not None
    assert good is not None
    assert (unreadable.readable, unreadable.secrets) == (False, ())
    assert good.secrets == (KEY,)


async def test_it_follows_until_cancelled() -> None:
    source = FakeTenantSource([row("a", KEY)])
    tenants = TenantsView(source, RING, poll_seconds=0.01)
    following = asyncio.create_task(tenants.run())
    async with asyncio.timeout(5):
        while not tenants.loaded:
            await asyncio.sleep(0.01)
        source.change([row("b", KEY)])
        while tenants.get("b") is None:
            await asyncio.sleep(0.01)
    following.cancel()


async def test_a_secret_that_opens_keeps_its_own_id_beside_one_that_does_not() -> None:
    both = row("a", KEY).secrets
    foreign = row("a", KEY, ring=OTHER_RING).secrets
    tenants = view(FakeTenantSource([replace(row("a"), secrets=(*foreign, *both), secret_ids=("unreadable", "good"))]))
    await tenants.refresh()

    found = tenants.get("a")

    assert found is not None
    assert (found.secrets, found.secret_ids, found.readable) == ((KEY,), ("good",), False)


async def test_due_dates_are_metrics_of_the_enabled_tenants_there_are() -> None:
    def due(tenant_id: str) -> float | None:
        return REGISTRY.get_sample_value("ticketstream_webhook_secret_due_timestamp_seconds", {"tenant_id": tenant_id})

    disabled = replace(row("due-off"), secret_due=1_800_000_000.0, enabled=False)
    source = FakeTenantSource([replace(row("due-a"), secret_due=1_800_000_000.0), row("due-none"), disabled])
    tenants = view(source)
    await tenants.refresh()
    assert (due("due-a"), due("due-none"), due("due-off")) == (1_800_000_000.0, None, None)
    source.change([])
    await tenants.refresh()
    assert due("due-a") is None
