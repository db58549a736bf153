"""The event that a replay publishes in place of the original: the same content under an id of its own."""

from __future__ import annotations

from dataclasses import replace

from schemas import ids
from schemas.events import EnhancementSynthesized, Event, FeedbackSubmitted, TicketEnriched, TicketKind, TicketReceived


def renewed(event: Event, run_id: str, *, again: bool | None = None) -> Event:
    """What `run_id` publishes for `event`: the same however often it is asked, so that a repetition is known as a copy. With
    `again` None the event's own word stays whether a second note may come. Raises TypeError for events that no stage consumes.

    A technician's answer keeps its id, since that is what makes it count once: a stage that had it emits the same aggregate again.
    A ticket that arrived closed keeps its kind, which says that it is history only; one that was only announced keeps it too,
    since its content is still to be asked for."""
    if isinstance(event, FeedbackSubmitted):
        return event
    event_id = ids.of_replayed(event.event_id, run_id)
    if isinstance(event, TicketReceived):
        kind = event.kind if event.kind in (TicketKind.CLOSED, TicketKind.ANNOUNCED) else TicketKind.REPLAYED
        wanted = event.again if again is None else again
        return replace(event, event_id=event_id, kind=kind, replay_of=event.event_id, again=wanted)
    if isinstance(event, TicketEnriched | EnhancementSynthesized):
        return replace(event, event_id=event_id, again=event.again if again is None else again)
    raise TypeError(f"no stage consumes a {type(event).__name__}")


def content_of(event: Event) -> tuple[str, str] | None:
    """Ticket id and hash of the content that the event is to be answered for; None where it asks for no answer."""
    if isinstance(event, TicketReceived):
        return None if event.closes else (event.ticket_id, event.ticket.content_hash)
    if isinstance(event, TicketEnriched):
        return event.ticket_id, event.ticket.content_hash
    return (event.ticket_id, event.content_hash) if isinstance(event, EnhancementSynthesized) else None
