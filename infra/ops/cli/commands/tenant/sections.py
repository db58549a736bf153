"""What `tenant show` shows, a section a function. A new section is a function here or elsewhere, and its place in SECTIONS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeAlias

from infra.ops.cli.commands.tenant.secret_section import webhook_secrets

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenant_settings import TenantSettings

Rows: TypeAlias = Mapping[str, object]
Section: TypeAlias = "Callable[[Acting, TenantSettings], Awaitable[Rows]]"
"""Rows by name: the names are unique over all sections, the values fit JSON, and none of them is a secret."""


async def settings(_: Acting, tenant: TenantSettings) -> Rows:
    return asdict(tenant)


async def webhooks(at_work: Acting, tenant: TenantSettings) -> Rows:
    """Where the tenant's webhooks go."""
    return {"webhook_url": at_work.around.webhook_url(tenant.tenant_id)}


SECTIONS: tuple[Section, ...] = (settings, webhooks, webhook_secrets)


async def all_rows(at_work: Acting, tenant: TenantSettings) -> dict[str, object]:
    """Every section's rows, in order."""
    found: dict[str, object] = {}
    for section in SECTIONS:
        found |= await section(at_work, tenant)
    return found
