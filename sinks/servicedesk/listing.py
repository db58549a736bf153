"""A desk's tickets by the time they were created, page by page, for comparing with what arrived here.

A page begins at the created time where the last one ended, not at a number of rows: a ticket that is deleted meanwhile would
otherwise let another slip through. Only within one and the same created time rows are counted.

Source: ServiceDesk Plus REST API v3, "List info" (at most 100 rows) and "Search criteria" (times in milliseconds since 1970).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from schemas.ids import is_desk_id
from schemas.reasons import Reason
from schemas.times import from_milliseconds, to_milliseconds
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.tickets import view_of
from sinks.servicedesk.types import Gone, Refused, TicketRef

PAGE_ROWS = 100
_FIELDS = ("id", "subject", "created_time", "status")
_LATEST_MS = 253_402_300_799_000
_ROUNDING = timedelta(minutes=1)
"""A desk may compare in whole minutes, which it also shows."""


@dataclass(frozen=True, slots=True)
class ListedTicket:
    """A row of a desk's list. `created_at` is by the desk's clock; `closed` also for resolved, cancelled and binned ones."""

    ticket_id: str
    created_at: datetime
    closed: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: at the `skip`-th ticket after the first of those created at `since` or later."""

    since: datetime
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """At most 100 tickets, the oldest first; the next page may hold some of them again. `next` is None at the end of the list.
    `unreadable` rows had no id or created time that makes sense."""

    tickets: tuple[ListedTicket, ...]
    next: Cursor | None
    unreadable: int = 0


class TicketListing(Protocol):
    """Reading is repeatable: every failure is `Refused`."""

    async def page(self, tenant_id: str, cursor: Cursor) -> Page | Refused:
        """One call. Following `next` from a first cursor gives every ticket created at its `since` or later that isn't deleted
        meanwhile, however many were created at the same moment."""

    async def request(self, ticket: TicketRef) -> Mapping[str, Any] | Gone | Refused:
        """The desk's whole request object, the same that its webhooks carry. One call. A list's row won't do: desks leave out the
        description there, or part of the requester."""


class ServiceDeskListing:
    """TicketListing on ServiceDesk Plus: `GET /requests` and `GET /requests/{id}`."""

    def __init__(self, client: DeskClient) -> None:
        self._client = client

    async def page(self, tenant_id: str, cursor: Cursor) -> Page | Refused:
        account = await self._client.account(tenant_id)
        if isinstance(account, Refused):
            return account
        result = await self._client.read(account, Operation("GET", "/requests", _asked(cursor)))
        if isinstance(result, Refused):
            return result
        rows, info = result.fields.get("requests"), result.fields.get("list_info")
        if not isinstance(rows, list):
            return Refused(Reason.DESK_UNAVAILABLE, "the desk's answer holds no list of requests")
        read = [_listed(row) for row in rows]
        tickets = [ticket for ticket in read if ticket is not None]
        more = bool(rows) and isinstance(info, dict) and info.get("has_more_rows") is True
        if wrong := _not_as_asked(tickets, cursor):
            return Refused(Reason.DESK_UNAVAILABLE, wrong)
        following = _next(cursor, tickets, len(rows)) if more else None
        return Page(tuple(tickets), following, unreadable=len(read) - len(tickets))

    async def request(self, ticket: TicketRef) -> Mapping[str, Any] | Gone | Refused:
        account = await self._client.account(ticket.tenant_id)
        if isinstance(account, Refused):
            return account
        result = await self._client.read(account, Operation("GET", f"/requests/{ticket.ticket_id}"))
        if isinstance(result, Refused):
            return Gone() if result.reason is Reason.TICKET_DELETED else result
        request = result.fields.get("request")
        if not isinstance(request, dict):
            return Refused(Reason.DESK_UNAVAILABLE, "the desk's answer holds no request")
        return Gone() if isinstance(view_of(ticket.ticket_id, request), Gone) else request


def _asked(cursor: Cursor) -> Mapping[str, Any]:
    since = str(to_milliseconds(cursor.since))
    return {
        "list_info": {
            "row_count": PAGE_ROWS,
            "start_index": cursor.skip + 1,
            "sort_field": "created_time",
            "sort_order": "asc",
            "search_criteria": [{"field": "created_time", "condition": "greater or equal", "value": since}],
        },
        "fields_required": list(_FIELDS),
    }


def _next(cursor: Cursor, tickets: list[ListedTicket], rows: int) -> Cursor:
    """Where the last ticket was created at the cursor's own time, the page held nothing else (or rows that can't be read)."""
    newest = tickets[-1].created_at if tickets else cursor.since
    return Cursor(newest) if newest > cursor.since else Cursor(cursor.since, cursor.skip + rows)


def _not_as_asked(tickets: list[ListedTicket], cursor: Cursor) -> str | None:
    """Going on from the last row of such a list would leave tickets out, or bring in what was there before us."""
    times = [ticket.created_at for ticket in tickets]
    if times != sorted(times):
        return "the desk's list isn't sorted by created_time as asked"
    if times and times[0] < cursor.since - _ROUNDING:
        return (
            "the desk's list holds tickets from before the time asked for: it ignores search_criteria on created_time"
        )
    return None


def _listed(row: Any) -> ListedTicket | None:
    if not isinstance(row, dict):
        return None
    ticket_id, created_at = row.get("id"), _time(row.get("created_time"))
    ticket_id = str(ticket_id) if isinstance(ticket_id, int) and not isinstance(ticket_id, bool) else ticket_id
    if not isinstance(ticket_id, str) or not is_desk_id(ticket_id) or created_at is None:
        return None
    view = view_of(ticket_id, row)
    return ListedTicket(ticket_id, created_at, closed=isinstance(view, Gone) or view.closed)


def _time(value: Any) -> datetime | None:
    """`{"value": "<milliseconds since 1970>"}`."""
    text = str(value.get("value")) if isinstance(value, dict) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 15) or int(text) > _LATEST_MS:
        return None
    return from_milliseconds(int(text))
