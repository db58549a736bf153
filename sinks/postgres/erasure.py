"""Deletes a tenant's rows: every table with a `tenant_id`, as the catalogue has them, those that refer to others first.

What is done is written down in the transaction that does it, so that a run that was cut off goes on and tells the whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, connection, tenant_transaction
from sinks.postgres import audit_log
from sinks.postgres.audit_log import Change
from sinks.postgres.tenants import NoSuchTenant

TENANTS = "tenant_configs"
KEPT: Mapping[str, str] = {
    "audit_log": "who did what, without content: 90 days, then it is dropped",
    "audit_seals": "hashes of the audit log's hours: as long as what they seal",
    "erased_tenants": "that the tenant was erased, in numbers: kept",
}
"""Tables that outlive a tenant, and until when."""
BATCH = 5_000
"""Rows a transaction."""
PASSES = 20
"""How often late rows of a process that did not hear of it in time are deleted."""
PASS_SECONDS = 0.5

_TABLES = """
SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND a.attname = 'tenant_id' AND NOT a.attisdropped ORDER BY c.relname
"""
_REFERENCES = """
SELECT DISTINCT f.conrelid::regclass::text AS child, f.confrelid::regclass::text AS parent FROM pg_constraint f
WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace AND f.conrelid <> f.confrelid
"""
_AGAIN = """
UPDATE erased_tenants SET runs = runs + 1, finished_at = NULL WHERE tenant_id = $1 AND begun_at = $2 RETURNING *
"""
_BEGIN = "INSERT INTO erased_tenants (tenant_id, partition, records) VALUES ($1, $2, $3::jsonb) RETURNING *"
_FINISH = """
UPDATE erased_tenants SET finished_at = clock_timestamp() WHERE tenant_id = $1 AND finished_at IS NULL RETURNING *
"""
_OPEN = "SELECT * FROM erased_tenants WHERE tenant_id = $1 ORDER BY begun_at DESC LIMIT 1"
_COUNT = """
UPDATE erased_tenants SET rows_deleted =
    jsonb_set(rows_deleted, ARRAY[$2], to_jsonb(coalesce((rows_deleted ->> $2)::bigint, 0) + $3::bigint))
WHERE tenant_id = $1 AND finished_at IS NULL
"""


class TenantEnabled(ValueError):
    """An enabled tenant is not erased."""


class StillWritten(RuntimeError):
    """Rows of the tenant keep coming."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An erasure under way. `runs` is above 1 where an earlier run was cut off, or where it is done once more."""

    tenant_id: str
    partition: int
    begun_at: datetime
    runs: int
    records: Mapping[str, tuple[int, int]]
    """By topic, the partition's first and end offset when it was begun."""


@dataclass(frozen=True, slots=True)
class RowsTold:
    """`deleted` over all runs, by table; `kept` by table."""

    deleted: Mapping[str, int]
    kept: Mapping[str, int]
    finished_at: datetime


