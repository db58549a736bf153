"""What the database tells of a tenant: whether it is switched on, whom to ask, its secret, its webhooks, its notes, its limits."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from infra.ops.cli.acting import Acting
from infra.ops.onboarding.check import Check, Checks, failed, passed
from infra.ops.onboarding.refusal_causes import cause
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.tenant_contacts import EXAMPLE, ContactKind, TenantContacts
from sinks.postgres.tenant_settings import BadSetting, TenantSettings, parse
from sinks.postgres.webhook_refusals import WebhookRefusals
from sinks.postgres.webhook_secrets import KnownSecret, known_secrets

NAMES = ("enabled", "contacts", "secret", "webhook", "enhancement", "limits")
_NEWEST_NOTE = """
SELECT ticket_id, note_id, posted_at FROM enhancements
WHERE tenant_id = $1 AND status = 'success' AND note_id IS NOT NULL ORDER BY created_at DESC LIMIT 1
"""


async def database_checks(at_work: Acting, tenant: TenantSettings, now: datetime | None = None) -> Checks:
    now = now or datetime.now(UTC)
    secrets = await known_secrets(at_work.pool, tenant.tenant_id, None)
    return {
        "enabled": _enabled(tenant),
        "contacts": await _contacts(at_work, tenant.tenant_id),
        "secret": _secret(secrets, tenant.tenant_id, now),
        "webhook": await _webhook(at_work, secrets, tenant.tenant_id),
        "enhancement": await _enhancement(at_work, tenant.tenant_id),
        "limits": limits(tenant),
    }


def _enabled(tenant: TenantSettings) -> Check:
    if tenant.enabled:
        return passed("the tenant is enabled")
    return failed("the tenant is disabled", f"ticketstream tenant enable {tenant.tenant_id}")


async def _contacts(at_work: Acting, tenant_id: str) -> Check:
    found = await TenantContacts(at_work.pool).of(tenant_id)
    missing = [kind.value for kind in ContactKind if kind not in found]
    if not missing:
        return passed("technical, executive and SDP administrator are known")
    return failed(f"missing: {', '.join(missing)}", f"ticketstream tenant contacts {tenant_id} {missing[0]}={EXAMPLE}")


def _secret(secrets: list[KnownSecret], tenant_id: str, now: datetime) -> Check:
    rotate = f"ticketstream tenant rotate-secret {tenant_id}"
    if not secrets:
        return failed("there is none that is valid", rotate)
    due = secrets[0].due
    if due < now:
        return failed(f"it was due on {due:%Y-%m-%d}", rotate)
    known = secrets[0].fingerprint or "not known"
    return passed(f"fingerprint {known}, due on {due:%Y-%m-%d}")


async def _webhook(at_work: Acting, secrets: list[KnownSecret], tenant_id: str) -> Check:
    """A good signature was seen: of a webhook, or of a script's test."""
    used = max((one.last_used_at for one in secrets if one.last_used_at), default=None)
    if used is not None:
        return passed(f"the last well-signed one came {_at(used)}")
    refused = await WebhookRefusals(at_work.pool).list(tenant_id, 1)
    if refused:
        return failed(f"the last was refused {_at(refused[0].at)}", cause(refused[0]))
    cure = "let the desk's administrator run the signing script with --test, and switch the trigger on"
    return failed("none came since the secret was made", cure)


async def _enhancement(at_work: Acting, tenant_id: str) -> Check:
    async with tenant_transaction(at_work.pool, tenant_id) as connection:
        newest = await connection.fetchrow(_NEWEST_NOTE, tenant_id)
    if newest is None:
        cure = f"ticketstream tenant verify {tenant_id} --deliver-test TICKET, with a ticket that is open at the desk"
        return failed("no note was delivered yet", cure)
    when = _at(newest["posted_at"]) if newest["posted_at"] else "at a time that isn't known"
    return passed(f"note {newest['note_id']} at ticket {newest['ticket_id']}, {when}")


def limits(tenant: TenantSettings) -> Check:
    """Whether every setting is one that `tenant set` would take."""
    for name, value in asdict(tenant).items():
        try:
            parse({name: value})
        except BadSetting as error:
            if "is no setting" not in str(error):  # but a column that nobody sets by hand
                return failed(str(error), f"ticketstream tenant set {tenant.tenant_id} {name}=…")
    return passed(
        f"{tenant.max_concurrent_jobs} jobs at once, {tenant.enhancement_timeout_seconds} s a note, "
        f"{tenant.webhook_rate_per_second:g} webhooks a second"
    )


def _at(at: datetime) -> str:
    return f"{at.astimezone():%d %b %H:%M}"
