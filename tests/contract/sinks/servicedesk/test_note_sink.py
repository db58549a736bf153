"""What every NoteSink and TicketReader keeps: the fake, and the real client on every kind of desk."""

from __future__ import annotations

import pytest

from schemas.reasons import Reason
from sinks.servicedesk.types import Gone, Note, NotFound, Posted, Refused, TicketRef, TicketView, Unknown
from tests.contract.sinks.servicedesk.conftest import Driven

MARKER = "0123456789abcdef01234567"
NOTE = Note(f"<p>Restart the spooler</p><p><small>ticketstream:{MARKER}</small></p>", MARKER)
OTHER = Note("<p>Other</p><small>ticketstream:ffffffffffffffffffffffff</small>", "f" * 24)


async def test_a_posted_note_is_on_the_ticket_and_found_by_its_marker(desk: Driven) -> None:
    ticket = desk.ticket()
    posted = await desk.notes.post(ticket, NOTE, first_try=True)
    assert isinstance(posted, Posted)
    assert not posted.found
    assert desk.written(ticket) == [NOTE.html]
    assert await desk.notes.find(ticket, MARKER) == Posted(posted.note_id, found=True)


async def test_posting_the_same_marker_twice_leaves_one_note(desk: Driven) -> None:
    ticket = desk.ticket()
    await desk.notes.post(ticket, OTHER, first_try=True)
    first = await desk.notes.post(ticket, NOTE)
    again = await desk.notes.post(ticket, NOTE)
    assert isinstance(first, Posted)
    assert again == Posted(first.note_id, found=True)
    assert desk.written(ticket) == [OTHER.html, NOTE.html]


async def test_a_note_on_another_ticket_is_not_taken_for_this_one(desk: Driven) -> None:
    one, two = desk.ticket(), desk.ticket()
    await desk.notes.post(one, NOTE)
    assert await desk.notes.find(two, MARKER) == NotFound()
    assert isinstance(await desk.notes.post(two, NOTE), Posted)
    assert desk.written(two) == [NOTE.html]


async def test_a_rate_limit_refuses_with_the_desks_wish_and_writes_nothing(desk: Driven) -> None:
    ticket = desk.ticket()
    desk.next_post("rate_limited")
    refused = await desk.notes.post(ticket, NOTE, first_try=True)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.retry_after) == (Reason.DESK_RATE_LIMITED, 7.0)
    assert desk.written(ticket) == []


@pytest.mark.parametrize(("trouble", "notes"), [("breaks before writing", 0), ("breaks after writing", 1)])
async def test_after_an_unknown_end_a_second_try_leaves_one_note(desk: Driven, trouble: str, notes: int) -> None:
    ticket = desk.ticket()
    desk.next_post(trouble)  # type: ignore[arg-type]
    assert isinstance(await desk.notes.post(ticket, NOTE, first_try=True), Unknown)
    assert len(desk.written(ticket)) == notes
    again = await desk.notes.post(ticket, NOTE)
    assert isinstance(again, Posted)
    assert again.found == bool(notes)
    assert desk.written(ticket) == [NOTE.html]


async def test_nothing_is_written_while_the_notes_cannot_be_looked_through(desk: Driven) -> None:
    ticket = desk.ticket()
    desk.next_read("breaks before writing")
    refused = await desk.notes.post(ticket, NOTE)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_UNAVAILABLE
    assert desk.written(ticket) == []


async def test_a_deleted_ticket_takes_no_note(desk: Driven) -> None:
    ticket = desk.ticket()
    desk.delete(ticket)
    for first_try in (True, False):
        refused = await desk.notes.post(ticket, NOTE, first_try=first_try)
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.TICKET_DELETED
    found = await desk.notes.find(ticket, MARKER)
    assert isinstance(found, Refused)
    assert found.reason is Reason.TICKET_DELETED


async def test_a_ticket_is_read_as_it_is_now(desk: Driven) -> None:
    ticket = desk.ticket()
    assert await desk.tickets.get(ticket) == TicketView(ticket.ticket_id, "Open", closed=False)
    for status in ("Closed", "Resolved"):
        desk.set_status(ticket, status)
        assert await desk.tickets.get(ticket) == TicketView(ticket.ticket_id, status, closed=True)
    desk.delete(ticket)
    assert await desk.tickets.get(ticket) == Gone()


async def test_a_ticket_that_never_was_is_gone(desk: Driven) -> None:
    assert await desk.tickets.get(TicketRef("acme", "987654")) == Gone()


async def test_reading_never_ends_unknown(desk: Driven) -> None:
    ticket = desk.ticket()
    desk.next_read("breaks before writing")
    refused = await desk.tickets.get(ticket)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_UNAVAILABLE


async def test_reading_above_the_rate_says_how_long_to_wait(desk: Driven) -> None:
    ticket = desk.ticket()
    desk.next_read("rate_limited")
    refused = await desk.tickets.get(ticket)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.retry_after) == (Reason.DESK_RATE_LIMITED, 7.0)
