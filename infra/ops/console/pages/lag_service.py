"""Asks the lag service every five seconds, so that the last minutes can be drawn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import aiohttp
import orjson

from infra.ops.console.pages.lag_history import LagHistory

EVERY_SECONDS = 5.0
ANSWER_SECONDS = 3.0
MOST_BYTES = 8 * 1024 * 1024


class LagWatch:
    """Fills a LagHistory until it is stopped. `url` is asked for each time: the local stack gives its service another port."""

    def __init__(self, url: Callable[[], str | None], *, every: float = EVERY_SECONDS) -> None:
        self.history = LagHistory()
        self._url, self._every = url, every
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _watch(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as session:
            while True:
                await self.look(session)
                await asyncio.sleep(self._every)

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Once. Whatever is wrong is said in the history."""
        url = self._url()
        if not url:
            self.history.missed("no lag service is known: set TICKETSTREAM_LAG_URL, or start the local stack")
            return
        try:
            async with session.get(f"{url.rstrip('/')}/lag", allow_redirects=False) as answer:
                body = await answer.content.read(MOST_BYTES)
                while part := await answer.content.read(MOST_BYTES - len(body)) if len(body) < MOST_BYTES else b"":
                    body += part
                self.history.add(datetime.now(UTC), orjson.loads(body))
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, AttributeError) as error:
            said = str(error) or type(error).__name__
            self.history.missed(
                f"the lag service doesn't answer ({said[:200]}): check that `ticketstream lag serve` runs"
            )
