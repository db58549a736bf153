"""Reading a ticket just before a note is written: it may be closed or deleted by now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.ids import is_desk_id
from schemas.reasons import Reason
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.types import DeskAccount, Gone, Refused, TicketRef, TicketView

CLOSED_STATUSES = frozenset({"closed", "resolved", "cancelled", "canceled"})


class ServiceDeskTickets:
    """TicketReader on ServiceDesk Plus: `GET /requests/{id}`."""

    def __init__(self, client: DeskClient) -> None:
        self._client = client

    async def get(self, ticket: TicketRef) -> TicketView | Gone | Refused:
        if not is_desk_id(ticket.ticket_id):
            return Refused(Reason.DESK_REFUSED, "the ticket id is not [A-Za-z0-9._-]{1,64}")
        account = await self._client.account(ticket.tenant_id)
        if isinstance(account, Refused):
            return account
        result = await self._client.read(account, Operation("GET", f"/requests/{ticket.ticket_id}"))
        if isinstance(result, Refused):
            return Gone() if result.reason is Reason.TICKET_DELETED else result
        request = result.fields.get("request")
        if not isinstance(request, dict):
            return Refused(Reason.DESK_UNAVAILABLE, "the desk's answer holds no request")
        return view_of(ticket.ticket_id, request)


async def check_access(client: DeskClient, account: DeskAccount) -> Refused | None:
    """Whether a desk takes this account, asked by listing one request: None if so, else why not. Takes no stored credential."""
    result = await client.read(
        account, Operation("GET", "/requests", {"list_info": {"row_count": 1, "start_index": 1}})
    )
    return result if isinstance(result, Refused) else None


def view_of(ticket_id: str, request: Mapping[str, Any]) -> TicketView | Gone:
    """What a desk's request object says of the ticket's state."""
    return Gone() if _in_bin(request) else _view(ticket_id, request)


def _in_bin(request: Mapping[str, Any]) -> bool:
    return request.get("is_trashed") is True or bool(request.get("deleted_time"))


def _view(ticket_id: str, request: Mapping[str, Any]) -> TicketView:
    """The status is an object with a name, which a desk may translate, and on premises an internal one, which it doesn't."""
    status = request.get("status")
    fields: Mapping[str, Any] = status if isinstance(status, dict) else {"name": status}
    names = {str(fields.get(name) or "").strip().casefold() for name in ("name", "internal_name")}
    ended = fields.get("in_progress") is False and bool(request.get("completed_time"))
    return TicketView(ticket_id, str(fields.get("name") or "")[:100], closed=bool(names & CLOSED_STATUSES) or ended)
