"""How the processes of this folder end: when they are told, or by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any

from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)


async def until_told(serving: Coroutine[Any, Any, None]) -> None:
    """Runs it until it ends, or SIGTERM or SIGINT comes: then it is cancelled, and waited for. Raises what it raises. On the main
    thread's event loop."""
    stop, running = asyncio.Event(), asyncio.create_task(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        log.info("Stopping")
        running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
