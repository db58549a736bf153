"""All rows of a tenant's table, as they stood at one moment, without holding more than some hundred of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction

AT_ONCE = 200
_COLUMNS = """
SELECT a.attname AS name FROM pg_attribute a
WHERE a.attrelid = to_regclass('public.' || quote_ident($1)) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


class Snapshot:
    """One tenant's rows within one transaction."""

    def __init__(self, connection: Connection, tenant_id: str) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def columns(self, table: str) -> list[str]:
        return [row["name"] for row in await self._connection.fetch(_COLUMNS, table)]

    async def rows(self, table: str, columns: Sequence[str], by: str) -> AsyncIterator[asyncpg.Record]:
        """`table`, `columns` and `by` are our own words, never a caller's."""
        statement = f"SELECT {', '.join(columns)} FROM {table} WHERE tenant_id = $1 ORDER BY {by}"  # noqa: S608 - names of our own
        async for row in self._connection.cursor(statement, self._tenant_id, prefetch=AT_ONCE):
            yield row


@asynccontextmanager
async def snapshot(pool: Pool, tenant_id: str) -> AsyncIterator[Snapshot]:
    """Everything read inside is of the same moment; nothing can be written. Raises PostgresUnavailable when PostgreSQL is away."""
    async with tenant_transaction(pool, tenant_id) as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield Snapshot(connection, tenant_id)
