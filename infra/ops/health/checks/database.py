"""Does PostgreSQL answer, has it connections left, and are its tables those of this release?"""

from __future__ import annotations

import asyncio
import time

import asyncpg

from infra.ops.health.finding import Finding, well, wrong
from infra.ops.health.looking import Looking
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.pool import Connection
from infra.runtime.postgres.tenant import connection
from sinks.postgres.migrate import migrations

MOST_SHARE = 0.8
RUNBOOK = "read the runbook infra/runbooks/DatabaseConnectionIssues.md"
_CONNECTIONS = """
SELECT sum(numbackends)::int AS used, current_setting('max_connections')::int AS most FROM pg_catalog.pg_stat_database
"""


async def check(sight: Looking) -> Finding:
    try:
        pool = await sight.pool()
        began = time.monotonic()
        async with connection(pool) as connected:
            return await _judged(connected, began)
    except (PostgresUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return wrong(f"it does not answer: {str(error).partition(chr(10))[0][:200]}", RUNBOOK)


async def _judged(connected: Connection, began: float) -> Finding:
    row = await connected.fetchrow(_CONNECTIONS)
    assert row is not None  # noqa: S101 - an aggregate has always one
    took, used, most = time.monotonic() - began, row["used"], row["most"]
    told = f"{used} of {most} connections are used"
    if used > MOST_SHARE * most:
        return wrong(f"{told}, {used / most:.0%}; below {MOST_SHARE:.0%} is the promise", RUNBOOK)
    return await _tables(connected, f"it answers in {took * 1000:.0f} ms, {told}")


async def _tables(connected: Connection, told: str) -> Finding:
    """Migrations that this release ships and the database hasn't; a newer database serves an older command line."""
    shipped = await asyncio.to_thread(migrations)
    try:
        applied = {row["number"] for row in await connected.fetch("SELECT number FROM migrations_applied() AS number")}
    except (
        asyncpg.UndefinedFunctionError,
        asyncpg.InsufficientPrivilegeError,
    ):  # a migration of this release brings it
        return wrong(f"{told}, but its tables are older than this release", "ticketstream database migrate")
    missing = [one.name for one in shipped if one.number not in applied]
    if missing:
        named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        return wrong(f"{told}, but {len(missing)} migrations are missing ({named})", "ticketstream database migrate")
    newer = len([number for number in applied if number > shipped[-1].number])
    return well(
        f"{told}, all {len(shipped)} migrations are applied" + (f", and {newer} of a newer release" if newer else "")
    )
