"""A tenant's contacts, and the webhooks of its that were refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import asyncpg
import pytest

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from ingest.fakes import FakeRefusals
from sinks.postgres.audit_log import Change
from sinks.postgres.tenant_contacts import Contact, ContactKind, TenantContacts
from sinks.postgres.webhook_refusals import MOST_OF_A_TENANT, Refusal, WebhookRefusals
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOMEBODY = Contact("Jo Doe", "jo.doe@customer.example", "+49 30 1234")


def refusal(number: int = 0, **other: object) -> Refusal:
    return Refusal(**{"at": NOON + timedelta(seconds=number), "status": 403, "reason": "stale", **other})  # type: ignore[arg-type]


class Kept(Protocol):
    """A RefusalStore that can be looked into."""

    async def keep(self, refusals: Sequence[tuple[str, Refusal]]) -> None: ...
    async def list(self, tenant_id: str, limit: int = ...) -> list[Refusal]: ...


class LookInto(FakeRefusals):
    async def list(self, tenant_id: str, limit: int = MOST_OF_A_TENANT) -> list[Refusal]:
        return self.kept.get(tenant_id, [])[:limit]


@dataclass
class Stored:
    """The real one: the edge keeps, the operator lists."""

    edge: Pool
    operator: Pool

    async def keep(self, refusals: Sequence[tuple[str, Refusal]]) -> None:
        await WebhookRefusals(self.edge).keep(refusals)

    async def list(self, tenant_id: str, limit: int = MOST_OF_A_TENANT) -> list[Refusal]:
        return await WebhookRefusals(self.operator).list(tenant_id, limit)


@pytest.fixture
async def tenants(make_tenant: MakeTenant) -> list[str]:
    return [await make_tenant(), await make_tenant()]


@pytest.fixture(params=["fake", "postgres"])
async def store(request: pytest.FixtureRequest, pool_of: PoolOf, operator: Pool, tenants: list[str]) -> Kept:
    return Stored(await pool_of("ingest"), operator) if request.param == "postgres" else LookInto(set(tenants))


async def test_a_refusal_reads_as_it_was_kept(store: Kept, tenants: list[str]) -> None:
    kept = refusal(detail="field: must be text", ticket_id="4711", address="2001:db8::1", seconds_off=-412, times=7)
    await store.keep([(tenants[0], kept), (tenants[0], refusal(1))])
    assert await store.list(tenants[0]) == [refusal(1), kept]


async def test_the_newest_hundred_of_each_tenant_stay(store: Kept, tenants: list[str]) -> None:
    one, other = tenants
    await store.keep([(other, refusal())])
    await store.keep([(one, refusal(number)) for number in range(60)])
    await store.keep([(one, refusal(number)) for number in range(60, 210)])
    found = await store.list(one, 1000)
    assert [kept.at for kept in found] == [NOON + timedelta(seconds=number) for number in range(209, 109, -1)]
    assert await store.list(other) == [refusal()]


async def test_a_tenant_that_is_gone_does_not_keep_others_from_theirs(store: Kept, tenants: list[str]) -> None:
    await store.keep([("gone", refusal()), (tenants[0], refusal())])
    assert await store.list(tenants[0]) == [refusal()]


@pytest.mark.parametrize("statement", ["SELECT * FROM webhook_refusals", "DELETE FROM webhook_refusals"])
async def test_the_edge_writes_refusals_by_its_function_only(pool_of: PoolOf, tenant: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenant_transaction(await pool_of("ingest"), tenant) as connection:
            await connection.execute(statement)


async def test_contacts_are_set_replaced_and_taken_away(operator: Pool, tenant: str) -> None:
    contacts, other = TenantContacts(operator), Contact("Mo", "mo@customer.example", "110")
    await contacts.set(tenant, {ContactKind.EXECUTIVE: SOMEBODY, ContactKind.TECHNICAL: SOMEBODY}, Change("test"))
    assert list(await contacts.of(tenant)) == [ContactKind.TECHNICAL, ContactKind.EXECUTIVE]
    await contacts.set(tenant, {ContactKind.EXECUTIVE: None, ContactKind.TECHNICAL: other}, Change("test"))
    assert await contacts.of(tenant) == {ContactKind.TECHNICAL: other}


async def test_the_audit_log_knows_that_contacts_changed_and_not_who_they_are(operator: Pool, tenant: str) -> None:
    contacts = TenantContacts(operator)
    await contacts.set(tenant, {ContactKind.EXECUTIVE: SOMEBODY}, Change("test", "case 1"))
    await contacts.set(tenant, {ContactKind.EXECUTIVE: None}, Change("test", "case 2"))
    async with tenant_transaction(operator, tenant) as connection:
        rows = await connection.fetch("SELECT * FROM audit_log WHERE operation = 'tenant contacts' ORDER BY at")
    assert [(row["old_value"], row["new_value"], row["reason"]) for row in rows] == [
        (None, "***", "case 1"), ("***", None, "case 2"),
    ]  # fmt: skip
    assert "Doe" not in str([dict(row) for row in rows])
