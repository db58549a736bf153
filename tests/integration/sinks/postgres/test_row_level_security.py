"""No tenant set, nothing seen or written; another tenant set, nothing of this one; and nothing left over on a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import connection, tenant_call, tenant_transaction
from sinks.postgres.roles import RawConnection
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf
from tests.integration.sinks.postgres.sample_rows import Sample, fill, samples
from tests.integration.sinks.postgres.test_least_roles import Rights

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

PASS_OVER_NOBODY = {"keep_ticket", "replayed_offset", "alone_with_ticket"}
"""Functions that leave setting the tenant to their caller, or pass over what is nobody's: for nobody they do nothing."""


@dataclass(frozen=True, slots=True)
class Filled:
    """Two tenants with a row in every table with a tenant, and how such a row is made."""

    one: str
    other: str
    samples: dict[str, Sample]


@pytest.fixture(scope="module")
async def filled(postgres: MigratedDatabase) -> AsyncIterator[Filled]:
    superuser = await asyncpg.connect(postgres.dsn)
    one, other = f"row-{uuid4().hex[:8]}", f"row-{uuid4().hex[:8]}"
    for tenant_id in (one, other):
        await fill(superuser, tenant_id)
    yield Filled(one, other, await samples(superuser))
    await superuser.execute("SET session_replication_role = replica")
    for table in await samples(superuser):
        await superuser.execute(f"DELETE FROM {table} WHERE tenant_id = ANY($1)", [one, other])  # noqa: S608
    await superuser.close()


async def be(connected: RawConnection, tenant_id: str | None) -> None:
    """From now on the transaction is this tenant's; None leaves the setting as a new connection has it."""
    if tenant_id is not None:
        await connected.execute("SELECT set_config('app.current_tenant_id', $1, true)", tenant_id)


async def refused_by_policy(connected: RawConnection, statement: str) -> bool:
    await connected.execute("SAVEPOINT before")
    try:
        await connected.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        return "row-level security" in str(error)
    except asyncpg.PostgresError:
        return False
    finally:
        await connected.execute("ROLLBACK TO before")
    return False


async def crossings(connected: RawConnection, rights: Rights, filled: Filled, *, whose: str) -> list[str]:
    """Every access that a role has, tried on the rows of the tenant `whose`: those that got through."""
    through = []
    for table, sample in filled.samples.items():
        every = frozenset({"tenant_id", *sample.values})
        can = {kind: rights.columns(table, kind, every) for kind in ("SELECT", "INSERT", "UPDATE", "DELETE")}
        if can["SELECT"] and await connected.fetch(f"SELECT tenant_id FROM {table} WHERE tenant_id = $1", whose):  # noqa: S608
            through.append(f"SELECT {table}")
        if can["INSERT"] and not await refused_by_policy(connected, sample.insert(whose, can["INSERT"])):
            through.append(f"INSERT {table}")
        where = f"WHERE tenant_id = '{whose}'" if can["SELECT"] else ""
        for kind, statement in (
            ("UPDATE", f"UPDATE {table} SET {min(can['UPDATE'], default='')} = DEFAULT {where}"),  # noqa: S608
            ("DELETE", f"DELETE FROM {table} {where}"),  # noqa: S608
        ):
            if can[kind] and not (await connected.execute(statement)).endswith(" 0"):
                through.append(f"{kind} {table}")
    return through


@pytest.mark.parametrize("nobody", [None, "", "nobody-of-this-name"])
async def test_for_no_known_tenant_nothing_is_read_and_nothing_written(
    connected: RawConnection, service: str, filled: Filled, nobody: str | None
) -> None:
    await be(connected, nobody)
    assert await crossings(connected, Rights(service), filled, whose=filled.one) == []


async def test_a_tenant_neither_reads_nor_writes_anothers_rows(
    connected: RawConnection, service: str, filled: Filled
) -> None:
    await be(connected, filled.other)
    assert await crossings(connected, Rights(service), filled, whose=filled.one) == []


async def test_a_tenant_reads_its_own_rows(connected: RawConnection, service: str, filled: Filled) -> None:
    """Else the tests above would pass with policies that hide everything."""
    await be(connected, filled.one)
    for table, sample in filled.samples.items():
        if Rights(service).columns(table, "SELECT", frozenset({"tenant_id", *sample.values})):
            assert await connected.fetchval(f"SELECT count(*) FROM {table}") == 1, table  # noqa: S608


async def test_a_row_is_not_given_to_another_tenant(connected: RawConnection, service: str, filled: Filled) -> None:
    await be(connected, filled.one)
    movable = [
        t for t in filled.samples if "tenant_id" in Rights(service).columns(t, "UPDATE", frozenset({"tenant_id"}))
    ]
    move = "UPDATE {} SET tenant_id = '{}'"
    assert [t for t in movable if not await refused_by_policy(connected, move.format(t, filled.other))] == []


_CALLS = """
SELECT p.proname AS name, p.proargnames[1] AS first, format_type(p.proargtypes[0], NULL) AS type, coalesce(
    (SELECT string_agg(', NULL::' || format_type(t.type, NULL), '' ORDER BY place)
     FROM unnest(p.proargtypes) WITH ORDINALITY t(type, place) WHERE place > 1), '') AS rest
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proargnames[1] IN ('tenant', 'its_tenant', 'tenants')
    AND has_function_privilege(p.oid, 'EXECUTE')
"""


