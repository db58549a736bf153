"""What is held now, from the rows that the stages keep of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from infra.runtime.stream.breaker import BreakerState
from schemas.times import rfc3339

MOST_EVENTS = 1000
_LANES = "SELECT tenant_id, stage, events, reason, until, attempts, breaker, breaker_until, closed, now() AS now FROM held_lanes()"
_EVENTS = """
SELECT tenant_id, ticket_id, stage, reason, detail, first_failed_at, until, attempts, topic, partition, record_offset AS "offset"
FROM lane_holds WHERE tenant_id = $1 ORDER BY first_failed_at LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class HeldLane:
    """A tenant's lane at a stage: how many of its events failed and wait, why, until when, and the most tries of one. `closed`: the
    whole lane waits for them, not only their tickets."""

    events: int
    reason: str
    until: datetime
    attempts: int
    breaker: BreakerState
    closed: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "events": self.events,
            "reason": self.reason,
            "until": rfc3339(self.until, "seconds"),
            "attempts": self.attempts,
            "breaker": self.breaker.value,
        }


async def held_lanes(pool: Pool) -> dict[tuple[str, str], HeldLane]:
    """By stage and tenant. Raises PostgresUnavailable."""
    async with connection(pool) as connected:
        rows = await connected.fetch(_LANES)
    return {
        (row["stage"], row["tenant_id"]): HeldLane(
            row["events"], row["reason"], row["until"], row["attempts"], _state(dict(row)), row["closed"]
        )
        for row in rows
    }


async def held_events(
    pool: Pool, *, tenant_id: str | None = None, reason: str | None = None, limit: int = MOST_EVENTS
) -> list[dict[str, Any]]:
    """Each event that is held, by when it failed first; at most `limit`. Raises PostgresUnavailable."""
    tenants = [tenant_id] if tenant_id else sorted({tenant for _, tenant in await held_lanes(pool)})
    found = list[Any]()
    for tenant in tenants:
        async with tenant_transaction(pool, tenant) as connected:
            found += await connected.fetch(_EVENTS, tenant, MOST_EVENTS)
    chosen = [row for row in found if not reason or row["reason"] == reason]
    times = ("first_failed_at", "until")
    return [
        {**row, **{name: rfc3339(row[name], "seconds") for name in times}}
        for row in sorted(chosen, key=lambda row: row["first_failed_at"])[:limit]
    ]


def _state(row: Mapping[str, Any]) -> BreakerState:
    """A row says `open` until it is written anew; once its time is over the next event is the probe."""
    state = BreakerState(row["breaker"]) if row["breaker"] else BreakerState.CLOSED
    over = row["breaker_until"] is not None and row["breaker_until"] <= row["now"]
    return BreakerState.HALF_OPEN if state is BreakerState.OPEN and over else state
