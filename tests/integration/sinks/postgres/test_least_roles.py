"""What a role may not do, tried: every table with every kind of access, every column, every function outside its fixed list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from infra.runtime.postgres.tenant import connection
from sinks.postgres.roles import FUNCTION_OWNERS, OWNER, RawConnection
from tests.integration.sinks.postgres.catalogue import fixed
from tests.integration.sinks.postgres.conftest import SERVICES, PoolOf

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

KINDS = ("SELECT", "INSERT", "UPDATE", "DELETE")
_GRANT = re.compile(r"([A-Z, ]+?)(?: \(([\w, ]+)\))? on (\w+)")

NEVER = [
    "CREATE TABLE mine (n int)",
    "CREATE TEMPORARY TABLE mine (n int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE another",
    "ALTER TABLE tickets DISABLE ROW LEVEL SECURITY",
    "DROP POLICY tenant ON tickets",
    "CREATE POLICY mine ON tickets USING (true)",
    "TRUNCATE audit_log",
    "SET session_replication_role = replica",
    "COPY tickets TO PROGRAM 'cat'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT * FROM pg_authid",
    *(f"SET ROLE {role}" for role in (OWNER, *FUNCTION_OWNERS)),
]
"""For no service. (`SET row_security = off` everybody may say: a query that a policy would cut short then fails.)"""


class Rights:
    """What `fixed/<role>.txt` lets a role do."""

    def __init__(self, service: str) -> None:
        lines = fixed()[service]
        self.functions = {line.removeprefix("execute ") for line in lines if line.startswith("execute ")}
        self._tables: dict[tuple[str, str], frozenset[str] | None] = {}
        for line in lines:
            if match := _GRANT.fullmatch(line):
                columns = frozenset(match[2].split(", ")) if match[2] else None
                for kind in match[1].split(", "):
                    self._tables[match[3], kind] = columns

    def columns(self, table: str, kind: str, all_columns: frozenset[str]) -> frozenset[str]:
        """Which of a table's columns may be read or written."""
        allowed = self._tables.get((table, kind), frozenset())
        return all_columns if allowed is None else allowed


@pytest.fixture(scope="module")
async def columns(postgres: MigratedDatabase) -> dict[str, frozenset[str]]:
    """The columns of every table."""
    superuser = await asyncpg.connect(postgres.dsn)
    rows = await superuser.fetch(
        """SELECT c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
           WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
           GROUP BY c.relname"""
    )
    await superuser.close()
    return {name: frozenset(found) for name, found in rows}


@pytest.fixture(scope="module")
async def calls(postgres: MigratedDatabase) -> dict[str, str]:
    """A call of every function that is no trigger's, by name."""
    superuser = await asyncpg.connect(postgres.dsn)
    rows = await superuser.fetch(
        """SELECT p.proname, (
               SELECT coalesce(string_agg(value || format_type(type, NULL), ', '), '') FROM unnest(p.proargtypes) type)
           FROM pg_proc p, LATERAL (SELECT CASE WHEN p.proisstrict THEN '''''::' ELSE 'NULL::' END) given(value)
           WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype <> 'trigger'::regtype"""
    )
    await superuser.close()
    return {name: f"SELECT * FROM {name}({arguments})" for name, arguments in rows}  # noqa: S608


_TRY_ALL = """
DO $try$
DECLARE
    statement text;
    done text[] := '{}';
BEGIN
    FOREACH statement IN ARRAY ARRAY[%s]::text[] LOOP
        BEGIN
            EXECUTE statement;
            done := done || statement;
        EXCEPTION
            WHEN insufficient_privilege THEN
                IF SQLERRM LIKE '%%row-level security%%' THEN done := done || statement; END IF;
            WHEN OTHERS THEN done := done || (statement || ' -- ' || SQLERRM);
        END;
    END LOOP;
    PERFORM set_config('test.done', array_to_string(done, E'\\n'), true);
END $try$
"""


async def not_refused(connected: RawConnection, statements: Iterable[str]) -> list[str]:
    """Those that don't fail for want of a right, whatever else is wrong with them; all tried in one round trip."""
    quoted = ", ".join("'" + statement.replace("'", "''") + "'" for statement in statements)
    await connected.execute(_TRY_ALL % quoted)
    done = await connected.fetchval("SELECT current_setting('test.done')")
    return done.splitlines() if done else []


