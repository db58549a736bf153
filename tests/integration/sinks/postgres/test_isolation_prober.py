"""The prober finds a database that protects tenants no more, and nothing in one that does; what it finds is in the audit log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from random import Random
from typing import TYPE_CHECKING

import asyncpg
import pytest
from prometheus_client import REGISTRY

from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from infra.runtime.telemetry.isolation import Kind, Violation, subscribed
from sinks.postgres import isolation_prober
from sinks.postgres.isolation import isolation_watched
from sinks.postgres.isolation_prober import IsolationProber
from sinks.postgres.roles import RawConnection
from tests.integration.sinks.postgres.conftest import SERVICES
from tests.integration.sinks.postgres.sample_rows import fill

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase, PostgresServer

TENANTS = ["probe-one", "probe-two", "probe-three"]


@pytest.fixture(scope="module")
async def scratch(postgres_server: PostgresServer) -> MigratedDatabase:
    """A database that these tests may break."""
    database = await postgres_server.migrated("probed")
    superuser = await asyncpg.connect(database.dsn)
    for tenant_id in TENANTS:
        await fill(superuser, tenant_id)
    await superuser.close()
    return database


@pytest.fixture
async def superuser(scratch: MigratedDatabase) -> AsyncIterator[RawConnection]:
    opened = await asyncpg.connect(scratch.dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def violations() -> AsyncIterator[list[Violation]]:
    seen: list[Violation] = []
    with subscribed(seen.append):
        yield seen


async def probed(database: MigratedDatabase, service: str) -> int:
    async with await open_pool(database.dsns[service], service=service, size=1) as pool:
        return await IsolationProber(lambda: pool, lambda: TENANTS, draw=Random(1)).probe()


@pytest.mark.parametrize("service", SERVICES)
async def test_nothing_is_found_where_the_policies_are_in_force(
    scratch: MigratedDatabase, violations: list[Violation], service: str
) -> None:
    started = time.time()
    assert await probed(scratch, service) == 0
    assert violations == []
    assert (REGISTRY.get_sample_value("ticketstream_isolation_probe_timestamp_seconds") or 0) >= started


BROKEN = [
    pytest.param(
        "ALTER TABLE tickets DISABLE ROW LEVEL SECURITY", "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY",
        "nobody", id="row-level security switched off",
    ),
    pytest.param(
        "CREATE POLICY all_rows ON tickets USING (true)", "DROP POLICY all_rows ON tickets", "nobody", id="a policy for all rows",
    ),
    pytest.param(
        "ALTER POLICY tenant ON tickets USING (current_setting('app.current_tenant_id', true) <> '')",
        "ALTER POLICY tenant ON tickets USING (tenant_id = NULLIF(current_setting('app.current_tenant_id', true), ''))",
        "-probe", id="a policy that only asks for some tenant",
    ),
    pytest.param(
        "ALTER POLICY tenant ON tickets USING (current_setting('app.current_tenant_id', true) LIKE 'probe-%')",
        "ALTER POLICY tenant ON tickets USING (tenant_id = NULLIF(current_setting('app.current_tenant_id', true), ''))",
        "another", id="a policy that shows tenants each other's rows",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("breaks", "mends", "guise"), BROKEN)
async def test_a_policy_that_no_longer_protects_is_found(
    scratch: MigratedDatabase,
    superuser: RawConnection,
    violations: list[Violation],
    breaks: str,
    mends: str,
    guise: str,
) -> None:
    await superuser.execute(breaks)
    try:
        found = {service: await probed(scratch, service) for service in ("enrich", "deliver", "ingest")}
    finally:
        await superuser.execute(mends)

    assert found == {"enrich": 1, "deliver": 1, "ingest": 0}  # of tickets ingest reads nothing
    assert {(seen.kind, seen.detail["place"]) for seen in violations} == {(Kind.PROBER, "tickets")}
    assert {seen.tenant_id for seen in violations} <= set(TENANTS)
    seen_as = {seen.detail["seen_as"] for seen in violations}
    assert seen_as <= set(TENANTS) if guise == "another" else seen_as == {guise}
    assert await probed(scratch, "enrich") == 0


async def test_a_search_that_forgets_its_tenant_is_found(
    scratch: MigratedDatabase, superuser: RawConnection, violations: list[Violation]
) -> None:
    await superuser.execute("UPDATE tickets SET solved_at = now()")
    definition = await superuser.fetchval("SELECT pg_get_functiondef('ticket_lexeme_counts'::regproc)")
    key = "public.search_keys(d.tenant_id, d.search) @> ARRAY[public.search_key(tenant, asked.word)]"
    assert key in definition
    careless = definition.replace(key, "true").replace("AND d.tenant_id || '' = tenant", "")
    await superuser.execute(careless)
    try:
        found = await probed(scratch, "enrich")
    finally:
        await superuser.execute(definition)

    assert found == 1
    assert violations[0].detail["place"].startswith("ticket_lexeme_counts")
    assert violations[0].tenant_id in TENANTS


@pytest.mark.parametrize("service", SERVICES)
async def test_a_probe_reads_no_table_to_its_end(scratch: MigratedDatabase, service: str) -> None:
    """Every question finds an index that begins with the tenant, so that it costs the same on a large table."""
    async with await open_pool(scratch.dsns[service], service=service, size=1) as pool, connection(pool) as connected:
        question = await isolation_prober._question(connected)
        await connected.execute("BEGIN; SET LOCAL enable_seqscan = off")
        plan = await connected.fetch(f"EXPLAIN {question}", TENANTS) if question else []
        await connected.execute("ROLLBACK")

    lines = [line for (line,) in plan]
    scans = [number for number, line in enumerate(lines) if " Scan " in line and "Function Scan" not in line]
    by_tenant = [number for number in scans if "Index Cond: ((tenant_id = ANY" in lines[number + 1]]
    assert by_tenant == scans, "\n".join(lines)


async def test_a_violation_is_written_into_the_audit_log_of_its_tenant(
    scratch: MigratedDatabase, superuser: RawConnection
) -> None:
    await superuser.execute("DELETE FROM audit_log")
    await superuser.execute("ALTER TABLE enhancements DISABLE ROW LEVEL SECURITY")
    try:
        async with (
            await open_pool(scratch.dsns["deliver"], service="deliver", size=2) as pool,
            isolation_watched(lambda: pool, lambda: TENANTS[:1], who="deliver", every_seconds=300),
        ):
            entry = await first(superuser, "SELECT * FROM audit_log")
    finally:
        await superuser.execute("ALTER TABLE enhancements ENABLE ROW LEVEL SECURITY")

    assert (entry["tenant_id"], entry["who"], entry["operation"], entry["subject"]) == (
        TENANTS[0], "deliver", "isolation violation", "prober",
    )  # fmt: skip
    assert entry["new_value"] == "place: enhancements; seen_as: nobody"
    assert entry["database_role"] == "ticketstream_deliver"


@pytest.fixture
async def enrich(scratch: MigratedDatabase) -> AsyncIterator[Pool]:
    async with await open_pool(scratch.dsns["enrich"], service="enrich", size=2) as pool:
        yield pool


WRITE = """
INSERT INTO received_events (tenant_id, event_id, ticket_id, kind, topic, partition, record_offset, body_hash, received_at)
VALUES ($1, gen_random_uuid(), '1', 'created', 't', 1, 1, '', now())
"""


async def test_a_write_that_a_policy_refuses_is_a_violation_and_audited(
    enrich: Pool, superuser: RawConnection, violations: list[Violation]
) -> None:
    await superuser.execute("DELETE FROM audit_log")
    async with isolation_watched(lambda: enrich, list, who="enrich", every_seconds=300):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenant_transaction(enrich, TENANTS[0]) as borrowed:
                await borrowed.execute(WRITE, TENANTS[1])
        entry = await first(superuser, "SELECT * FROM audit_log")

    assert [(seen.kind, seen.tenant_id) for seen in violations] == [(Kind.REFUSED_WRITE, TENANTS[0])]
    assert (entry["tenant_id"], entry["subject"]) == (TENANTS[0], "refused_write")
    assert "received_events" in entry["new_value"]


async def test_a_write_without_a_tenant_is_a_violation_a_missing_right_is_none(
    enrich: Pool, violations: list[Violation]
) -> None:
    for statement in ("DELETE FROM tickets", "SELECT * FROM servicedesk_credentials"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenant_transaction(enrich, TENANTS[0]) as borrowed:
                await borrowed.execute(statement)
    assert violations == []

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with connection(enrich) as borrowed:
            await borrowed.execute(WRITE, TENANTS[0])
    assert [(seen.kind, seen.tenant_id) for seen in violations] == [(Kind.REFUSED_WRITE, "")]


async def first(superuser: RawConnection, query: str) -> asyncpg.Record:
    async with asyncio.timeout(10):
        while not (rows := await superuser.fetch(query)):
            await asyncio.sleep(0.02)
    return rows[0]
