"""Connection pools with a bound on everything: connections, waiting, statements."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from infra.runtime.postgres import clock_skew, metrics
from infra.runtime.postgres.availability import AWAY_WHEN_CONNECTING, PostgresUnavailable
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 15
COMMAND_SECONDS = 20.0  # the client's own bound, for when the server doesn't keep the statement's
IDLE_IN_TRANSACTION_SECONDS = 30
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0

LONGEST_IDLE_SECONDS = 300.0
MOST_QUERIES = 50_000
"""Of a connection, which then is replaced."""
ACQUIRE_SECONDS = 10.0

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
if TYPE_CHECKING:
    _AsyncpgPool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    _AsyncpgPool = asyncpg.Pool  # generic for type checkers only


class Pool(_AsyncpgPool):
    """asyncpg's, from which a connection can be borrowed, too: one that comes back unharmed is lent again as it is. To acquire and
    to release one costs as much as a short statement does."""

    __slots__ = ("__weakref__", "_kept", "_waiting", "_watching")

    def __init__(self, dsn: str, **options: Any) -> None:
        super().__init__(dsn, **options)
        self._kept: list[tuple[Connection, float]] = []
        self._waiting = 0
        self._watching: asyncio.Task[None] | None = None

    def watch_clock(self) -> None:
        """From now on until it is closed this pool compares our clock with PostgreSQL's, and shows what it finds."""
        self._watching = asyncio.create_task(clock_skew.watch(self))

    def unused(self) -> int:
        """Open connections that wait to be lent."""
        return self.get_idle_size() + len(self._kept)

    async def borrow(self) -> Connection:
        """Waits at most 10 s for a free one: TimeoutError. To be given back with `give_back` or `release`."""
        while self._kept:
            kept, since = self._kept.pop()
            with suppress(asyncpg.InterfaceError):  # of one that broke in the meantime, which the pool has replaced
                if time.monotonic() - since > LONGEST_IDLE_SECONDS:
                    kept.terminate()  # something between here and the server may have forgotten it
                elif not kept.is_closed():
                    metrics.WAIT_SECONDS.observe(0.0)
                    return kept
                await self.release(kept)
        self._waiting, began = self._waiting + 1, time.monotonic()
        try:
            return await self.acquire(timeout=ACQUIRE_SECONDS)
        finally:
            self._waiting -= 1
            metrics.WAIT_SECONDS.observe(time.monotonic() - began)

    async def give_back(self, connection: Connection) -> None:
        """One on which nothing failed and nothing is open; any other must be released, which mends it."""
        if self._waiting or self.is_closing():
            await self.release(connection)
        else:
            self._kept.append((connection, time.monotonic()))

    async def close(self) -> None:
        self._stop_watching()
        while self._kept:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.release(self._kept.pop()[0])
        await super().close()

    def terminate(self) -> None:
        self._stop_watching()
        super().terminate()

    def _stop_watching(self) -> None:
        if self._watching:
            self._watching.cancel()


async def open_pool(dsn: str, *, service: str, size: int = 8) -> Pool:
    """A pool of at most `size` connections, one of them open. Raises PostgresUnavailable where the server can't be reached or
    refuses, ValueError where the DSN is none."""
    try:
        pool = await Pool(
            dsn,
            min_size=1,
            max_size=size,
            max_queries=MOST_QUERIES,
            loop=None,
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            max_inactive_connection_lifetime=LONGEST_IDLE_SECONDS,
            reset=_nothing_left,
            server_settings={
                "application_name": f"ticketstream_{service}",
                "statement_timeout": f"{STATEMENT_SECONDS}s",
                "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
                "timezone": "UTC",
            },
        )
    except AWAY_WHEN_CONNECTING as error:
        raise PostgresUnavailable(
            f"PostgreSQL doesn't take connections for {service}: {type(error).__name__} {error}"
        ) from error
    metrics.count_pool(pool)
    return pool


async def _nothing_left(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """Instead of asyncpg's `RESET ALL` and three more at each return to the pool, a fifth of what a short transaction cost: no
    statement of ours leaves a setting, a lock, a cursor or a listener in the session. What is open is rolled back before this."""


async def open_pool_when_ready(dsn: str, *, service: str, size: int = 8) -> Pool:
    """Like `open_pool`, but waits with back-off (0.25 s doubling to 5 s) for as long as PostgreSQL doesn't answer. For services:
    the pool watches the clocks, too."""
    pause = FIRST_PAUSE
    while True:
        try:
            pool = await open_pool(dsn, service=service, size=size)
            pool.watch_clock()
            return pool
        except PostgresUnavailable as error:
            metrics.ERRORS.inc()
            log.warning("PostgreSQL not ready, waiting", detail=str(error), seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
