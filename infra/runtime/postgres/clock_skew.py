"""How far this machine's clock is from PostgreSQL's, asked once a minute. Leases and holds go by one or the other."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from infra.runtime.telemetry.logs import get_logger
from infra.runtime.telemetry.process_metrics import CLOCK_SKEW

if TYPE_CHECKING:
    from infra.runtime.postgres.pool import Pool

log = get_logger(__name__)

EVERY_SECONDS = 60.0
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


async def measured(pool: Pool) -> float:
    """Our clock minus PostgreSQL's, in seconds, exact to half the time that the question takes. Raises what the database raises."""
    connection = await pool.borrow()
    try:
        await connection.execute("SELECT 1")  # whatever has to be woken up is awake now
        before = time.time()
        theirs = float(await connection.fetchval(_NOW))
        ours = (before + time.time()) / 2
    except BaseException:
        await pool.release(connection)
        raise
    await pool.give_back(connection)
    return ours - theirs


async def watch(pool: Pool, every_seconds: float = EVERY_SECONDS) -> None:
    """For ever. While PostgreSQL is away the last figure stands."""
    while True:
        try:
            CLOCK_SKEW.labels("database").set(await measured(pool))
        except Exception as error:
            log.info("Clock not compared with PostgreSQL's", error=repr(error))
        await asyncio.sleep(every_seconds)