async def refused_for_want_of_a_tenant(connected: RawConnection, call: str) -> bool:
    await connected.execute("SAVEPOINT before")
    try:
        await connected.fetch(call)
    except asyncpg.InvalidParameterValueError as error:
        return "needs a tenant id" in str(error)
    except asyncpg.PostgresError:
        return False
    finally:
        await connected.execute("ROLLBACK TO before")
    return False


async def test_a_call_for_nobody_is_refused(connected: RawConnection) -> None:
    """By the database, for every function that takes a tenant and that the role may call."""
    unrefused = set()
    for function in await connected.fetch(_CALLS):
        for nobody in ("''", "NULL"):
            first, rest = f"{nobody}::text", function["rest"]
            if function["type"] == "text[]":
                first, rest = f"ARRAY[{first}]", rest.replace("NULL::uuid[]", "ARRAY[gen_random_uuid()]")
            if not await refused_for_want_of_a_tenant(connected, f"SELECT * FROM {function['name']}({first}{rest})"):  # noqa: S608
                unrefused.add(function["name"])
    assert unrefused <= PASS_OVER_NOBODY


async def test_marking_events_of_several_tenants_reaches_each_as_itself_only(pool_of: PoolOf, filled: Filled) -> None:
    """mark_events takes one tenant after the other in one transaction."""
    mark = "SELECT * FROM mark_events($1, $2, $3, $4)"
    async with connection(await pool_of("enrich")) as borrowed:
        events = {}
        for tenant_id in (filled.one, filled.other):
            async with borrowed.transaction():
                await borrowed.execute("SELECT set_config('app.current_tenant_id', $1, true)", tenant_id)
                events[tenant_id] = await borrowed.fetchval("SELECT event_id FROM received_events")
        ones, others = events[filled.one], events[filled.other]
        tenants = [filled.one, filled.other, filled.other, filled.one]
        marked = await borrowed.fetch(mark, tenants, [others, ones, others, ones], ["drop"] * 4, ["r"] * 4)
        left = await borrowed.fetchval("SELECT current_setting('app.current_tenant_id', true)")

    assert [row[0] for row in marked] == [3, 4]
    assert left == ""


async def test_a_transaction_for_no_tenant_is_a_bug(operator: Pool) -> None:
    with pytest.raises(ValueError, match="needs a tenant id"):
        async with tenant_transaction(operator, ""):
            pass
    with pytest.raises(ValueError, match="needs a tenant id"):
        await tenant_call(operator, "SELECT $1::text", "")


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


async def ends_well(pool: Pool, tenant_id: str) -> None:
    async with tenant_transaction(pool, tenant_id) as borrowed:
        await borrowed.fetch("SELECT * FROM received_events")
    await tenant_call(pool, "SELECT * FROM anothers_enhancement($1, 'ticket', 'content', gen_random_uuid())", tenant_id)
    async with connection(pool) as borrowed:
        await borrowed.fetch("SELECT 1")


async def raises(pool: Pool, tenant_id: str) -> None:
    with pytest.raises(KeyError):
        async with tenant_transaction(pool, tenant_id):
            raise KeyError


async def fails_in_the_database(pool: Pool, tenant_id: str) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with tenant_transaction(pool, tenant_id) as borrowed:
            await borrowed.execute("SELECT 1 / 0")
    with pytest.raises(asyncpg.PostgresError):
        await tenant_call(pool, "SELECT for_tenant($1), 1 / 0", tenant_id)


async def is_cancelled(pool: Pool, tenant_id: str) -> None:
    async def wait() -> None:
        async with tenant_transaction(pool, tenant_id) as borrowed:
            begun.set()
            await borrowed.execute("SELECT pg_sleep(60)")

    begun = asyncio.Event()
    waiting = asyncio.create_task(wait())
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def a_call_is_cancelled(pool: Pool, tenant_id: str) -> None:
    calling = asyncio.create_task(tenant_call(pool, "SELECT for_tenant($1), pg_sleep(60)", tenant_id))
    while not pool.get_size() - pool.get_idle_size():
        await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def runs_out_of_time(pool: Pool, tenant_id: str) -> None:
    with pytest.raises(asyncpg.QueryCanceledError):
        async with tenant_transaction(pool, tenant_id) as borrowed:
            await borrowed.execute("SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(60)")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), tenant_transaction(pool, tenant_id) as borrowed:
            await borrowed.execute("SELECT pg_sleep(60)")


async def loses_the_connection(pool: Pool, tenant_id: str) -> None:
    with pytest.raises(PostgresUnavailable):
        async with tenant_transaction(pool, tenant_id) as borrowed:
            await borrowed.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize(
    "work",
    [
        ends_well,
        raises,
        fails_in_the_database,
        is_cancelled,
        a_call_is_cancelled,
        runs_out_of_time,
        loses_the_connection,
    ],
)
async def test_nothing_of_a_tenant_is_left_on_a_connection(
    postgres: MigratedDatabase, filled: Filled, work: Callable[[Pool, str], Awaitable[None]]
) -> None:
    """However its use ends. The pool has one connection, so the next user gets the same, or what took its place."""
    async with await open_pool(postgres.dsns["enrich"], service="enrich", size=1) as pool:
        await work(pool, filled.one)

        async with connection(pool) as borrowed:
            assert await borrowed.fetchval("SELECT current_setting('app.current_tenant_id', true)") in ("", None)
            assert await borrowed.fetchval("SELECT pg_current_xact_id_if_assigned()") is None
            assert not borrowed.is_in_transaction()
            assert await borrowed.fetch("SELECT tenant_id FROM received_events") == []
            assert await borrowed.fetchval("SHOW statement_timeout") == "15s"
