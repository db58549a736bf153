"""The console's own way into the database: the role that looks and changes nothing. There once PostgreSQL is."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.pool import Pool, open_pool_when_ready
from infra.runtime.postgres.tenant import connection
from infra.runtime.telemetry.internal_server import CheckResult

SERVICE = "console"
POOL_SIZE = 6


class Database:
    """Use as an asynchronous context manager."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: Pool | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def pool(self) -> Pool:
        """Raises PostgresUnavailable while there is none."""
        if self._pool is None:
            raise PostgresUnavailable("PostgreSQL was not there yet")
        return self._pool

    async def __aenter__(self) -> Self:
        self._opening = asyncio.create_task(self._open())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._opening:
            self._opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._opening
        if self._pool:
            self._pool.terminate()

    async def check(self) -> CheckResult:
        """For /readyz. Without PostgreSQL nobody is let through."""
        try:
            async with connection(self.pool) as connected:
                await connected.fetchval("SELECT 1")
        except PostgresUnavailable as error:
            return CheckResult(False, str(error))
        return CheckResult(True)

    async def _open(self) -> None:
        self._pool = await open_pool_when_ready(self._dsn, service=SERVICE, size=POOL_SIZE)
