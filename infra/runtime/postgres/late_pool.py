"""A pool for services that answer before PostgreSQL does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.pool import Pool, open_pool_when_ready
from infra.runtime.postgres.tenant import connection
from infra.runtime.telemetry.internal_server import CheckResult

CLOSE_SECONDS = 2.0


class LatePool:
    """Opened in the background from the first moment on, as `open_pool_when_ready` does it; `then` is called with it once. Needs a
    running loop. Use as an asynchronous context manager, or `close` it."""

    def __init__(
        self, dsn: str, *, service: str, size: int, then: Callable[[Pool], Awaitable[None]] | None = None
    ) -> None:
        self._dsn, self._service, self._size, self._then = dsn, service, size, then
        self._pool: Pool | None = None
        self._opening = asyncio.create_task(self._open())

    @property
    def pool(self) -> Pool:
        """Raises PostgresUnavailable while there is none."""
        if self._pool is None:
            raise PostgresUnavailable("PostgreSQL hasn't answered since the start")
        return self._pool

    async def check(self) -> CheckResult:
        """For /readyz of a service that can do nothing without."""
        try:
            async with connection(self.pool) as connected:
                await connected.fetchval("SELECT 1")
        except PostgresUnavailable as error:
            return CheckResult(False, str(error))
        return CheckResult(True)

    async def close(self) -> None:
        """What is under way gets 2 s."""
        self._opening.cancel()
        await asyncio.gather(self._opening, return_exceptions=True)
        if self._pool:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pool.close(), CLOSE_SECONDS)
            self._pool.terminate()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _open(self) -> None:
        self._pool = await open_pool_when_ready(self._dsn, service=self._service, size=self._size)
        if self._then:
            await self._then(self._pool)
