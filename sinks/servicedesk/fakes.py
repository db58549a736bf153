"""A desk in memory. It keeps the contract of NoteSink and TicketReader, and misbehaves on demand as desks do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from schemas.reasons import Reason
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
