"""Work that has to succeed: tried until it does, or until it is another worker's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0


async def persist(
    work: Callable[[], Awaitable[None]],
    passing: tuple[type[BaseException], ...],
    current: Callable[[], bool],
    said: str,
) -> bool:
    """Whether `work` succeeded; false once `current()` is false. What isn't `passing` is raised."""
    pause = FIRST_PAUSE
    while current():
        try:
            await work()
        except passing as error:
            log.warning(said, error=repr(error))
            await asyncio.sleep(jittered(pause))
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            return True
    return False


def jittered(seconds: float) -> float:
    return seconds * random.uniform(0.75, 1.25)
