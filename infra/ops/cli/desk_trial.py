"""Trying a tenant's desk, by a harmless read, from where the operator is: whether it answers, and whether it takes a credential."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from infra.ops.cli.acting import Acting
from infra.ops.cli.database import ring
from infra.ops.cli.failure import WrongUse
from infra.ops.cli.surroundings import Surroundings
from schemas.reasons import Reason
from sinks.postgres.credentials import DeskAccess
from sinks.postgres.desk_access_tokens import StoredAccessTokens
from sinks.postgres.tenant_settings import TenantSettings
from sinks.servicedesk.addresses import AddressPolicy, BadDeskUrl
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.client import DeskClient
from sinks.servicedesk.tickets import check_access
from sinks.servicedesk.transport import Times, Transport
from sinks.servicedesk.types import DeskAccount, DeskForm

TIMES = Times(connect=5.0, total=15.0)


class Verdict(StrEnum):
    GOOD = "good"
    REFUSED = "refused"
    UNTRIED = "untried"


@dataclass(frozen=True, slots=True)
class Trial:
    """`detail` is the desk's answer, or why there was none; never a secret."""

    verdict: Verdict
    detail: str = ""


def address_policy(around: Surroundings) -> AddressPolicy:
    """http and addresses of our own network only on the local stack, as its processes have it."""
    return AddressPolicy(local=around.variables.get("TICKETSTREAM_LOCAL") == "1")


def checked_url(around: Surroundings, url: str) -> str:
    """A desk's URL that processes will speak to. Raises WrongUse. Where its name leads is seen when it is connected to."""
    try:
        return address_policy(around).check_url(url)
    except BadDeskUrl as error:
        what, _, cure = str(error).rpartition(". ")
        raise WrongUse(
            f"servicedesk_base_url: {what or cure}", cure if what else "give the desk's https address"
        ) from None


async def try_desk(at_work: Acting, tenant: TenantSettings, access: DeskAccess) -> Trial:
    """Lists one ticket at the tenant's desk as it is set now. Access tokens of the cloud are those that all processes share."""
    async with _client(at_work) as client:
        account = DeskAccount(
            tenant.tenant_id,
            tenant.servicedesk_base_url,
            DeskForm(tenant.servicedesk_form),
            access.credential,
            access.ca,
        )
        refused = await check_access(client, account)
    if refused is None:
        return Trial(Verdict.GOOD)
    verdict = Verdict.REFUSED if refused.reason is Reason.DESK_CREDENTIAL_REFUSED else Verdict.UNTRIED
    return Trial(verdict, refused.detail)


@asynccontextmanager
async def _client(at_work: Acting) -> AsyncIterator[DeskClient]:
    async with Transport(address_policy(at_work.around), times=TIMES) as transport:
        tokens = StoredAccessTokens(at_work.pool, ring(at_work.around, "credential_keys"))
        authentication = Authentication(transport, tokens=tokens)
        yield DeskClient(transport, _NoAccounts(), authentication=authentication)


class _NoAccounts:
    """The account is given with each call."""

    async def of(self, tenant_id: str) -> DeskAccount | None:
        return None
