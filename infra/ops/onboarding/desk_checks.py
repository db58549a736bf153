"""Whether the tenant's desk answers, and takes our credential: asked by listing one request, which changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from infra.ops.cli.acting import Acting
from infra.ops.cli.database import ring
from infra.ops.onboarding.check import Checks, failed, passed, unknown
from schemas.reasons import Reason
from sinks.postgres.credentials import DeskCredentials, NoCredential
from sinks.postgres.desk_access_tokens import StoredAccessTokens
from sinks.postgres.tenant_settings import TenantSettings
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.tickets import check_access
from sinks.servicedesk.transport import Times, Transport
from sinks.servicedesk.types import DeskAccount, DeskForm, Refused

NAMES = ("desk", "credential")
TIMES = Times(connect=2.0, total=4.5)
KEYS = "TICKETSTREAM_CREDENTIAL_KEYS"


class _Given:
    """The one account there is."""

    def __init__(self, account: DeskAccount) -> None:
        self._account = account

    async def of(self, tenant_id: str) -> DeskAccount | None:
        return self._account if tenant_id == self._account.tenant_id else None


@asynccontextmanager
async def desk(at_work: Acting, tenant: TenantSettings) -> AsyncIterator[tuple[DeskClient, DeskAccount]]:
    """The tenant's desk as it is set now. Raises NoCredential, KeyRingError, Failure."""
    keys = ring(at_work.around, "credential_keys")
    access = await DeskCredentials(at_work.pool, keys).get(tenant.tenant_id)
    form = DeskForm(tenant.servicedesk_form)
    account = DeskAccount(tenant.tenant_id, tenant.servicedesk_base_url, form, access.credential, access.ca)
    local = at_work.around.variables.get("TICKETSTREAM_LOCAL") == "1"
    async with Transport(AddressPolicy(local=local), times=TIMES) as transport:
        authentication = Authentication(transport, tokens=StoredAccessTokens(at_work.pool, keys))
        yield DeskClient(transport, _Given(account), authentication=authentication), account


async def desk_checks(at_work: Acting, tenant: TenantSettings) -> Checks:
    """`desk`: DNS, address policy, TLS, an answer. `credential`: the desk takes it."""
    if not at_work.around.variables.get(KEYS):
        cure = f"run it where {KEYS} is set"
        return dict.fromkeys(NAMES, unknown(f"{KEYS} is not set here, so that the credential can't be opened", cure))
    try:
        async with desk(at_work, tenant) as (client, account):
            refused = await check_access(client, account)
    except NoCredential as error:
        cure = f"give it one: ticketstream tenant replace-credential {tenant.tenant_id}"
        return {"desk": unknown("not asked without a credential", cure), "credential": failed(str(error), cure)}
    return _told(tenant, refused)


def _told(tenant: TenantSettings, refused: Refused | None) -> Checks:
    answers = passed(f"{tenant.servicedesk_base_url} answers")
    if refused is None:
        return {"desk": answers, "credential": passed("the desk takes it")}
    if refused.reason is Reason.DESK_CREDENTIAL_REFUSED:
        cure = (
            "ask for a new key of an enabled technician, then: "
            f"ticketstream tenant replace-credential {tenant.tenant_id}"
        )
        return {"desk": answers, "credential": failed(refused.detail, cure)}
    if refused.reason is Reason.DESK_RATE_LIMITED:
        return {"desk": answers, "credential": unknown(refused.detail, "try again in some minutes")}
    cure = "see that the desk runs, its address is right and reachable from here, and its certificate is valid"
    return {"desk": failed(refused.detail, cure), "credential": unknown("not asked", "first the desk must answer")}


async def request_of(at_work: Acting, tenant: TenantSettings, ticket_id: str) -> dict[str, Any] | Refused:
    """A request as the desk has it."""
    async with desk(at_work, tenant) as (client, account):
        result = await client.read(account, Operation("GET", f"/requests/{ticket_id}"))
    if isinstance(result, Refused):
        return result
    request = result.fields.get("request")
    return request if isinstance(request, dict) else Refused(Reason.DESK_UNAVAILABLE, "the answer holds no request")
