"""Enhancements that failed: those of which there is no event but a dead letter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction

AT_ONCE = 200
_FAILED = """
SELECT event_id, tenant_id, ticket_id, enhancement_id, reason, writer, model, prompt_version, prompt_tokens, completion_tokens,
    cost_usd, degraded, received_at, synthesized_at, updated_at AS failed_at
FROM enhancements
WHERE tenant_id = $1 AND status = 'failed' AND ($2::timestamptz IS NULL OR updated_at >= $2)
    AND ($3::timestamptz IS NULL OR updated_at < $3)
ORDER BY updated_at, ticket_id, content_hash
"""


@dataclass(frozen=True, slots=True)
class FailedEnhancement:
    """`event_id` is that of the TicketReceived event; what was written of a text before it failed, where that was so far."""

    event_id: str
    tenant_id: str
    ticket_id: str
    enhancement_id: str | None
    reason: str | None
    writer: str | None
    model: str | None
    prompt_version: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    degraded: str | None
    received_at: datetime | None
    synthesized_at: datetime | None
    failed_at: datetime


async def failed_enhancements(
    pool: Pool, tenant_id: str, since: datetime | None = None, until: datetime | None = None
) -> AsyncIterator[FailedEnhancement]:
    """Those that are failed now and became so in that time, by when they did; some hundred are held in memory. Raises
    PostgresUnavailable."""
    async with tenant_transaction(pool, tenant_id) as connection:
        async for row in connection.cursor(_FAILED, tenant_id, since, until, prefetch=AT_ONCE):
            values = dict(row)
            ids = {name: str(values[name]) if values[name] else None for name in ("event_id", "enhancement_id")}
            yield FailedEnhancement(**{**values, **ids})
