"""What the edge notes down beside its work goes to PostgreSQL by itself, never on a request's path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

LAST_WRITE_SECONDS = 1.0


async def write_every(seconds: float, what: str, write: Callable[[], Awaitable[object]]) -> None:
    """Calls `write`, which must not raise, every so many seconds until cancelled, then once more, for 1 s at most. `what` is for
    the log."""
    try:
        while True:
            await asyncio.sleep(seconds)
            await write()
    finally:
        try:
            async with asyncio.timeout(LAST_WRITE_SECONDS):
                await write()
        except TimeoutError:
            log.debug("Not noted down before the end", what=what)
