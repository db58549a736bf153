"""`python -m tests.integration.investigate.breakable STAGE`: the stage's own process, that fails as it is told.

The file `BREAK_PLAN` says by ticket what happens to it at this stage: `raise`, `die` (the whole process, by SIGKILL) or `sleep`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.runtime.stream import faust_app
from infra.runtime.stream.handler import EventHandler
from infra.runtime.stream.outcomes import Outcome
from infra.runtime.stream.record import Input
from infra.runtime.stream.runner import exit_with

SESSION_SECONDS = 6.0
PLAN = Path(os.environ["BREAK_PLAN"])


def planned(ticket_id: str) -> str:
    try:
        return str(json.loads(PLAN.read_text()).get(ticket_id, ""))
    except FileNotFoundError:
        return ""


async def broken(event: Any) -> None:
    what = planned(event.event.ticket_id)
    if what == "raise":
        raise RuntimeError("a bug that nobody foresaw")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "sleep":
        await asyncio.Event().wait()


def break_as_planned() -> None:
    handle = EventHandler.handle

    async def wrapped(self: EventHandler, record: Any, current: Callable[[], bool]) -> Any:
        process = getattr(self.process, "whole", self.process)

        async def breaking(event: Input) -> Outcome:
            await broken(event)
            return await process(event)

        breaking.whole = process  # type: ignore[attr-defined]
        self.process = breaking
        return await handle(self, record, current)

    EventHandler.handle = wrapped  # type: ignore[method-assign]


if __name__ == "__main__":
    faust_app.SESSION_TIMEOUT = SESSION_SECONDS
    break_as_planned()
    exit_with(importlib.import_module(f"processors.{sys.argv[1]}.__main__").main)
