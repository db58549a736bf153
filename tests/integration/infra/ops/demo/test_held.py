"""Held lanes as the operator's role may read them."""

from __future__ import annotations

from typing import Protocol

import asyncpg

from infra.ops.demo.held import held_lanes
from infra.runtime.postgres.pool import open_pool


class Database(Protocol):
    """The session's PostgreSQL."""

    dsn: str
    dsns: dict[str, str]


async def test_the_holds_of_the_tenants_asked_for_are_counted_by_stage_and_reason(postgres: Database) -> None:
    connection = await asyncpg.connect(postgres.dsn)
    for partition, tenant_id in ((901, "held-one"), (902, "held-other")):
        await connection.execute(
            "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://desk.example')",
            tenant_id,
            partition,
        )
        for offset in (1, 2):
            await connection.execute(
                "INSERT INTO lane_holds (tenant_id, stage, topic, partition, record_offset, ticket_id, event_id, scope, reason,"
                " until, first_failed_at, attempts) VALUES ($1, 'deliver', 't', $2, $3, '1', 'e', 'lane', 'desk_unavailable',"
                " now() + interval '1 minute', now(), 1)",
                tenant_id,
                partition,
                offset,
            )
    await connection.close()
    pool = await open_pool(postgres.dsns["operator"], service="operator", size=1)

    (lane,) = await held_lanes(pool, ["held-one", "held-none"])
    await pool.close()

    assert (lane.tenant_id, lane.stage, lane.reason, lane.events) == ("held-one", "deliver", "desk_unavailable", 2)
