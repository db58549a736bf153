"""The ticket and its note as the tenant's desk has them now. Reads only; of a note only whether it is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from infra.ops.investigate.facts import AtDesk, DeskView
from infra.runtime.keys.rings import KeyRing
from infra.runtime.postgres.pool import Pool
from schemas.ids import is_desk_id
from schemas.reasons import Reason
from sinks.postgres.credentials import DeskAccess, DeskCredentials
from sinks.postgres.desk_access_tokens import StoredAccessTokens
from sinks.postgres.tenant_settings import TenantSettings
from sinks.servicedesk import desk_values
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.notes import ServiceDeskNotes
from sinks.servicedesk.tickets import view_of
from sinks.servicedesk.transport import Times, Transport
from sinks.servicedesk.types import DeskAccount, DeskForm, Gone, Posted, Refused, TicketRef

TIMES = Times(connect=1.0, total=1.5)
LOOK_SECONDS = 1.5


class Desk(Protocol):
    """A tenant's desk, for looking."""

    async def ticket(self, tenant: TenantSettings, ticket_id: str) -> DeskView | Refused:
        """Refused says why the desk doesn't tell; a ticket that isn't there is a view."""

    async def has_note(self, tenant: TenantSettings, ticket_id: str, note_id: str) -> bool | Refused: ...

    async def has_marked_note(self, tenant: TenantSettings, ticket_id: str, marker: str) -> bool | Refused:
        """For a note that may have been written, whose id nobody knows."""


class ServiceDesk:
    """On ServiceDesk Plus, with the tenant's own credential, in little time. Raises PostgresUnavailable, NoCredential,
    KeyRingError: see `why_unasked`."""

    def __init__(self, pool: Pool, ring: KeyRing, transport: Transport) -> None:
        self._pool, self._ring, self._transport = pool, ring, transport
        self._known: dict[str, DeskAccess] = {}

    async def ticket(self, tenant: TenantSettings, ticket_id: str) -> DeskView | Refused:
        if not is_desk_id(ticket_id):
            return DeskView(AtDesk.GONE)
        client, account = await self._client(tenant)
        result = await client.read(account, Operation("GET", f"/requests/{ticket_id}"))
        if isinstance(result, Refused):
            return DeskView(AtDesk.GONE) if result.reason is Reason.TICKET_DELETED else result
        request = result.fields.get("request")
        if not isinstance(request, dict):
            return Refused(Reason.DESK_UNAVAILABLE, "the desk's answer holds no request")
        return _view(ticket_id, request)

    async def has_note(self, tenant: TenantSettings, ticket_id: str, note_id: str) -> bool | Refused:
        client, account = await self._client(tenant)
        result = await client.read(account, Operation("GET", f"/requests/{ticket_id}/notes/{note_id}"))
        if isinstance(result, Refused):
            return False if result.reason is Reason.TICKET_DELETED else result
        return True

    async def has_marked_note(self, tenant: TenantSettings, ticket_id: str, marker: str) -> bool | Refused:
        client, _ = await self._client(tenant)
        notes = ServiceDeskNotes(client, look_seconds=LOOK_SECONDS)
        found = await notes.find(TicketRef(tenant.tenant_id, ticket_id), marker)
        return found if isinstance(found, Refused) else isinstance(found, Posted)

    async def _client(self, tenant: TenantSettings) -> tuple[DeskClient, DeskAccount]:
        if tenant.tenant_id not in self._known:
            self._known[tenant.tenant_id] = await DeskCredentials(self._pool, self._ring).get(tenant.tenant_id)
        access, form = self._known[tenant.tenant_id], DeskForm(tenant.servicedesk_form)
        account = DeskAccount(tenant.tenant_id, tenant.servicedesk_base_url, form, access.credential, access.ca)
        tokens = StoredAccessTokens(self._pool, self._ring)
        authentication = Authentication(self._transport, tokens=tokens)
        return DeskClient(self._transport, _One(account), authentication=authentication), account


class _One:
    """The one account there is."""

    def __init__(self, account: DeskAccount) -> None:
        self._account = account

    async def of(self, tenant_id: str) -> DeskAccount | None:
        return self._account if tenant_id == self._account.tenant_id else None


@asynccontextmanager
async def service_desk(pool: Pool, ring: KeyRing, *, local: bool) -> AsyncIterator[ServiceDesk]:
    """`local`: loopback desks may be asked, as on the local stack."""
    async with Transport(AddressPolicy(local=local), times=TIMES) as transport:
        yield ServiceDesk(pool, ring, transport)


def _view(ticket_id: str, request: dict[str, Any]) -> DeskView:
    view = view_of(ticket_id, request)
    if isinstance(view, Gone):
        return DeskView(AtDesk.GONE, "in the bin")
    subject = str(request.get("subject") or "")
    return DeskView(
        AtDesk.CLOSED if view.closed else AtDesk.OPEN, view.status, subject, desk_values.time(request, "created_time")
    )
