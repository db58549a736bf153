"""Tenants: a partition of their own each, settings within their ranges, every change audited and followed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from infra.runtime.keys.rings import KeyRing
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from sinks.postgres.credentials import DeskCredentials, NoCredential
from sinks.postgres.tenant_directory import TenantDirectory
from sinks.postgres.tenant_settings import BadSetting
from sinks.postgres.tenants import Change, NewTenant, NoPartitionFree, NoSuchTenant, TenantExists, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecret, WebhookSecrets
from tests.integration.sinks.postgres.conftest import MANY_PARTITIONS, MakeTenant, PoolOf

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

CHANGE = Change("pat@support.example", "ticket 4711")


async def create(
    operator: Pool, rings: KeyRing, tenant_id: str, partitions: int = MANY_PARTITIONS, **settings: str
) -> WebhookSecret:
    new = NewTenant(tenant_id, "https://desk.example", "desk key", settings=settings)
    secrets, credentials = WebhookSecrets(operator, rings), DeskCredentials(operator, rings)
    _, secret = await TenantStore(operator).create(
        new, partitions=partitions, secrets=secrets, credentials=credentials, change=CHANGE
    )
    return secret


async def audit(operator: Pool, tenant_id: str) -> list[tuple[str, ...]]:
    async with tenant_transaction(operator, tenant_id) as connected:
        rows = await connected.fetch(
            "SELECT who, operation, subject, old_value, new_value, reason FROM audit_log ORDER BY audit_id"
        )
    return [tuple(str(value) for value in row.values()) for row in rows]


async def eventually(what: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


async def test_twenty_tenants_made_at_once_get_twenty_partitions(operator: Pool, rings: KeyRing) -> None:
    names = [f"at-once-{number}" for number in range(20)]

    await asyncio.gather(*(create(operator, rings, name) for name in names))

    tenants = [tenant for tenant in await TenantStore(operator).list() if tenant.tenant_id in names]
    assert len({tenant.partition for tenant in tenants}) == 20
    assert max(Counter(tenant.partition for tenant in await TenantStore(operator).list()).values()) == 1


async def test_of_the_same_tenant_made_twice_at_once_one_is_made(operator: Pool, rings: KeyRing) -> None:
    results = await asyncio.gather(*(create(operator, rings, "made-once") for _ in range(5)), return_exceptions=True)

    assert Counter(type(result) for result in results) == {WebhookSecret: 1, TenantExists: 4}


async def test_when_all_partitions_are_taken_nothing_is_made_and_the_cure_is_named(
    operator: Pool, rings: KeyRing, tenant: str
) -> None:
    with pytest.raises(NoPartitionFree, match="topics ensure --partitions"):
        await create(operator, rings, "one-too-many", partitions=1)

    with pytest.raises(NoSuchTenant):
        await TenantStore(operator).show("one-too-many")


async def test_a_new_tenant_has_the_customers_defaults(operator: Pool, tenant: str) -> None:
    made = await TenantStore(operator).show(tenant)

    assert (made.max_concurrent_jobs, made.enhancement_timeout_seconds, made.enable_context_caching) == (5, 120, True)
    assert (made.gpt4_model, made.gpt4_temperature, made.enabled) == ("gpt-4-turbo", 0.7, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_concurrent_jobs", "0"),
        ("max_concurrent_jobs", "51"),
        ("enhancement_timeout_seconds", "29"),
        ("enhancement_timeout_seconds", "301"),
        ("gpt4_temperature", "1.01"),
        ("gpt4_temperature", "nan"),
        ("gpt4_model", "my-own-model"),
        ("fallback_model", "my-own-model"),
        ("fallback_builtin", "maybe"),
        ("enable_context_caching", "perhaps"),
        ("partition", "3"),
        ("tenant_id", "other"),
    ],
)
async def test_a_setting_out_of_its_range_is_refused_and_nothing_changes(
    operator: Pool, tenant: str, name: str, value: str
) -> None:
    before = await TenantStore(operator).show(tenant)

    with pytest.raises(BadSetting, match=name):
        await TenantStore(operator).set(tenant, {"webhook_burst": "7", name: value}, CHANGE)

    assert await TenantStore(operator).show(tenant) == before


async def test_a_change_is_audited_with_who_old_new_and_why(operator: Pool, tenant: str) -> None:
    await TenantStore(operator).set(tenant, {"max_concurrent_jobs": "12"}, CHANGE)

    assert (await audit(operator, tenant))[-1] == (
        CHANGE.who,
        "tenant set",
        "max_concurrent_jobs",
        "5",
        "12",
        CHANGE.reason,
    )


async def test_no_secret_is_in_the_audit_log_nor_readable_in_the_tables(operator: Pool, rings: KeyRing) -> None:
    secret = await create(operator, rings, "audited")
    store, credentials = TenantStore(operator), DeskCredentials(operator, rings)
    await store.replace_credential("audited", "another desk key", credentials, CHANGE)
    rotated = (await WebhookSecrets(operator, rings).rotate("audited", CHANGE)).secret

    async with tenant_transaction(operator, "audited") as connected:
        kept = str(await audit(operator, "audited"))
        for table in ("webhook_secrets", "servicedesk_credentials", "tenant_configs"):
            kept += str(await connected.fetch(f"SELECT * FROM {table}"))  # noqa: S608 — named above

    for text in (secret.raw, secret.whsec, rotated.raw, rotated.whsec, "desk key"):
        assert text not in kept


async def test_what_to_do_without_the_model_is_set_shown_and_audited(operator: Pool, tenant: str) -> None:
    store = TenantStore(operator)
    made = await store.show(tenant)
    assert (made.fallback_model, made.fallback_builtin) == ("none", True)

    await store.set(tenant, {"fallback_model": "gpt-4o-mini", "fallback_builtin": "false"}, CHANGE)
    assert [entry[2:5] for entry in (await audit(operator, tenant))[-2:]] == [
        ("fallback_model", "none", "gpt-4o-mini"),
        ("fallback_builtin", "True", "False"),
    ]
    assert (await store.set(tenant, {"fallback_model": "none"}, CHANGE)).fallback_model == "none"


async def test_an_outside_model_needs_somebody_who_agreed(operator: Pool, tenant: str) -> None:
    store = TenantStore(operator)
    assert not (await store.show(tenant)).external_model
    with pytest.raises(BadSetting, match="who agreed"):
        await store.set(tenant, {"external_model": "true"}, CHANGE)

    agreed = Change(CHANGE.who, CHANGE.reason, agreed_by="the tenant's data officer")
    assert (await store.set(tenant, {"external_model": "true"}, agreed)).external_model


async def test_the_directory_follows_changes_and_new_tenants(
    operator: Pool, pool_of: PoolOf, make_tenant: MakeTenant
) -> None:
    tenant = await make_tenant()
    directory = TenantDirectory(await pool_of("enrich"), poll_seconds=0.05)
    await directory.start()
    seen = directory.of_tenant(tenant)
    assert directory.loaded
    assert seen is not None
    assert directory.of_partition(seen.partition) == seen

    await TenantStore(operator).set(tenant, {"max_concurrent_jobs": "9"}, CHANGE)
    await eventually(lambda: (now := directory.of_tenant(tenant)) is not None and now.max_concurrent_jobs == 9)
    await TenantStore(operator).enable(tenant, False, CHANGE)
    await eventually(lambda: (now := directory.of_tenant(tenant)) is not None and not now.enabled)
    further = await make_tenant()
    await eventually(lambda: directory.of_tenant(further) is not None)
    await directory.stop()


async def test_the_directory_keeps_its_view_while_postgresql_is_away(postgres: MigratedDatabase, tenant: str) -> None:
    now = [100.0]
    pool = await open_pool(postgres.dsns["lag"], service="lag", size=1)
    directory = TenantDirectory(pool, monotonic=lambda: now[0])
    assert not directory.loaded
    assert await directory.refresh()

    await pool.close()
    now[0] = 130.0

    assert not await directory.refresh()
    assert directory.of_tenant(tenant) is not None
    assert directory.age_seconds == pytest.approx(30.0)


async def test_what_nobody_changes_leaves_the_version_alone(operator: Pool, tenant: str) -> None:
    async def version() -> int:
        async with connection(operator) as connected:
            return int(await connected.fetchval("SELECT version FROM config_version"))

    before = await version()
    await TenantStore(operator).list()
    async with tenant_transaction(operator, tenant) as connected:
        await connected.execute("INSERT INTO audit_log (tenant_id, who, operation) VALUES ($1, 'x', 'looked')", tenant)
    assert await version() == before

    await TenantStore(operator).set(tenant, {"webhook_burst": "50"}, CHANGE)
    assert await version() > before


async def test_a_replaced_credential_is_kept_for_seven_days(operator: Pool, rings: KeyRing, tenant: str) -> None:
    credentials = DeskCredentials(operator, rings)
    assert (await credentials.get(tenant)).credential == f"key of {tenant}"

    await TenantStore(operator).replace_credential(tenant, "new key", credentials, CHANGE)

    assert (await credentials.get(tenant)).credential == "new key"
    async with tenant_transaction(operator, tenant) as connected:
        kept = await connected.fetchval(
            "SELECT delete_after - replaced_at FROM servicedesk_credentials WHERE replaced_at IS NOT NULL"
        )
    assert kept is not None
    assert round(kept.total_seconds() / 86400, 2) == 7


async def test_deliver_reads_the_credential_and_another_tenant_has_none(
    pool_of: PoolOf, rings: KeyRing, tenant: str
) -> None:
    credentials = DeskCredentials(await pool_of("deliver"), rings)

    assert (await credentials.get(tenant)).credential == f"key of {tenant}"
    with pytest.raises(NoCredential):
        await credentials.get("nobody")