class TenantErasure:
    """Under the operator's role. Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def partition_of(self, tenant_id: str) -> int:
        """The partition to be emptied. Raises TenantEnabled, and NoSuchTenant also for one that was erased long ago, whose
        partition may be another's now."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            return await _partition(connection, tenant_id)

    async def begin(self, tenant_id: str, records: Mapping[str, tuple[int, int]], change: Change) -> Begun:
        """From here on every process drops what it has of the tenant. Goes on with an erasure that was cut off. `records` as
        in Begun. Raises as `partition_of`."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            partition = await _partition(connection, tenant_id)
            row = await self._begun(connection, tenant_id, partition, records)
            await audit_log.write(
                connection,
                change.entry(tenant_id, "tenant erase begun", f"partition {partition}", None, f"run {row['runs']}"),
            )
        first = {topic: (ends[0], ends[1]) for topic, ends in json.loads(row["records"]).items()}
        return Begun(tenant_id, partition, row["begun_at"], row["runs"], first)

    async def delete_rows(self, tenant_id: str) -> None:
        """All rows of all tables but those of KEPT. Raises StillWritten when new ones keep coming."""
        tables = await self.tables()
        for _ in range(PASSES):
            try:
                for table in tables:
                    while await self._delete_some(tenant_id, table) == BATCH:
                        pass
            except asyncpg.ForeignKeyViolationError:  # a row that came meanwhile
                await asyncio.sleep(PASS_SECONDS)
                continue
            return
        raise StillWritten(f"rows of {tenant_id} keep coming")

    async def finish(self, tenant_id: str) -> RowsTold:
        """The rows are gone, the records too."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow(_FINISH, tenant_id)
            if row is None:
                raise StillWritten(f"another run finished the erasure of {tenant_id} meanwhile")
            await connection.execute("SELECT forget_tenant_of_operators($1)", tenant_id)
            kept = {}
            for table in [name for name in await _tables(connection) if name in KEPT]:
                kept[table] = await connection.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant_id)  # noqa: S608 - names of our own
        return RowsTold(json.loads(row["rows_deleted"]), kept, row["finished_at"])

    async def told(self, tenant_id: str, receipt_hash: str, change: Change) -> None:
        """Note down which receipt was given."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            entry = change.entry(tenant_id, "tenant erase", "receipt", None, f"sha256 {receipt_hash}")
            await audit_log.write(connection, entry)

    async def tables(self) -> list[str]:
        """What is deleted from, in order; the tenant itself last."""
        async with connection(self._pool) as connected:
            names = [name for name in await _tables(connected) if name not in KEPT]
            references = await connected.fetch(_REFERENCES)
        return _children_first(names, {(row["child"], row["parent"]) for row in references})

    @staticmethod
    async def _begun(
        connection: Connection, tenant_id: str, partition: int, records: Mapping[str, tuple[int, int]]
    ) -> asyncpg.Record:
        last = await connection.fetchrow(_OPEN, tenant_id)
        goes_on = last and (last["finished_at"] is None or not await _exists(connection, tenant_id))
        if last and goes_on:
            (row,) = await connection.fetch(_AGAIN, tenant_id, last["begun_at"])
        else:
            ends = json.dumps({topic: list(pair) for topic, pair in records.items()})
            (row,) = await connection.fetch(_BEGIN, tenant_id, partition, ends)
        return row

    async def _delete_some(self, tenant_id: str, table: str) -> int:
        async with tenant_transaction(self._pool, tenant_id) as connection:
            statement = f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE tenant_id = $1 LIMIT {BATCH}))"  # noqa: S608 - names of our own
            deleted = int((await connection.execute(statement, tenant_id)).rpartition(" ")[2])
            if deleted:
                await connection.execute(_COUNT, tenant_id, table, deleted)
        return deleted


async def _partition(connection: Connection, tenant_id: str) -> int:
    enabled = await connection.fetchrow("SELECT enabled, partition FROM tenant_configs WHERE tenant_id = $1", tenant_id)
    last = await connection.fetchrow(_OPEN, tenant_id)
    if enabled and enabled["enabled"] and not (last and last["finished_at"] is None):
        raise TenantEnabled(f"{tenant_id} is enabled")
    if enabled:
        return int(enabled["partition"])
    rows = await connection.fetch("SELECT tenant_id, partition FROM erased_partitions()")
    found = next((row["partition"] for row in rows if row["tenant_id"] == tenant_id), None)
    if found is None:
        when = f"; it was erased on {last['finished_at']:%Y-%m-%d}" if last else ""
        raise NoSuchTenant(f"there is no tenant {tenant_id!r}{when}: ticketstream tenant list shows those there are")
    return int(found)


async def _exists(connection: Connection, tenant_id: str) -> bool:
    return bool(await connection.fetchval("SELECT true FROM tenant_configs WHERE tenant_id = $1", tenant_id))


async def _tables(connection: Connection) -> list[str]:
    return [row["name"] for row in await connection.fetch(_TABLES)]


def _children_first(names: list[str], references: set[tuple[Any, Any]]) -> list[str]:
    order: list[str] = []
    left = set(names)
    while left:
        free = sorted(
            name for name in left if not any(parent == name and child in left for child, parent in references)
        )
        if not free:
            raise ValueError(f"tables refer to each other in a circle: {', '.join(sorted(left))}")
        order += free
        left -= set(free)
    return order
