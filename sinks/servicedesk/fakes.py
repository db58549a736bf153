"""Desks in memory. They keep the contracts of NoteSink, TicketReader and TicketListing, and misbehave on demand as desks do."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.reasons import Reason
from schemas.times import to_milliseconds
from sinks.servicedesk.listing import PAGE_ROWS, Cursor, ListedTicket, Page
from sinks.servicedesk.types import Gone, Note, NotFound, Posted, Refused, TicketRef, TicketView, Unknown

Trouble = Refused | Unknown


@dataclass(slots=True)
class FakeTicket:
    status: str = "Open"
    notes: dict[str, Note] = field(default_factory=dict)


class FakeDesk:
    """NoteSink and TicketReader. `troubles` meets the next reading calls, `note_troubles` the next writes, one each; None lets a
    call pass. A Refused is returned as it stands; an Unknown breaks a write (after it was done, if `writes_before_trouble`) and
    reads as an unavailable desk."""

    def __init__(self) -> None:
        self.tickets: dict[TicketRef, FakeTicket] = {}
        self.written: list[tuple[TicketRef, Note]] = []
        self.troubles: deque[Trouble | None] = deque()
        self.note_troubles: deque[Trouble] = deque()
        self.writes_before_trouble = False
        self.looked = 0

    def add(self, ticket: TicketRef, status: str = "Open") -> None:
        self.tickets[ticket] = FakeTicket(status)

    def delete(self, ticket: TicketRef) -> None:
        self.tickets.pop(ticket, None)

    async def get(self, ticket: TicketRef) -> TicketView | Gone | Refused:
        if trouble := self._trouble():
            return trouble
        known = self.tickets.get(ticket)
        if known is None:
            return Gone()
        return TicketView(ticket.ticket_id, known.status, closed=known.status.lower() in ("closed", "resolved"))

    async def find(self, ticket: TicketRef, marker: str) -> Posted | NotFound | Refused:
        if trouble := self._trouble():
            return trouble
        self.looked += 1
        known = self.tickets.get(ticket)
        if known is None:
            return Refused(Reason.TICKET_DELETED, "no such ticket")
        for note_id, note in known.notes.items():
            if marker in note.html:
                return Posted(note_id, found=True)
        return NotFound()

    async def post(self, ticket: TicketRef, note: Note, *, first_try: bool = False) -> Posted | Refused | Unknown:
        if not first_try:
            found = await self.find(ticket, note.marker)
            if not isinstance(found, NotFound):
                return found
        trouble = self.note_troubles.popleft() if self.note_troubles else None
        if isinstance(trouble, Refused):
            return trouble
        if ticket not in self.tickets:
            return Refused(Reason.TICKET_DELETED, "no such ticket")
        if isinstance(trouble, Unknown) and not self.writes_before_trouble:
            return trouble
        posted = self._write(ticket, note)
        return trouble or posted

    def _write(self, ticket: TicketRef, note: Note) -> Posted:
        self.written.append((ticket, note))
        note_id = str(len(self.written))
        self.tickets[ticket].notes[note_id] = note
        return Posted(note_id)

    def _trouble(self) -> Refused | None:
        trouble = self.troubles.popleft() if self.troubles else None
        return Refused(Reason.DESK_UNAVAILABLE, trouble.detail) if isinstance(trouble, Unknown) else trouble


class FakeListing:
    """TicketListing. `troubles` meets the next calls, one each; None lets a call pass."""

    def __init__(self) -> None:
        self.requests: dict[TicketRef, dict[str, Any]] = {}
        self.troubles: deque[Refused | None] = deque()
        self.calls = 0
        self._created: dict[TicketRef, datetime] = {}

    def add(self, ticket: TicketRef, created_at: datetime, **fields: Any) -> None:
        """Fields as the desk's API has them."""
        self._created[ticket] = created_at
        created = {"value": str(to_milliseconds(created_at))}
        self.requests[ticket] = {"id": ticket.ticket_id, "subject": "Printer", "created_time": created} | fields

    def delete(self, ticket: TicketRef) -> None:
        self.requests.pop(ticket, None)

    async def page(self, tenant_id: str, cursor: Cursor) -> Page | Refused:
        if trouble := self._trouble():
            return trouble
        fitting = [t for t in self.requests if t.tenant_id == tenant_id and self._created[t] >= cursor.since]
        fitting.sort(key=lambda ticket: self._created[ticket])
        shown = fitting[cursor.skip : cursor.skip + PAGE_ROWS]
        following: Cursor | None = None
        if len(fitting) > cursor.skip + PAGE_ROWS:
            newest = self._created[shown[-1]]
            following = Cursor(newest) if newest > cursor.since else Cursor(cursor.since, cursor.skip + PAGE_ROWS)
        return Page(tuple(self._row(ticket) for ticket in shown), following)

    async def request(self, ticket: TicketRef) -> Mapping[str, Any] | Gone | Refused:
        return self._trouble() or self.requests.get(ticket) or Gone()

    def _row(self, ticket: TicketRef) -> ListedTicket:
        status = str(self.requests[ticket].get("status", "Open"))
        return ListedTicket(ticket.ticket_id, self._created[ticket], closed=status.lower() in ("closed", "resolved"))

    def _trouble(self) -> Refused | None:
        self.calls += 1
        return self.troubles.popleft() if self.troubles else None