def forbidden_statements(rights: Rights, tables: dict[str, frozenset[str]]) -> Iterator[str]:
    for table, every in sorted(tables.items()):
        for column in sorted(every - rights.columns(table, "SELECT", every)):
            yield f"SELECT {column} FROM {table}"  # noqa: S608
        for column in sorted(every - rights.columns(table, "UPDATE", every)):
            yield f"UPDATE {table} SET {column} = DEFAULT"  # noqa: S608
        for column in sorted(every - rights.columns(table, "INSERT", every)):
            yield f"INSERT INTO {table} ({column}) VALUES (DEFAULT)"  # noqa: S608
        if not rights.columns(table, "DELETE", every):
            yield f"DELETE FROM {table}"  # noqa: S608
        yield f"TRUNCATE {table}"


async def test_a_role_gets_at_no_table_or_column_outside_its_list(
    connected: RawConnection, service: str, columns: dict[str, frozenset[str]]
) -> None:
    statements = list(forbidden_statements(Rights(service), columns))

    assert len(statements) > 300
    assert await not_refused(connected, statements) == []


async def test_a_role_gets_at_what_is_in_its_list(
    connected: RawConnection, service: str, columns: dict[str, frozenset[str]]
) -> None:
    """Else the test above would pass for a role that may do nothing."""
    rights = Rights(service)
    if service != "sealer":
        assert await connected.fetchval("SELECT version FROM config_version") >= 1
    await connected.fetch("SELECT key_id FROM service_keys")
    for table, every in columns.items():
        for column in rights.columns(table, "SELECT", every):
            await connected.execute(f"SELECT {column} FROM {table} LIMIT 0")  # noqa: S608


async def test_a_role_calls_no_function_outside_its_list(
    connected: RawConnection, service: str, calls: dict[str, str]
) -> None:
    others = set(calls) - Rights(service).functions

    assert others
    assert await not_refused(connected, (calls[name] for name in sorted(others))) == []


async def test_no_role_changes_what_protects_tenants(
    connected: RawConnection, columns: dict[str, frozenset[str]]
) -> None:
    assert await not_refused(connected, [*NEVER, "SELECT 1"]) == ["SELECT 1"]


async def test_row_security_turned_off_fails_rather_than_shows(connected: RawConnection, service: str) -> None:
    readable = next(
        (
            line
            for line in sorted(fixed()[service])
            if re.fullmatch(r".*SELECT.* on (?!config|console_s|service_k|schema |the )\w+", line)
        ),
        None,
    )
    if readable is None:
        return  # the lag service reads no tenant's table at all
    await connected.execute("SET LOCAL row_security = off")
    assert await refused_by_row_security(connected, f"SELECT tenant_id FROM {readable.rpartition(' ')[2]}")  # noqa: S608


async def refused_by_row_security(connected: RawConnection, statement: str) -> bool:
    try:
        await connected.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        return "row-level security" in str(error)
    return False


WHAT_MATTERS_MOST = [
    ("ingest", "SELECT credential FROM servicedesk_credentials"),
    ("ingest", "SELECT subject FROM tickets"),
    ("ingest", "SELECT secret FROM webhook_secrets"),
    ("enrich", "SELECT credential FROM servicedesk_credentials"),
    ("enrich", "SELECT * FROM ingest_tenants()"),
    ("synthesize", "SELECT subject FROM tickets"),
    ("synthesize", "SELECT * FROM knowledge_articles"),
    ("deliver", "SELECT * FROM knowledge_articles"),
    ("deliver", "SELECT description FROM tickets"),
    ("deliver", "SELECT secret FROM webhook_secrets"),
    ("lag", "SELECT * FROM enhancements"),
    ("sync", "SELECT secret FROM webhook_secrets"),
    ("reconcile", "SELECT description FROM tickets"),
    ("console", "SELECT secret FROM webhook_secrets"),
    ("console", "SELECT token_hash FROM api_tokens"),
    ("console", "UPDATE tenant_configs SET enabled = true"),
    *((service, "UPDATE audit_log SET who = 'nobody'") for service in SERVICES),
    *((service, "DELETE FROM audit_log") for service in SERVICES),
    *((service, "SELECT * FROM schema_migrations") for service in SERVICES),
    *((service, "UPDATE service_keys SET revoked_at = NULL") for service in SERVICES if service != "operator"),
]
"""Whatever the fixed lists say: these are never added."""


@pytest.mark.parametrize(("role", "statement"), WHAT_MATTERS_MOST)
async def test_what_must_never_be_added_to_a_list(pool_of: PoolOf, role: str, statement: str) -> None:
    async with connection(await pool_of(role)) as borrowed:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await borrowed.execute(statement)
