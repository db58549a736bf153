"""Where tickets wait that got no note: the lanes that a stage holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection

_HELD = """
SELECT tenant_id, stage, reason, held, until FROM lane_holds_overview()
WHERE tenant_id = ANY($1) ORDER BY tenant_id, stage, reason
"""


@dataclass(frozen=True, slots=True)
class HeldLane:
    """`events` of a tenant wait in a stage; `until` is when the last of them is tried again."""

    tenant_id: str
    stage: str
    reason: str
    events: int
    until: datetime


async def held_lanes(pool: Pool, tenant_ids: Collection[str]) -> list[HeldLane]:
    """What is held of these tenants now. Raises PostgresUnavailable."""
    async with connection(pool) as connected:
        rows = await connected.fetch(_HELD, list(tenant_ids))
    return [HeldLane(row["tenant_id"], row["stage"], row["reason"], row["held"], row["until"]) for row in rows]


def where_the_lost_are(held: Sequence[HeldLane], state_dir: object) -> list[str]:
    """A line for each lane, or where else to look."""
    if not held:
        return [f"LOST   no lane is held: see {state_dir}/logs/deliver.log"]
    return [
        f"HELD   {lane.tenant_id} in {lane.stage}: {lane.events} waiting ({lane.reason}), tried again at "
        f"{lane.until.astimezone():%H:%M:%S}; see {state_dir}/logs/{lane.stage}.log"
        for lane in held
    ]
