"""Connection pools with a bound on everything: connections, waiting, statements."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

import asyncpg

from infra.runtime.postgres.availability import AWAY_WHEN_CONNECTING, PostgresUnavailable
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 15
COMMAND_SECONDS = 20.0  # the client's own bound, for when the server doesn't keep the statement's
IDLE_IN_TRANSACTION_SECONDS = 30
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


async def open_pool(dsn: str, *, service: str, size: int = 8) -> Pool:
    """A pool of at most `size` connections, one of them open. Raises PostgresUnavailable where the server can't be reached or
    refuses, ValueError where the DSN is none."""
    try:
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            max_inactive_connection_lifetime=300,
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


async def _nothing_left(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """Instead of asyncpg's `RESET ALL` and three more at each return to the pool, a fifth of what a short transaction cost: no
    statement of ours leaves a setting, a lock, a cursor or a listener in the session. What is open is rolled back before this."""


async def open_pool_when_ready(dsn: str, *, service: str, size: int = 8) -> Pool:
    """Like `open_pool`, but waits with back-off (0.25 s doubling to 5 s) for as long as PostgreSQL doesn't answer."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await open_pool(dsn, service=service, size=size)
        except PostgresUnavailable as error:
            log.warning("PostgreSQL not ready, waiting", detail=str(error), seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
