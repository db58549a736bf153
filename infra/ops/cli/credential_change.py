"""A desk's credential takes the place of another only after the desk took it, so that nobody locks a tenant out by a slip."""

from __future__ import annotations

from dataclasses import dataclass, replace

from infra.ops.cli.acting import Acting
from infra.ops.cli.database import ring
from infra.ops.cli.desk_trial import Trial, Verdict, try_desk
from infra.ops.cli.failure import Failure
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres import audit_log
from sinks.postgres.audit_log import MASKED, Change
from sinks.postgres.credentials import (
    DeskAccess,
    DeskCredentials,
    InUse,
    NothingToRollBackTo,
    forget_replaced,
    in_use,
    stored_ca,
)
from sinks.postgres.tenant_settings import TenantSettings
from sinks.postgres.tenants import TenantStore


@dataclass(frozen=True, slots=True)
class Wish:
    """`credential` is what takes the current one's place; None puts the previous one back. `untested` lets pass what could not be
    tried, never what the desk refuses."""

    credential: str | None
    reason: str = ""
    untested: bool = False

    @property
    def operation(self) -> str:
        return "tenant replace-credential" + (" --roll-back" if self.credential is None else "")


@dataclass(frozen=True, slots=True)
class Replaced:
    trial: Trial
    now: InUse


async def replace_credential(at_work: Acting, tenant_id: str, wish: Wish) -> Replaced:
    """Raises Failure, and nothing is changed, where the desk refuses it or can't be asked; that is audited, too."""
    if wish.untested:
        at_work.need_engineer("--untested")
    store = TenantStore(at_work.pool)
    credentials = DeskCredentials(at_work.pool, ring(at_work.around, "credential_keys"))
    tenant, change = await store.show(tenant_id), at_work.operator.change(wish.reason)
    await forget_replaced(at_work.pool, tenant_id)
    credential = await _wanted(credentials, tenant_id, wish)
    async with tenant_transaction(at_work.pool, tenant_id) as connection:
        access = DeskAccess(credential, await stored_ca(connection, tenant_id))
    trial = await try_desk(at_work, tenant, access)
    if trial.verdict is Verdict.REFUSED or (trial.verdict is Verdict.UNTRIED and not wish.untested):
        await _audit_refusal(at_work, tenant_id, wish, change, trial)
        raise _failure(tenant, wish, trial)
    if trial.verdict is Verdict.UNTRIED:
        change = replace(change, reason=f"{wish.reason} (untested: {trial.detail})".strip())
    try:
        if wish.credential is None:
            await store.roll_back_credential(tenant_id, credential, credentials, change)
        else:
            await store.replace_credential(tenant_id, credential, credentials, change)
    except NothingToRollBackTo as error:
        raise Failure(str(error), f"look again: ticketstream tenant show {tenant_id}") from None
    async with tenant_transaction(at_work.pool, tenant_id) as connection:
        now = await in_use(connection, tenant_id)
    assert now is not None  # noqa: S101 - it was written a moment ago
    return Replaced(trial, now)


async def _wanted(credentials: DeskCredentials, tenant_id: str, wish: Wish) -> str:
    if wish.credential is not None:
        return wish.credential
    try:
        return await credentials.previous(tenant_id)
    except NothingToRollBackTo as error:
        cure = f"give one: ticketstream tenant replace-credential {tenant_id} --servicedesk-key-file FILE"
        raise Failure(str(error), cure) from None


async def _audit_refusal(at_work: Acting, tenant_id: str, wish: Wish, change: Change, trial: Trial) -> None:
    entry = change.entry(
        tenant_id, f"{wish.operation} ({trial.verdict})", "servicedesk_api_key", MASKED, trial.detail[:500]
    )
    async with tenant_transaction(at_work.pool, tenant_id) as connection:
        await audit_log.write(connection, entry)


def _failure(tenant: TenantSettings, wish: Wish, trial: Trial) -> Failure:
    which = "the previous credential" if wish.credential is None else "this credential"
    if trial.verdict is Verdict.REFUSED:
        what = f"the desk {tenant.servicedesk_base_url} refuses {which} ({trial.detail}); nothing was changed"
        if tenant.servicedesk_form == "cloud":
            return Failure(what, "have the tenant's administrator make a new OAuth client or refresh token")
        return Failure(what, "have the tenant's administrator generate a key for a technician who may see all requests")
    what = f"{which} could not be tried at {tenant.servicedesk_base_url} ({trial.detail}); nothing was changed"
    return Failure(what, "try again when the desk answers; an engineer can take it all the same with --untested")
