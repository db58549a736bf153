"""What the lag service knows from PostgreSQL: the tenants, what is held, and how many connections its server has."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from infra.ops.lag.holds import held_lanes
from infra.ops.lag.metrics import Connections
from infra.ops.lag.reading import FromPostgres, as_tenants
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.late_pool import LatePool
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection
from sinks.postgres.late_tenants import LateTenants

SERVICE = "lag"
POOL_SIZE = 2
ANSWER_SECONDS = 4.0
CONNECTIONS_SECONDS = 10.0
_CONNECTIONS = """
SELECT sum(numbackends)::int AS used, current_setting('max_connections')::int AS most FROM pg_catalog.pg_stat_database
"""


class Database:
    """Follows the tenants by itself once PostgreSQL is there; until then everything is unavailable. Use as an asynchronous context
    manager."""

    def __init__(self, dsn: str) -> None:
        self._tenants = LateTenants()
        self._late = LatePool(dsn, service=SERVICE, size=POOL_SIZE, then=self._tenants.follow)
        self._connections: tuple[float, Connections] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._tenants.stop()
        await self._late.close()

    @property
    def connections(self) -> Connections | None:
        """As of 30 s ago at most."""
        if self._connections is None or time.monotonic() - self._connections[0] > 3 * CONNECTIONS_SECONDS:
            return None
        return self._connections[1]

    async def read(self) -> FromPostgres:
        """Raises PostgresUnavailable. As old as the older of its parts."""
        pool = self._late.pool
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                at = time.monotonic()
                held = await held_lanes(pool)
                await self._count_connections(pool)
        except TimeoutError as error:
            raise PostgresUnavailable("PostgreSQL doesn't answer") from error
        directory = self._tenants.directory
        if directory is None or not directory.loaded:
            raise PostgresUnavailable("the tenants were not read yet")
        return FromPostgres(as_tenants(directory.all()), held, min(at, at - directory.age_seconds))

    async def _count_connections(self, pool: Pool) -> None:
        if self._connections and time.monotonic() - self._connections[0] < CONNECTIONS_SECONDS:
            return
        async with connection(pool) as connected:
            row = await connected.fetchrow(_CONNECTIONS)
        if row is not None:
            self._connections = (time.monotonic(), Connections(row["used"], row["most"]))
