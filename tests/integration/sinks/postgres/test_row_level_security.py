"""No tenant set, nothing seen; another tenant set, nothing seen of this one; and each role no more than its task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import connection, tenant_call, tenant_transaction
from sinks.postgres.roles import FUNCTION_OWNERS, LOGINS, OWNER
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

SERVICES = [login.removeprefix("ticketstream_") for login in LOGINS]

_TABLES = """
SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced, pg_get_userbyid(c.relowner) AS owner,
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS of_tenants,
    (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND 0 = ANY(p.polroles)) AS policies_for_all
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
"""
_POLICIES = """
SELECT p.polcmd::text AS command, r.rolname AS role, r.rolcanlogin AS can_login
FROM pg_policy p CROSS JOIN LATERAL unnest(p.polroles) AS member(oid) JOIN pg_roles r ON r.oid = member.oid
"""


@pytest.fixture
async def catalogue(postgres: MigratedDatabase) -> Pool:
    return await open_pool(postgres.dsn, service="catalogue", size=1)


async def test_every_table_with_a_tenant_is_behind_forced_row_level_security(catalogue: Pool) -> None:
    tables = await catalogue.fetch(_TABLES)
    await catalogue.close()

    of_tenants = [table for table in tables if table["of_tenants"]]
    assert len(of_tenants) >= 20
    assert [t["name"] for t in of_tenants if not (t["enabled"] and t["forced"] and t["policies_for_all"] == 1)] == []
    assert {t["name"] for t in tables if not t["of_tenants"]} == {"config_version", "service_keys", "schema_migrations"}
    assert {t["owner"] for t in tables} == {OWNER}


async def test_whoever_sees_all_tenants_only_reads_and_cannot_log_in(catalogue: Pool) -> None:
    policies = await catalogue.fetch(_POLICIES)
    await catalogue.close()

    assert {policy["role"] for policy in policies} == set(FUNCTION_OWNERS)
    assert {(policy["command"], policy["can_login"]) for policy in policies} == {("r", False)}


async def test_functions_with_anothers_rights_are_fixed_and_not_for_everybody(catalogue: Pool) -> None:
    rows = await catalogue.fetch(
        """SELECT proname, proconfig, prosecdef, coalesce(array_to_string(proacl, ' ') ~ '(^| )=X', true) AS public FROM pg_proc
           WHERE pronamespace = 'public'::regnamespace"""
    )
    await catalogue.close()

    assert rows
    assert [row["proname"] for row in rows if row["public"]] == []
    definers = [row for row in rows if row["prosecdef"]]
    assert [
        r["proname"] for r in definers if not any(s.startswith("search_path=pg_catalog") for s in r["proconfig"] or ())
    ] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_without_a_tenant_no_role_reads_any_tenants_row(pool_of: PoolOf, tenant: str, service: str) -> None:
    """Unset, and empty as it reads once a transaction has set it on this connection."""
    pool = await pool_of(service)
    readable = "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
    readable += (
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')"
    )
    async with connection(pool) as connected:
        names = [row["relname"] for row in await connected.fetch(readable)]
        for value in (None, ""):
            if value is not None:
                await connected.execute("SELECT set_config('app.current_tenant_id', $1, false)", value)
            for name in names:
                assert await connected.fetchval(f"SELECT count(*) FROM {name}") == 0, name  # noqa: S608
        await connected.execute("RESET app.current_tenant_id")


async def test_without_a_tenant_nothing_can_be_written(operator: Pool, tenant: str) -> None:
    async with connection(operator) as connected:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connected.execute("INSERT INTO audit_log (tenant_id, who, operation) VALUES ($1, 'x', 'x')", tenant)
        assert await connected.execute("UPDATE tenant_configs SET enabled = false") == "UPDATE 0"
        assert await connected.execute("DELETE FROM webhook_secrets") == "DELETE 0"


async def test_a_tenants_transaction_neither_sees_nor_writes_another_tenant(
    operator: Pool, make_tenant: MakeTenant
) -> None:
    one, other = await make_tenant(), await make_tenant()

    async with tenant_transaction(operator, one) as connected:
        assert [row["tenant_id"] for row in await connected.fetch("SELECT tenant_id FROM tenant_configs")] == [one]
        assert (
            await connected.execute("UPDATE tenant_configs SET enabled = false WHERE tenant_id = $1", other)
            == "UPDATE 0"
        )
    for statement in (
        "INSERT INTO audit_log (tenant_id, who, operation) VALUES ($1, 'x', 'x')",
        "UPDATE webhook_secrets SET tenant_id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with tenant_transaction(operator, one) as connected:
                await connected.execute(statement, other)


async def test_the_tenant_ends_with_its_transaction(postgres: MigratedDatabase, tenant: str) -> None:
    """On a connection that nobody resets in between, as behind a pooler that multiplexes transactions."""
    async with await open_pool(postgres.dsns["operator"], service="operator", size=1) as pool:
        async with tenant_transaction(pool, tenant):
            pass
        async with connection(pool) as connected:
            assert await connected.fetchval("SELECT current_setting('app.current_tenant_id', true)") == ""
            assert await connected.fetch("SELECT * FROM tenant_configs") == []


async def test_a_transaction_for_no_tenant_is_a_bug(operator: Pool) -> None:
    with pytest.raises(ValueError, match="needs a tenant id"):
        async with tenant_transaction(operator, ""):
            pass
    with pytest.raises(ValueError, match="needs a tenant id"):
        await tenant_call(operator, "SELECT $1::text", "")


@pytest.mark.parametrize("nobody", ["", None])
async def test_a_call_for_no_tenant_is_refused_by_the_database_too(pool_of: PoolOf, nobody: str | None) -> None:
    async with connection(await pool_of("deliver")) as connected:
        with pytest.raises(asyncpg.InvalidParameterValueError, match="needs a tenant id"):
            await connected.fetch("SELECT * FROM newest_content($1, 'any')", nobody)


async def test_a_call_sees_and_writes_its_tenant_only_and_leaves_none_behind(
    postgres: MigratedDatabase, make_tenant: MakeTenant
) -> None:
    one, other = await make_tenant(), await make_tenant()
    begin = "SELECT begin_enhancement($1, 'ticket', 'content', $2, now(), NULL)"
    event = "00000000-0000-0000-0000-000000000001"
    async with await open_pool(postgres.dsns["enrich"], service="enrich", size=1) as pool:
        assert await tenant_call(pool, begin, one, event)
        anothers = "SELECT anothers_enhancement($1, 'ticket', 'content', gen_random_uuid())"
        assert [(await tenant_call(pool, anothers, tenant))[0][0] for tenant in (one, other)] == [True, False]
        assert await tenant_call(pool, "SELECT * FROM enhancements WHERE tenant_id = $1", one) == []


FORBIDDEN = [
    ("ingest", "SELECT * FROM servicedesk_credentials"),
    ("ingest", "SELECT * FROM tickets"),
    ("ingest", "SELECT * FROM webhook_secrets"),
    ("ingest", "SELECT * FROM tenant_configs"),
    ("ingest", "SELECT * FROM api_tokens"),
    ("ingest", "INSERT INTO enhancement_feedback DEFAULT VALUES"),
    ("enrich", "SELECT * FROM servicedesk_credentials"),
    ("enrich", "SELECT * FROM webhook_secrets"),
    ("enrich", "SELECT * FROM ingest_tenants()"),
    ("enrich", "UPDATE tenant_configs SET enabled = true"),
    ("enrich", "DELETE FROM tickets"),
    ("enrich", "INSERT INTO knowledge_articles DEFAULT VALUES"),
    ("synthesize", "SELECT * FROM servicedesk_credentials"),
    ("synthesize", "SELECT subject FROM tickets"),
    ("synthesize", "SELECT * FROM knowledge_articles"),
    ("deliver", "SELECT * FROM knowledge_articles"),
    ("deliver", "SELECT * FROM inventory"),
    ("deliver", "SELECT description FROM tickets"),
    ("deliver", "UPDATE servicedesk_credentials SET credential = ''"),
    ("deliver", "SELECT * FROM best_similar_tickets(ARRAY['a'], ARRAY[1.0], 0, '', NULL, 1, 1, 1)"),
    ("deliver", "SELECT * FROM best_matching_articles(ARRAY['a'], ARRAY[1.0], 0, 1, 1, 1)"),
    ("synthesize", "SELECT * FROM word_counts('t', ARRAY['a'], ARRAY['a'], 1)"),
    ("deliver", "SELECT take_answer('t', gen_random_uuid(), 'owner', 'ticket', interval '1 s')"),
    (
        "deliver",
        "SELECT keep_answer('t', gen_random_uuid(), 'ticket', 'content', 'answer', gen_random_uuid(), 'built_in', NULL, NULL,"
        " 0, 0, NULL, NULL, now(), 'superseded')",
    ),
    ("synthesize", "SELECT mark_event('t', gen_random_uuid(), 'dropped', NULL)"),
    ("synthesize", "SELECT mark_events(ARRAY['t'], ARRAY[gen_random_uuid()], ARRAY['dropped'], ARRAY[NULL])"),
    ("feedback_aggregate", "SELECT supersede_enhancement('t', 'ticket', 'content', 'superseded')"),
    ("feedback_aggregate", "SELECT * FROM servicedesk_credentials"),
    ("feedback_aggregate", "SELECT * FROM tickets"),
    ("lag", "SELECT * FROM enhancements"),
    ("lag", "SELECT * FROM audit_log"),
    ("sync", "SELECT * FROM webhook_secrets"),
    ("reconcile", "UPDATE tickets SET subject = ''"),
    ("reconcile", "SELECT description FROM tickets"),
    ("reconcile", "SELECT servicedesk_base_url FROM tenant_configs"),
    ("reconcile", "DELETE FROM reconcile_state"),
    ("sync", "SELECT * FROM reconcile_state"),
    ("console", "INSERT INTO service_keys DEFAULT VALUES"),
    ("console", "DELETE FROM tenant_configs"),
    *((service, "UPDATE audit_log SET who = 'nobody'") for service in SERVICES),
    *((service, "DELETE FROM audit_log") for service in SERVICES),
    *((service, "TRUNCATE audit_log") for service in SERVICES),
    *((service, "UPDATE config_version SET version = 0") for service in SERVICES),
    *((service, "UPDATE service_keys SET revoked_at = NULL") for service in SERVICES if service != "operator"),
    *((service, "CREATE TABLE mine (n int)") for service in SERVICES),
    *((service, "SET ROLE ticketstream_owner") for service in SERVICES),
    *((service, "SET ROLE ticketstream_directory") for service in SERVICES),
    *((service, "SELECT * FROM schema_migrations") for service in SERVICES),
]


@pytest.mark.parametrize(("service", "statement"), FORBIDDEN)
async def test_a_role_cannot_do_what_is_not_its_task(
    pool_of: PoolOf, tenant: str, service: str, statement: str
) -> None:
    pool = await pool_of(service)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenant_transaction(pool, tenant) as connected:
            await connected.execute(statement)


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "sealer"])
async def test_every_role_that_follows_tenants_may_read_the_version_and_the_public_keys(
    pool_of: PoolOf, service: str
) -> None:
    async with connection(await pool_of(service)) as connected:
        assert await connected.fetchval("SELECT version FROM config_version") >= 1
        await connected.fetch("SELECT key_id FROM service_keys")
