"""`/tenants/{tenant}`: all that is to be known of a tenant beside its tickets' texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from infra.ops.cli.acting import Acting
from infra.ops.cli.failure import Failure
from infra.ops.cli.secret_words import said_of_use
from infra.ops.console.pages import tenant_rows
from infra.ops.console.pages.figures import Overview
from infra.ops.console.pages.showing import known, show
from infra.ops.console.refusals import Refused
from infra.ops.console.visits import Visit
from infra.ops.lag.holds import held_events
from infra.ops.onboarding.refusal_causes import cause
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.console_reading import ConsoleReading
from sinks.postgres.credentials import stored_ca
from sinks.postgres.secret_uses import valid_secrets
from sinks.postgres.tenant_contacts import ContactKind, TenantContacts
from sinks.postgres.tenant_directory import load_tenants
from sinks.postgres.tenant_settings import CA, RULES, TenantSettings, Value, allowed, told
from sinks.postgres.webhook_refusals import WebhookRefusals

RECENT, HELD, REFUSED = 15, 50, 5
AGREED = {
    "external_model": "Who at the client agreed (needed for true)",
    "webhook_auth": "Which engineer approved (needed for bearer)",
    "webhook_sources": "Which engineer approved",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One with its rule; `agreement` is what else must be said when it is changed, empty for nothing."""

    name: str
    value: Value
    default: Value | None
    allowed: str
    approver: str
    agreement: str


def settings(tenant: TenantSettings, ca: str) -> list[Setting]:
    return [
        Setting(
            name,
            told(CA, ca) if name == CA else getattr(tenant, name),
            rule.default if name != CA else "none",
            allowed(name),
            rule.approver.value,
            AGREED.get(name, ""),
        )
        for name, rule in RULES.items()
    ]


async def tenant(request: web.Request, visit: Visit) -> web.StreamResponse:
    tenant_id, now, lag = request.match_info["tenant"], datetime.now(UTC), known(request).lag.history
    async with visit.acting(tenant_id, command="tenant show") as at_work:
        values = await _read(at_work, await tenant_of(at_work, tenant_id))
    current = lag.current(now)
    overview: Overview = values.pop("overview")
    (row,) = tenant_rows.rows(overview, tenant_rows.lags_of(current), [tenant_id], now)
    stages = _stages(current, tenant_id)
    error = lag.error or "the lag service's answer is too old"
    return show("tenant.html", visit, section="tenants", row=row, stages=stages, lag_error=error, **values)


async def tenant_of(at_work: Acting, tenant_id: str) -> TenantSettings:
    """Refuses with 404 where there is none of that name."""
    found = next((one for one in await load_tenants(at_work.pool) if one.tenant_id == tenant_id), None)
    if found is None:
        raise Refused(404, f"there is no tenant {tenant_id}", "see the list of tenants", reason="no_tenant")
    return found


async def stored_settings(at_work: Acting, tenant: TenantSettings) -> list[Setting]:
    async with tenant_transaction(at_work.pool, tenant.tenant_id) as connection:
        ca = await stored_ca(connection, tenant.tenant_id)
    return settings(tenant, ca)


async def _read(at_work: Acting, tenant: TenantSettings) -> dict[str, Any]:
    tenant_id, pool = tenant.tenant_id, at_work.pool
    reading = ConsoleReading(pool)
    figures = await reading.figures([tenant_id])
    secrets = (await valid_secrets(pool)).get(tenant_id, [])
    contacts = await TenantContacts(pool).of(tenant_id)
    refusals = await WebhookRefusals(pool).list(tenant_id, REFUSED)
    return {
        "overview": Overview({tenant_id: tenant}, figures, {tenant_id: secrets}),
        "tenant": tenant,
        "figures": figures[tenant_id],
        "secrets": secrets,
        "use": said_of_use(secrets),
        "contacts": {kind.value: contacts[kind].line if kind in contacts else "" for kind in ContactKind},
        "held": await held_events(pool, tenant_id=tenant_id, limit=HELD),
        "recent": await reading.recent(tenant_id, RECENT),
        "refusals": [
            {"at": one.at, "status": one.status, "ticket_id": one.ticket_id, "times": one.times, "cause": cause(one)}
            for one in refusals
        ],
        "settings": await stored_settings(at_work, tenant),
        "webhook_url": _webhook_url(at_work, tenant_id),
    }


def _webhook_url(at_work: Acting, tenant_id: str) -> str | None:
    try:
        return at_work.around.webhook_url(tenant_id)
    except Failure:
        return None


def _stages(lag: Mapping[str, Any] | None, tenant_id: str) -> dict[str, Any] | None:
    if lag is None:
        return None
    nothing: Sequence[str] = ("lag", "oldest_seconds", "rate", "limited_by", "held")
    unknown = dict.fromkeys(nothing)
    return {name: (stage.get("tenants") or {}).get(tenant_id, unknown) for name, stage in lag["stages"].items()}
