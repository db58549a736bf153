"""Notes on a ticket, each at most once. The desk has no idempotency key, so a note carries a visible marker (an HTML comment
would be lost in the desk's cleaner), and the ticket's notes are searched for it before a second try.

Source: ServiceDesk Plus REST API v3, "Request notes": `note` on premises, `request_note` in the cloud; lists may leave out the
description, and then each note is read by itself.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Mapping
from typing import Any

from schemas.ids import is_desk_id
from schemas.reasons import Reason
from sinks.servicedesk.answers import Success
from sinks.servicedesk.client import DeskClient, Operation
from sinks.servicedesk.types import DeskAccount, DeskForm, Note, NotFound, Posted, Refused, TicketRef, Unknown

PAGE_ROWS = 100
MAX_PAGES = 20
MAX_NOTES_READ = 200
"""Of notes that a list gives without their text so many of the newest are read: ours is never older than a hold may last."""
LOOK_SECONDS = 60.0
_FLAGS = {"show_to_requester": False, "mark_first_response": False, "add_to_linked_requests": False}

_Rows = list[Mapping[str, Any]]


class ServiceDeskNotes:
    """NoteSink on ServiceDesk Plus. A search reads at most 2,000 notes in 60 s; where that isn't enough nothing is written."""

    def __init__(self, client: DeskClient, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._client = client
        self._look_seconds = look_seconds

    async def post(self, ticket: TicketRef, note: Note, *, first_try: bool = False) -> Posted | Refused | Unknown:
        account = await self._account(ticket)
        if isinstance(account, Refused):
            return account
        if not first_try:
            found = await self._look(account, ticket.ticket_id, note.marker)
            if not isinstance(found, NotFound):
                return found
        key = _note_key(account)
        flags = _FLAGS | ({"notify_technician": False} if account.form is DeskForm.CLOUD else {})
        data = {key: {"description": note.html, **flags}}
        result = await self._client.write(account, Operation("POST", _path(ticket.ticket_id), data))
        if not isinstance(result, Success):
            return result
        written = result.fields.get(key)
        note_id = _note_id(written) if isinstance(written, dict) else None
        return Posted(note_id) if note_id else Unknown("the desk reports success but no id of the note")

    async def find(self, ticket: TicketRef, marker: str) -> Posted | NotFound | Refused:
        account = await self._account(ticket)
        return account if isinstance(account, Refused) else await self._look(account, ticket.ticket_id, marker)

    async def _account(self, ticket: TicketRef) -> DeskAccount | Refused:
        if not is_desk_id(ticket.ticket_id):
            return Refused(Reason.DESK_REFUSED, "the ticket id is not [A-Za-z0-9._-]{1,64}")
        return await self._client.account(ticket.tenant_id)

    async def _look(self, account: DeskAccount, ticket_id: str, marker: str) -> Posted | NotFound | Refused:
        try:
            async with asyncio.timeout(self._look_seconds):
                return await self._search(account, ticket_id, marker)
        except TimeoutError:
            return Refused(
                Reason.DESK_UNAVAILABLE, f"looking through the notes took more than {self._look_seconds:.0f} s"
            )

    async def _search(self, account: DeskAccount, ticket_id: str, marker: str) -> Posted | NotFound | Refused:
        rows = await self._list(account, ticket_id)
        if isinstance(rows, Refused):
            return rows
        without_text: list[str] = []
        for row in rows:
            note_id = _note_id(row)
            if note_id is None:
                return Refused(Reason.DESK_UNAVAILABLE, "the desk lists a note without a usable id")
            if not isinstance(row.get("description"), str):
                without_text.append(note_id)
            elif _holds(row, marker):
                return Posted(note_id, found=True)
        for note_id in sorted(without_text, key=_newest_first)[:MAX_NOTES_READ]:
            note = await self._note(account, ticket_id, note_id)
            if isinstance(note, Refused):
                return note
            if _holds(note, marker):
                return Posted(note_id, found=True)
        return NotFound()

    async def _list(self, account: DeskAccount, ticket_id: str) -> _Rows | Refused:
        """All notes, with their text where the desk gives it in a list."""
        rows: _Rows = []
        for page in range(MAX_PAGES):
            info = {"start_index": page * PAGE_ROWS + 1, "row_count": PAGE_ROWS}
            data = {"list_info": info, "fields_required": ["id", "description"]}
            result = await self._client.read(account, Operation("GET", _path(ticket_id), data))
            if isinstance(result, Refused):
                return result
            found = result.fields.get(_note_key(account) + "s")
            if not isinstance(found, list):
                return Refused(Reason.DESK_UNAVAILABLE, "the desk's answer holds no list of notes")
            rows += [row for row in found if isinstance(row, dict)]
            shown = result.fields.get("list_info")
            if not found or not (isinstance(shown, dict) and shown.get("has_more_rows") is True):
                return rows
        return Refused(
            Reason.DESK_REFUSED, f"the ticket has more than {MAX_PAGES * PAGE_ROWS} notes: ours can't be told"
        )

    async def _note(self, account: DeskAccount, ticket_id: str, note_id: str) -> Mapping[str, Any] | Refused:
        result = await self._client.read(account, Operation("GET", f"{_path(ticket_id)}/{note_id}"))
        if isinstance(result, Refused):
            # A note that was deleted between list and read is not ours to worry about.
            return {} if result.reason is Reason.TICKET_DELETED else result
        note = result.fields.get(_note_key(account))
        if not isinstance(note, dict) or not isinstance(note.get("description", ""), str | None):
            return Refused(Reason.DESK_UNAVAILABLE, "the desk's answer holds no note")
        return note


def _path(ticket_id: str) -> str:
    return f"/requests/{ticket_id}/notes"


def _note_key(account: DeskAccount) -> str:
    return "request_note" if account.form is DeskForm.CLOUD else "note"


def _note_id(note: Mapping[str, Any]) -> str | None:
    value = note.get("id")
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if is_desk_id(text) else None


def _holds(note: Mapping[str, Any], marker: str) -> bool:
    return marker in html.unescape(str(note.get("description") or ""))


def _newest_first(note_id: str) -> tuple[int, int]:
    """Ids that are numbers grow with time; others come first, since nothing is known of them."""
    return (1, -int(note_id)) if note_id.isascii() and note_id.isdigit() else (0, 0)
