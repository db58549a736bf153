"""One call to a tenant's desk: its URL, our key, the exchange and what the answer means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.telemetry.isolation import Kind, violation
from schemas.reasons import Reason
from sinks.servicedesk.answers import Success, read_answer
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.metrics import operation_of
from sinks.servicedesk.transport import Answered, HttpCall, Transport
from sinks.servicedesk.types import DeskAccount, DeskAccounts, DeskForm, Refused, Unknown

ACCEPT = "application/vnd.manageengine.sdp.v3+json"


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` is behind `/api/v3`; `data` becomes `input_data`, in the query of a GET and form-encoded in a write."""

    method: Literal["GET", "POST"]
    path: str
    data: Mapping[str, Any] | None = None


class DeskClient:
    """Calls the desks of all tenants. An access token that the desk refuses is renewed once; nothing else is tried again here."""

    def __init__(
        self,
        transport: Transport,
        accounts: DeskAccounts,
        *,
        authentication: Authentication | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._transport = transport
        self._accounts = accounts
        self._authentication = authentication or Authentication(transport)
        self._clock = clock or SystemClock()

    async def account(self, tenant_id: str) -> DeskAccount | Refused:
        """The tenant's desk; Refused names what is missing."""
        account = await self._accounts.of(tenant_id)
        if account is None:
            cure = f"Add one with: ticketstream tenant replace-credential {tenant_id}"
            return Refused(Reason.DESK_CREDENTIAL_REFUSED, f"there is no credential that can be read. {cure}")
        if account.tenant_id != tenant_id:
            violation(Kind.NOTE_TENANT, tenant_id, other=account.tenant_id, what="the desk is another tenant's")
            return Refused(Reason.TENANT_MISMATCH, "the desk's account is another tenant's: nothing was sent")
        return account

    async def read(self, account: DeskAccount, operation: Operation) -> Success | Refused:
        """A call that changes nothing: an answer that nobody can understand is only an unavailable desk."""
        result = await self.write(account, operation)
        return Refused(Reason.DESK_UNAVAILABLE, result.detail) if isinstance(result, Unknown) else result

    async def write(self, account: DeskAccount, operation: Operation) -> Success | Refused | Unknown:
        """A call after which it matters whether the desk acted."""
        headers = await self._authentication.headers(account)
        if isinstance(headers, Refused):
            return headers
        result = await self._once(account, operation, headers)
        if not _key_refused(result):
            return result
        renewed = await self._authentication.headers(account, instead_of=headers)
        if isinstance(renewed, Refused):
            # On premises the desk's own words say more than that there is no newer key.
            return renewed if account.form is DeskForm.CLOUD else result
        return await self._once(account, operation, renewed)

    async def _once(
        self, account: DeskAccount, operation: Operation, headers: Mapping[str, str]
    ) -> Success | Refused | Unknown:
        data = {} if operation.data is None else {"input_data": orjson.dumps(operation.data).decode()}
        writes = operation.method != "GET"
        call = HttpCall(
            operation.method,
            account.base_url,
            f"/api/v3{operation.path}",
            {"Accept": ACCEPT, **headers},
            query={} if writes else data,
            form=data if writes else None,
            ca=account.ca,
            secrets=tuple(value.rpartition(" ")[2] for value in headers.values()),
            tenant_id=account.tenant_id,
            operation=operation_of(operation.method, operation.path),
        )
        answer = await self._transport.exchange(call)
        return read_answer(answer, now=self._clock.now()) if isinstance(answer, Answered) else answer


def _key_refused(result: Success | Refused | Unknown) -> bool:
    return isinstance(result, Refused) and result.reason is Reason.DESK_CREDENTIAL_REFUSED and not result.ticket_only
