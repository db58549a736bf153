"""What a process with a database role does about tenant isolation while it runs: its violations are audited, and it probes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from infra.runtime.postgres.pool import Pool
from sinks.postgres.audit_log import Audited, AuditLog
from sinks.postgres.isolation_prober import probing
from sinks.postgres.violation_audit import violations_audited


@asynccontextmanager
async def isolation_watched(
    pool: Callable[[], Pool], tenants: Callable[[], Collection[str]], *, who: str, every_seconds: float
) -> AsyncIterator[None]:
    """While the block lasts. `pool` may raise PostgresUnavailable; `tenants` are the ids known so far; `who` names the process."""

    async def write(entry: Audited) -> None:
        await AuditLog(pool()).write(entry)

    async with violations_audited(write, who=who), probing(pool, tenants, every_seconds=every_seconds):
        yield
