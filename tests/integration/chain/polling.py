"""Waiting for something by looking at it, never longer than a deadline."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for what takes one pass through the chain, on a machine that is busy with other things."""


@overload
async def until(look: Callable[[], Awaitable[T]], what: str, *, seconds: float = ...) -> T: ...
@overload
async def until(look: Callable[[], T], what: str, *, seconds: float = ...) -> T: ...
async def until(look: Callable[[], Any], what: str, *, seconds: float = PATIENCE) -> Any:
    """The first result of `look` that is true. Fails the test after `seconds`, with what was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        result = look()
        found = await result if inspect.isawaitable(result) else result
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}; last seen: {found!r}"
        await asyncio.sleep(0.05)
