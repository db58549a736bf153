"""What can take longer than a page should: begun when it is first asked for, and shown by the page that comes again by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from infra.ops.console.refusals import Refused

PATIENCE_SECONDS = 0.1
KEPT_SECONDS = 30.0
MOST = 64
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Search:
    begun_at: float
    task: asyncio.Task[Any]


class Searches:
    """One search for a key at a time. What it found is told once, so that the next asking looks anew; what nobody fetches goes
    after half a minute. At most 64 are under way or kept; `stop` ends them."""

    def __init__(
        self,
        *,
        patience: float = PATIENCE_SECONDS,
        kept: float = KEPT_SECONDS,
        most: int = MOST,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience, self._kept, self._most, self._monotonic = patience, kept, most, monotonic
        self._searches: dict[Hashable, _Search] = {}

    async def found(self, key: Hashable, search: Callable[[], Awaitable[T]]) -> T | None:
        """What `search` returns or raises; None while it isn't known: ask again in a moment. Raises Refused (503) where too many
        are under way."""
        self._forget_old()
        under_way = self._searches.get(key)
        if under_way is None:
            if len(self._searches) >= self._most:
                raise Refused(
                    503, "too many look for something now", "try again in a moment", reason="busy", retry_after=2
                )
            under_way = _Search(self._monotonic(), asyncio.create_task(_awaited(search)))
            self._searches[key] = under_way
        done, _ = await asyncio.wait([under_way.task], timeout=self._patience)
        if not done:
            return None
        self._searches.pop(key, None)
        return cast(T, under_way.task.result())

    async def stop(self) -> None:
        tasks = [one.task for one in self._searches.values()]
        self._searches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget_old(self) -> None:
        now = self._monotonic()
        for key, one in list(self._searches.items()):
            if now - one.begun_at > self._kept:
                del self._searches[key]
                one.task.cancel()
                one.task.add_done_callback(_seen)


async def _awaited(search: Callable[[], Awaitable[T]]) -> T:
    return await search()


def _seen(task: asyncio.Task[Any]) -> None:
    """An error that nobody came back for is nobody's."""
    if not task.cancelled():
        task.exception()
