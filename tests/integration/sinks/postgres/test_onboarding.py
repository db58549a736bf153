"""A tenant's contacts, and the webhooks of its that were refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.audit_log import Change
from sinks.postgres.tenant_contacts import Contact, ContactKind, TenantContacts
from sinks.postgres.webhook_refusals import Refusal, WebhookRefusals
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOMEBODY = Contact("Jo Doe", "jo.doe@customer.example", "+49 30 1234")


def refusal(number: int = 0, **other: object) -> Refusal:
    return Refusal(**{"at": NOON + timedelta(seconds=number), "status": 403, "reason": "stale", **other})  # type: ignore[arg-type]


async def test_a_refusal_reads_as_it_was_kept(pool_of: PoolOf, operator: Pool, tenant: str) -> None:
    kept = refusal(detail="field: must be text", ticket_id="4711", address="2001:db8::1", seconds_off=-412, times=7)
    await WebhookRefusals(await pool_of("ingest")).keep([(tenant, kept), (tenant, refusal(1))])
    assert await WebhookRefusals(operator).list(tenant) == [refusal(1), kept]


async def test_the_newest_hundred_of_each_tenant_stay(pool_of: PoolOf, operator: Pool, make_tenant: MakeTenant) -> None:
    one, other = await make_tenant(), await make_tenant()
    edge = WebhookRefusals(await pool_of("ingest"))
    await edge.keep([(other, refusal())])
    await edge.keep([(one, refusal(number)) for number in range(60)])
    await edge.keep([(one, refusal(number)) for number in range(60, 210)])
    found = await WebhookRefusals(operator).list(one, 1000)
    assert [kept.at for kept in found] == [NOON + timedelta(seconds=number) for number in range(209, 109, -1)]
    assert await WebhookRefusals(operator).list(other) == [refusal()]


async def test_a_tenant_that_is_gone_does_not_keep_others_from_theirs(
    pool_of: PoolOf, operator: Pool, tenant: str
) -> None:
    await WebhookRefusals(await pool_of("ingest")).keep([("gone", refusal()), (tenant, refusal())])
    assert await WebhookRefusals(operator).list(tenant) == [refusal()]


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
