"""The live database holds what the lists in `fixed/` say, and nothing else: a table, function or right that somebody adds fails
here until somebody who thought about it adds it to the list, too."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from sinks.postgres.roles import FUNCTION_OWNERS, LOGINS, OWNER, RawConnection
from tests.integration.sinks.postgres.catalogue import LISTS, PREFIX, Lists, differences, fixed, live

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

HOW = """
What there is, is listed in fixed/objects.txt beside this test; what a role may do, in fixed/<role>.txt. For a line that is in the
database only: is it needed, and is it the least (columns rather than a table, a function rather than a table)? A table with a
tenant needs ENABLE and FORCE ROW LEVEL SECURITY and the policy "tenant" as in migration 0011; a function REVOKE ALL … FROM PUBLIC
and a search_path. Then add the line. For a line that is in the list only: take it away if nothing needs it any more.
"""
OWN_RIGHTS_OF_THE_OWNER = {
    "bump_config_version",
    "count_operator_refused",  # how often an operator was refused, by the token's id
    "credential_to_fetch",  # of tenants in bearer mode only
    "drop_old_audit_hours",  # only sealed hours, only after 90 days
    "forget_replaced_credentials",  # only those replaced 7 days ago
    "forget_tenant_of_operators",  # of an erased tenant only what was for it
    "keep_fetch_token",  # the three steps of a cloud desk's token, for tenants in bearer mode only
    "keep_refusals",  # what the edge refused, the newest 100 of a tenant
    "note_secret_uses",  # when a secret was used, and how often
    "note_token_uses",  # when a token was used last
    "operator_token",  # by the hash of 256 random bits; notes when it was used
    "refuse_fetch_token",
    "take_fetch_token",
}
"""Functions with the rights of `ticketstream_owner`, which may write: each takes its tenant as any caller does, and writes one kind
of thing that its caller may not touch otherwise."""
OF_NO_TENANT = {"config_version", "console_sessions", "operator_tokens", "service_keys", "schema_migrations"}
_FUNCTION = re.compile(r"function (\w+)\((.*?)\) of (\w+)(, with its owner's rights)?(.*)")


@pytest.fixture
async def superuser(postgres: MigratedDatabase) -> AsyncIterator[RawConnection]:
    connection = await asyncpg.connect(postgres.dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def found(superuser: RawConnection) -> Lists:
    return await live(superuser)


async def test_the_database_holds_what_the_fixed_lists_say(found: Lists) -> None:
    different = differences(found, fixed())
    assert different == [], "\n".join([*different, HOW])


async def test_nothing_is_everybodys(found: Lists) -> None:
    """PUBLIC: neither the database nor its schema, no table, no function."""
    assert found.get("PUBLIC", frozenset()) == frozenset()
    assert found.keys() == LISTS


async def test_every_table_with_a_tenant_is_behind_forced_row_level_security(superuser: RawConnection) -> None:
    tables = await superuser.fetch(
        """SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced, EXISTS (
               SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS of_tenants
           FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"""
    )
    policies = fixed()["objects"]

    assert {table["name"] for table in tables if not table["of_tenants"]} == OF_NO_TENANT
    unprotected = [
        table["name"]
        for table in tables
        if table["of_tenants"]
        and not (
            table["forced"] and f"policy tenant on {table['name']} for all to everybody using (its tenant)" in policies
        )
    ]
    assert unprotected == []


async def test_who_sees_all_tenants_only_reads_and_cannot_log_in(superuser: RawConnection) -> None:
    policies = await superuser.fetch(
        """SELECT p.polcmd::text AS command, pg_get_userbyid(role) AS role FROM pg_policy p
           CROSS JOIN LATERAL unnest(p.polroles) role WHERE role <> 0"""
    )
    logins = {row["rolname"] for row in await superuser.fetch("SELECT rolname FROM pg_roles WHERE rolcanlogin")}

    assert {policy["role"] for policy in policies} == set(FUNCTION_OWNERS)
    assert {policy["command"] for policy in policies} == {"r"}
    assert logins.isdisjoint({OWNER, *FUNCTION_OWNERS})


async def test_what_runs_with_anothers_rights_only_reads_and_fixes_where_names_are_looked_up(found: Lists) -> None:
    functions = [match for line in found["objects"] if (match := _FUNCTION.fullmatch(line))]
    assert len(functions) == len({match[1] for match in functions}), (
        "each name once, so that a grant says which it means"
    )

    readers = {role.removeprefix(PREFIX) for role in FUNCTION_OWNERS}
    definers = {match[1]: match[3] for match in functions if match[4]}
    assert {name for name, owner in definers.items() if owner not in readers} == OWN_RIGHTS_OF_THE_OWNER
    loose = {match[1] for match in functions if ", search_path=pg_catalog" not in match[5]}
    assert loose == {"search_document", "search_key", "search_keys"}, (
        "their bodies are read when they are made, not when they are called"
    )
    rights = {line for role in readers for line in found[role]} - {
        "USAGE on schema public",
        "role without login",
        "execute search_key",
        "execute search_keys",
    }
    assert [line for line in rights if not re.fullmatch(r"SELECT (\([\w, ]+\) )?on \w+", line)] == []


async def test_there_is_no_view_that_reads_with_its_owners_rights(superuser: RawConnection) -> None:
    """None at all by now; one with `security_invoker` would be allowed, a materialized one never: no policy guards it."""
    views = await superuser.fetch(
        """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relkind = 'm' OR relkind = 'v'
           AND NOT coalesce(reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on'])"""
    )
    assert views == []


async def test_who_reads_a_tenants_table_may_read_whose_rows_they_are(superuser: RawConnection) -> None:
    """The prober asks for that column."""
    blind = await superuser.fetch(
        """SELECT r.rolname, c.relname FROM pg_roles r CROSS JOIN pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
           WHERE r.rolname = ANY($1) AND c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
             AND has_any_column_privilege(r.oid, c.oid, 'SELECT') AND NOT has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')""",
        list(LOGINS),
    )
    assert blind == []


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("CREATE TABLE open_to_all (tenant_id text)", "not in fixed/objects.txt: table open_to_all of"),
        ("ALTER TABLE tickets DISABLE ROW LEVEL SECURITY", "not in fixed/objects.txt: table tickets of owner forced"),
        ("DROP POLICY tenant ON tickets", "in fixed/objects.txt, not in the database: policy tenant on tickets"),
        ("CREATE POLICY all_rows ON tickets USING (true)", "not in fixed/objects.txt: policy all_rows on tickets"),
        ("CREATE VIEW peek AS SELECT * FROM tickets", "not in fixed/objects.txt: view peek"),
        ("CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql AS 'SELECT 1'", "not in fixed/PUBLIC.txt: execute peek"),
        ("GRANT SELECT ON tickets TO ticketstream_deliver", "not in fixed/deliver.txt: SELECT on tickets"),
        ("GRANT SELECT (subject) ON tickets TO ticketstream_ingest", "not in fixed/ingest.txt: SELECT (subject) on tickets"),
        ("GRANT ticketstream_search TO ticketstream_lag", "not in fixed/lag.txt: member of search"),
        ("ALTER ROLE ticketstream_lag BYPASSRLS", "not in fixed/lag.txt: role that logs in, BYPASSRLS"),
        ("ALTER ROLE ticketstream_lag SET row_security = off", "not in fixed/lag.txt: setting row_security=off"),
        ("GRANT TEMPORARY ON DATABASE ticketstream TO PUBLIC", "not in fixed/PUBLIC.txt: TEMPORARY on the database"),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE ticketstream_owner GRANT SELECT ON TABLES TO ticketstream_lag",
            "not in fixed/lag.txt: SELECT on what owner makes (r)",
        ),
    ],
)  # fmt: skip
async def test_a_change_that_nobody_listed_is_found(superuser: RawConnection, statement: str, line: str) -> None:
    change = superuser.transaction()
    await change.start()
    try:
        await superuser.execute(statement)
        told = differences(await live(superuser), fixed())
    finally:
        await change.rollback()

    assert [difference for difference in told if difference.startswith(line)] != [], told
