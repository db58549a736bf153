"""At most so many calls a minute to one desk."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

WINDOW_SECONDS = 60.0


class Pace:
    """Counts calls by desk over a sliding minute, across runs. Desks advise, or enforce, limits that they don't publish."""

    def __init__(
        self,
        calls_per_minute: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._most, self._monotonic, self._sleep = calls_per_minute, monotonic, sleep
        self._calls: dict[str, deque[float]] = {}

    async def turn(self, desk: str) -> None:
        """Returns when `desk` may be called, after at most a minute for one who waits alone, and counts the call."""
        while (wait := self._wait(desk)) > 0:
            await self._sleep(wait)
        self._calls.setdefault(desk, deque()).append(self._monotonic())

    def forget_idle(self) -> None:
        """Drop desks that weren't called for a minute."""
        for desk in [desk for desk in self._calls if self._wait(desk) <= 0 and not self._calls[desk]]:
            del self._calls[desk]

    def _wait(self, desk: str) -> float:
        calls, now = self._calls.get(desk, deque()), self._monotonic()
        while calls and calls[0] <= now - WINDOW_SECONDS:
            calls.popleft()
        return 0.0 if len(calls) < self._most else calls[0] + WINDOW_SECONDS - now
