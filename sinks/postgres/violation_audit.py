"""Writes each violation of tenant isolation into the audit log of the tenants that it concerns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from prometheus_client import Counter

from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.telemetry import isolation
from infra.runtime.telemetry.isolation import Violation
from infra.runtime.telemetry.logs import get_logger
from sinks.postgres.audit_log import Audited

log = get_logger(__name__)

OPERATION = "isolation violation"
MOST_WAITING = 100
RETRY_SECONDS = 5.0
LAST_SECONDS = 1.0
NOT_AUDITED = Counter(
    "ticketstream_tenant_isolation_violations_not_audited_total",
    "Violations of tenant isolation that are in the log only: too many at once, or of no known tenant.",
)
_writing = ContextVar("writing", default=False)

Write = Callable[[Audited], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]


class ViolationAudit:
    """At most 100 wait while PostgreSQL is away; those beyond are counted and stay in the log."""

    def __init__(self, write: Write, *, who: str, sleep: Sleep = asyncio.sleep) -> None:
        self._write, self._who, self._sleep = write, who, sleep
        self._waiting: asyncio.Queue[Audited] = asyncio.Queue(MOST_WAITING)

    def take(self, violation: Violation) -> None:
        """An entry under each tenant concerned; neither entry names the other tenant, for a tenant may see its own audit log."""
        if _writing.get():
            return  # the refusal is that of an entry of ours: another one would be refused, too
        tenants = {violation.tenant_id, violation.other} - {""}
        if not tenants:
            NOT_AUDITED.inc()
        for tenant_id in sorted(tenants):
            try:
                self._waiting.put_nowait(self._entry(violation, tenant_id))
            except asyncio.QueueFull:
                NOT_AUDITED.inc()

    async def run(self) -> None:
        """Writes what waits, for ever; what PostgreSQL refuses is counted and left."""
        _writing.set(True)
        while True:
            entry = await self._waiting.get()
            try:
                await self._written(entry)
            finally:
                self._waiting.task_done()

    async def empty(self) -> None:
        """Until all that waits is written or given up."""
        await self._waiting.join()

    async def _written(self, entry: Audited) -> None:
        while True:
            try:
                return await self._write(entry)
            except UNAVAILABLE:
                await self._sleep(RETRY_SECONDS)
            except Exception as error:
                NOT_AUDITED.inc()
                log.error(
                    "A violation of tenant isolation was not audited", tenant_id=entry.tenant_id, error=repr(error)
                )
                return None

    def _entry(self, violation: Violation, tenant_id: str) -> Audited:
        hidden = {violation.tenant_id, violation.other} - {tenant_id, ""}
        detail = "; ".join(f"{name}: {value}" for name, value in sorted(violation.detail.items()))
        for name in hidden:
            detail = detail.replace(name, "another tenant")
        return Audited(tenant_id, self._who, OPERATION, violation.kind.value, new_value=detail or None)


@asynccontextmanager
async def violations_audited(write: Write, *, who: str) -> AsyncIterator[ViolationAudit]:
    """While the block lasts, this process's violations are audited; at its end there is a second for those that wait."""
    audit = ViolationAudit(write, who=who)
    running = asyncio.create_task(audit.run())
    try:
        with isolation.subscribed(audit.take):
            yield audit
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(audit.empty(), LAST_SECONDS)
        running.cancel()
