"""All that is checked of a tenant, at once and bounded: the checklist of `tenant create`, and `tenant verify`."""

from __future__ import annotations

import asyncio
from functools import partial

from infra.ops.cli.acting import Acting
from infra.ops.onboarding import database_checks, desk_checks, edge_checks, kafka_checks
from infra.ops.onboarding.check import Check, bounded
from sinks.postgres.tenant_settings import TenantSettings

ORDER = (
    "enabled", "contacts", "edge", "desk", "credential", "secret", "webhook", "enhancement", "limits", "partition",
    "stages", "dashboards",
)  # fmt: skip
_GROUPS = (
    (database_checks.NAMES, database_checks.database_checks),
    (desk_checks.NAMES, desk_checks.desk_checks),
    (kafka_checks.NAMES, kafka_checks.kafka_checks),
    (edge_checks.NAMES, edge_checks.edge_checks),
)


async def verify(at_work: Acting, tenant: TenantSettings) -> dict[str, Check]:
    """By name, in the order of the checklist; takes 10 s at most."""
    found: dict[str, Check] = {}
    for checks in await asyncio.gather(*(bounded(names, partial(ask, at_work, tenant)) for names, ask in _GROUPS)):
        found |= checks
    return {name: found[name] for name in ORDER}
