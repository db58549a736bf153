"""Connections that are lent again and again, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from prometheus_client import REGISTRY

from infra.runtime.postgres import clock_skew
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import connection, tenant_call, tenant_transaction
from infra.runtime.telemetry import process_metrics
from tests.conftest import MigratedDatabase

BACKEND = "SELECT pg_backend_pid() AS backend, $1::text"
WAIT_SECONDS = 20.0


@pytest.fixture
async def pool(postgres: MigratedDatabase) -> AsyncIterator[Pool]:
    opened = await open_pool(postgres.dsn, service="test", size=2)
    yield opened
    async with asyncio.timeout(WAIT_SECONDS):
        await opened.close()


async def backend(pool: Pool) -> int:
    rows = await tenant_call(pool, BACKEND, "any")
    return int(rows[0]["backend"])


async def test_a_connection_that_comes_back_unharmed_is_lent_again(pool: Pool) -> None:
    first = await backend(pool)
    async with tenant_transaction(pool, "any") as connected:
        assert await connected.fetchval("SELECT pg_backend_pid()") == first
    assert await backend(pool) == first


async def test_more_borrowers_than_connections_all_get_their_turn(pool: Pool) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        backends = await asyncio.gather(*(backend(pool) for _ in range(50)))
    assert 1 <= len(set(backends)) <= 2


async def test_what_failed_leaves_nothing_open_for_the_next(pool: Pool) -> None:
    for _ in range(3):
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with tenant_transaction(pool, "any") as connected:
                await connected.fetchval("SELECT 1 / 0")
        async with connection(pool) as connected:
            assert not connected.is_in_transaction()
            assert await connected.fetchval("SELECT current_setting('app.current_tenant_id', true)") in (None, "")


async def test_a_statement_that_was_cut_off_is_over_before_its_connection_is_lent(pool: Pool) -> None:
    waiting = [asyncio.create_task(tenant_call(pool, "SELECT pg_sleep(60), $1::text", "any")) for _ in range(2)]
    await asyncio.sleep(0.2)  # so that the statements run; were they not, the rest would hold as well
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(WAIT_SECONDS):
        assert await asyncio.gather(*(backend(pool) for _ in range(4)))


async def test_a_connection_that_the_server_ended_is_replaced(pool: Pool, postgres: MigratedDatabase) -> None:
    ended = await backend(pool)
    other = await asyncpg.connect(postgres.dsn)
    await other.execute("SELECT pg_terminate_backend($1)", ended)
    async with asyncio.timeout(WAIT_SECONDS):
        while await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", ended):
            await asyncio.sleep(0.05)
    await other.close()
    await asyncio.sleep(0.05)  # the end of the connection is read in a turn of the loop
    assert await backend(pool) != ended


async def test_closing_takes_back_what_was_kept(postgres: MigratedDatabase) -> None:
    pool = await open_pool(postgres.dsn, service="test", size=2)
    await asyncio.gather(*(backend(pool) for _ in range(8)))
    async with asyncio.timeout(WAIT_SECONDS):
        await pool.close()
    with pytest.raises(asyncpg.InterfaceError):
        await pool.borrow()


def of_pool(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"ticketstream_database_{name}", labels) or 0.0


async def test_what_is_lent_and_what_waits_to_be_lent_is_shown(postgres: MigratedDatabase) -> None:
    before = {state: of_pool("pool_connections", state=state) for state in ("in_use", "idle")}
    most, waits = of_pool("pool_max_connections"), of_pool("wait_seconds_count")
    pool = await open_pool(postgres.dsn, service="test", size=2)
    assert of_pool("pool_max_connections") - most == 2
    async with connection(pool):
        assert of_pool("pool_connections", state="in_use") - before["in_use"] == 1
    assert of_pool("pool_connections", state="in_use") == before["in_use"]
    assert of_pool("pool_connections", state="idle") - before["idle"] == 1, "it is kept for the next"
    assert of_pool("wait_seconds_count") - waits == 1
    await pool.close()
    assert of_pool("pool_max_connections") == most


async def test_a_wait_for_a_connection_is_measured(pool: Pool) -> None:
    quick = of_pool("wait_seconds_bucket", le="0.1")
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(tenant_call(pool, "SELECT pg_sleep(0.3), $1::text", "any"))
    assert of_pool("wait_seconds_bucket", le="0.1") - quick <= 2, "the third waited for one of the others"


async def test_a_statement_that_postgresql_cuts_off_is_an_error_of_the_database(pool: Pool) -> None:
    before = of_pool("errors_total")
    with pytest.raises(asyncpg.QueryCanceledError):
        async with connection(pool) as connected:
            await connected.execute("SET statement_timeout = 1; SELECT pg_sleep(5)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with connection(pool) as connected:
            await connected.execute("SELECT 1 / 0")
    assert of_pool("errors_total") - before == 1, "a wrong statement is none"


async def test_the_clocks_are_compared(pool: Pool) -> None:
    assert abs(await clock_skew.measured(pool)) < 2
    watching = asyncio.create_task(clock_skew.watch(pool, 3600))
    process_metrics.CLOCK_SKEW.labels("database").set(1e9)
    async with asyncio.timeout(WAIT_SECONDS):
        while REGISTRY.get_sample_value("ticketstream_clock_skew_seconds", {"reference": "database"}) == 1e9:
            await asyncio.sleep(0.01)
    watching.cancel()
