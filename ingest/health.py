"""What the internal port says of the edge. Only tenants that were never loaded make it not ready: while Kafka or PostgreSQL is
away an answer with Retry-After is better than none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from infra.runtime.telemetry.internal_server import Check, CheckResult
from ingest.ports import Tenants
from ingest.webhooks import OLDEST_VIEW_SECONDS

CONNECT_SECONDS = 1.5


def checks(tenants: Tenants, kafka_servers: Sequence[str]) -> Mapping[str, Check]:
    async def loaded() -> CheckResult:
        return CheckResult(tenants.loaded, "" if tenants.loaded else "the tenants were never read from PostgreSQL")

    async def database() -> CheckResult:
        age = tenants.age_seconds
        detail = "" if age <= OLDEST_VIEW_SECONDS else f"PostgreSQL hasn't answered for {age:.0f} s"
        return CheckResult(not detail, detail, required=False)

    async def kafka() -> CheckResult:
        answers = await asyncio.gather(*(_listens(server) for server in kafka_servers[:10]))
        return CheckResult(any(answers), "" if any(answers) else "no broker takes connections", required=False)

    return {"tenants": loaded, "database": database, "kafka": kafka}


async def _listens(server: str) -> bool:
    host, _, port = server.rpartition(":")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    return True
