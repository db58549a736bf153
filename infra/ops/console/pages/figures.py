"""The tenants with their figures and secrets, as one copy for the first page and for what is chosen by tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infra.runtime.postgres.pool import Pool
from sinks.postgres.console_reading import ConsoleReading, Figures
from sinks.postgres.secret_uses import valid_secrets
from sinks.postgres.tenant_directory import load_tenants
from sinks.postgres.tenant_settings import TenantSettings
from sinks.postgres.webhook_secrets import KnownSecret


@dataclass(frozen=True, slots=True)
class Overview:
    """All tenants by id; what isn't known of one isn't there."""

    tenants: Mapping[str, TenantSettings]
    figures: Mapping[str, Figures] = field(default_factory=dict)
    secrets: Mapping[str, Sequence[KnownSecret]] = field(default_factory=dict)


async def overview(pool: Pool) -> Overview:
    """Raises PostgresUnavailable."""
    tenants = {one.tenant_id: one for one in await load_tenants(pool)}
    return Overview(tenants, await ConsoleReading(pool).figures(list(tenants)), await valid_secrets(pool))
