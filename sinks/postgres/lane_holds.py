"""Holds as rows, so that the next owner of a lane honours what the last one found out."""

from __future__ import annotations

from collections.abc import Sequence

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from infra.runtime.stream.breaker import BreakerState, LaneBreaker
from infra.runtime.stream.outcomes import Scope
from infra.runtime.stream.ports import HeldEvent
from infra.runtime.stream.record import Position

MAX_LOADED = 1000
"""Rows read for one lane; a lane's window is smaller, so more are only what a crash left behind."""

_LOAD = """
SELECT tenant_id, stage, topic, partition, record_offset, ticket_id, event_id, scope, reason, detail, until, first_failed_at,
    attempts, deaths
FROM lane_holds WHERE tenant_id = $1 AND stage = $2 ORDER BY until DESC LIMIT $3
"""
_SAVE = """
INSERT INTO lane_holds (tenant_id, stage, topic, partition, record_offset, ticket_id, event_id, scope, reason, detail, until,
    first_failed_at, attempts, deaths)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (tenant_id, stage, topic, partition, record_offset) DO UPDATE SET scope = excluded.scope, reason = excluded.reason,
    detail = excluded.detail, until = excluded.until, attempts = excluded.attempts, updated_at = now(),
    first_failed_at = least(lane_holds.first_failed_at, excluded.first_failed_at),
    deaths = greatest(lane_holds.deaths, excluded.deaths)
"""
_CLEAR = "DELETE FROM lane_holds WHERE tenant_id = $1 AND stage = $2 AND topic = $3 AND partition = $4 AND record_offset = $5"

_SWEEP = "DELETE FROM lane_holds WHERE tenant_id = $1 AND stage = $2 AND topic = $3 AND partition = $4 AND record_offset < $5"
_BREAKER = "SELECT tenant_id, stage, state, failures, until FROM lane_breakers WHERE tenant_id = $1 AND stage = $2"
_SAVE_BREAKER = """
INSERT INTO lane_breakers (tenant_id, stage, state, failures, until) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, stage) DO UPDATE SET state = excluded.state, failures = excluded.failures, until = excluded.until,
    updated_at = now()
"""
_CLOSE_BREAKER = "DELETE FROM lane_breakers WHERE tenant_id = $1 AND stage = $2"


class LaneHolds:
    """Implements `infra.runtime.stream.ports.HoldStore`. A breaker that is closed has no row."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def load(self, tenant_id: str, stage: str) -> Sequence[HeldEvent]:
        if not tenant_id:
            return ()
        async with tenant_transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(_LOAD, tenant_id, stage, MAX_LOADED)
        return [
            HeldEvent(
                tenant_id=row["tenant_id"],
                stage=row["stage"],
                topic=row["topic"],
                partition=row["partition"],
                offset=row["record_offset"],
                ticket_id=row["ticket_id"],
                event_id=row["event_id"],
                scope=Scope(row["scope"]),
                reason=row["reason"],
                detail=row["detail"],
                until=row["until"],
                first_failed_at=row["first_failed_at"],
                attempts=row["attempts"],
                deaths=row["deaths"],
            )
            for row in rows
        ]

    async def sweep(self, tenant_id: str, stage: str, committed: Position) -> None:
        if not tenant_id:
            return
        async with tenant_transaction(self._pool, tenant_id) as connection:
            at = (committed.topic, committed.partition, committed.offset)
            await connection.execute(_SWEEP, tenant_id, stage, *at)

    async def breaker(self, tenant_id: str, stage: str) -> LaneBreaker | None:
        if not tenant_id:
            return None
        async with tenant_transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow(_BREAKER, tenant_id, stage)
        if row is None:
            return None
        return LaneBreaker(row["tenant_id"], row["stage"], BreakerState(row["state"]), row["failures"], row["until"])

    async def save_breaker(self, breaker: LaneBreaker) -> None:
        async with tenant_transaction(self._pool, breaker.tenant_id) as connection:
            if breaker.state is BreakerState.CLOSED:
                await connection.execute(_CLOSE_BREAKER, breaker.tenant_id, breaker.stage)
            else:
                row = (breaker.state.value, breaker.failures, breaker.until)
                await connection.execute(_SAVE_BREAKER, breaker.tenant_id, breaker.stage, *row)

    async def save(self, held: HeldEvent) -> None:
        async with tenant_transaction(self._pool, held.tenant_id) as connection:
            await connection.execute(
                _SAVE, held.tenant_id, held.stage, held.topic, held.partition, held.offset, held.ticket_id, held.event_id,
                held.scope.value, held.reason, held.detail, held.until, held.first_failed_at, held.attempts, held.deaths,
            )  # fmt: skip

    async def clear(self, held: HeldEvent) -> None:
        async with tenant_transaction(self._pool, held.tenant_id) as connection:
            await connection.execute(_CLEAR, held.tenant_id, held.stage, held.topic, held.partition, held.offset)
