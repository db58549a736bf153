"""`python -m tests.integration.kills.killable SERVICE`: the service's own process, that kills itself in the gaps it is told of.

The file `KILL_PLAN` names a gap for each of some tickets. An event about such a ticket stops in its gap, and when each of them is
in its own the process is killed, so that one death lies in many gaps. The plan is then done: the next process just goes on. While
the file `KILL_SHORT` is there, sessions, leases and the time that an uncertain note gets to settle are short: a death costs them.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

from infra.runtime.stream import faust_app
from infra.runtime.stream.handler import EventHandler
from infra.runtime.stream.runner import exit_with
from schemas.envelope import peek
from sinks.postgres import answers, note_intents
from tests.integration.kills.gaps import GAPS, INGEST, Gap

SECONDS = 4
PLAN = Path(os.environ["KILL_PLAN"])
ticket: ContextVar[str] = ContextVar("ticket", default="")


class Plan:
    """Read whenever a gap is passed, until it was carried out."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._arrived: set[str] = set()

    async def passes(self, gap: Gap, ticket_id: str) -> None:
        told = self._told()
        if told.get(ticket_id) != gap.name:
            return
        self._arrived.add(ticket_id)
        if self._arrived == told.keys():
            PLAN.rename(PLAN.with_suffix(".done"))
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.Event().wait()

    def _told(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(PLAN.read_text())
        except FileNotFoundError:
            return {}
        return found


def stop_in(gap: Gap, plan: Plan) -> None:
    """Wraps the call beside which the gap lies."""
    module, class_name, method = gap.call
    owner = getattr(importlib.import_module(module), class_name)
    call: Callable[..., Awaitable[Any]] = getattr(owner, method)

    @wraps(call)
    async def wrapped(*arguments: Any, **named: Any) -> Any:
        ticket_id = ticket.get() or getattr(arguments[1], "ticket_id", "")
        if gap.when == "before":
            await plan.passes(gap, ticket_id)
        result = await call(*arguments, **named)
        if gap.when == "after":
            await plan.passes(gap, ticket_id)
        return result

    setattr(owner, method, wrapped)


def know_the_ticket() -> None:
    """Whatever an event's handling calls knows which ticket it is about."""
    handle = EventHandler.handle

    async def wrapped(self: EventHandler, record: Any, current: Callable[[], bool]) -> Any:
        ticket.set(peek(record.headers, "ce_subject"))
        return await handle(self, record, current)

    EventHandler.handle = wrapped  # type: ignore[method-assign]


def shorten(module: ModuleType, lease: int) -> None:
    """The lease in a store's statements."""
    for name, value in vars(module).items():
        if isinstance(value, str) and f"{lease} seconds" in value:
            setattr(module, name, value.replace(f"{lease} seconds", f"{SECONDS} seconds"))


def shorten_all() -> None:
    faust_app.SESSION_TIMEOUT = float(SECONDS)
    shorten(answers, answers.LEASE_SECONDS)
    note_intents.LEASE_SECONDS = SECONDS
    for stage in ("synthesize", "deliver"):
        lease: Any = importlib.import_module(f"processors.{stage}.lease")
        lease.kept.__wrapped__.__kwdefaults__["every"] = SECONDS / 4
    deliver: Any = importlib.import_module("processors.deliver.processor")
    deliver.SETTLE_TIME = float(SECONDS)


def main(service: str) -> None:
    plan = Plan(service)
    if Path(os.environ["KILL_SHORT"]).exists():
        shorten_all()
    for gap in GAPS:
        if gap.service == service:
            stop_in(gap, plan)
    know_the_ticket()
    if service == INGEST:
        sys.exit(importlib.import_module("ingest.__main__").main())
    exit_with(importlib.import_module(f"processors.{service}.__main__").main)


if __name__ == "__main__":
    main(sys.argv[1])
