"""What `tenant show` shows, a section a function. A new section is a function here or elsewhere, and its place in SECTIONS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeAlias

from infra.ops.cli.commands.tenant.desk_section import desk
from infra.ops.cli.commands.tenant.secret_section import webhook_secrets
from infra.ops.onboarding.refusal_causes import cause
from schemas.times import rfc3339
from sinks.postgres.tenant_contacts import ContactKind, TenantContacts
from sinks.postgres.tenant_settings import RULES, allowed
from sinks.postgres.webhook_refusals import WebhookRefusals

if TYPE_CHECKING:
    from infra.ops.cli.acting import Acting
    from sinks.postgres.tenant_settings import TenantSettings

Rows: TypeAlias = Mapping[str, object]
Section: TypeAlias = "Callable[[Acting, TenantSettings], Awaitable[Rows]]"
"""Rows by name: the names are unique over all sections, the values fit JSON, and none of them is a secret."""


async def settings(_: Acting, tenant: TenantSettings) -> Rows:
    return asdict(tenant)


async def rules(_: Acting, __: TenantSettings) -> Rows:
    """Of each setting: what is allowed, what a new tenant has, and who may change it."""
    return {
        "rules": {
            name: {"allowed": allowed(name), "default": rule.default, "approver": rule.approver.value}
            for name, rule in RULES.items()
        }
    }


async def webhooks(at_work: Acting, tenant: TenantSettings) -> Rows:
    """Where the tenant's webhooks go."""
    return {"webhook_url": at_work.around.webhook_url(tenant.tenant_id)}


async def contacts(at_work: Acting, tenant: TenantSettings) -> Rows:
    """Whom to ask at the tenant."""
    found = await TenantContacts(at_work.pool).of(tenant.tenant_id)
    return {f"contact_{kind}": found[kind].line if kind in found else None for kind in ContactKind}


async def refused(at_work: Acting, tenant: TenantSettings) -> Rows:
    """The newest refusal; `tenant refusals` has the others."""
    newest = await WebhookRefusals(at_work.pool).list(tenant.tenant_id, 1)
    return {"last_refusal": f"{rfc3339(newest[0].at, 'seconds')} {cause(newest[0])}" if newest else None}


SECTIONS: tuple[Section, ...] = (
    settings,
    rules,
    desk,
    webhooks,
    webhook_secrets,
    contacts,
    refused,
)


async def all_rows(at_work: Acting, tenant: TenantSettings) -> dict[str, object]:
    """Every section's rows, in order."""
    found: dict[str, object] = {}
    for section in SECTIONS:
        found |= await section(at_work, tenant)
    return found
