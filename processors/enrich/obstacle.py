"""Is a ticket's event to be answered, and now? Edits are gathered, and what was answered or overtaken is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.runtime.stream.outcomes import Hold, Scope
from processors.enrich.ports import Enhancements, TakenIn, TicketState
from schemas.events import TicketKind, TicketReceived
from schemas.reasons import Reason

NEVER_DELAYED = frozenset({TicketKind.RECONCILED, TicketKind.REPLAYED})
"""They are late already."""


@dataclass(frozen=True, slots=True)
class Restraint:
    """How often one ticket is answered: for how long later edits wait for further ones, and how many notes it gets within 24
    hours. The windows' beginnings are kept with the tickets, so that they outlive a worker and take no memory of it."""

    gather_edits: timedelta = timedelta(seconds=10)
    notes_a_day: int = 3

    def waits(self, event: TicketReceived, state: TicketState, now: datetime) -> float:
        """Seconds until this edit's window ends, 0 if it needn't wait. The first that is known of a ticket never does.

        A window lasts from the first edit in it, so nobody waits longer, however many follow; and an event that is older than a
        window, as after a backlog, doesn't wait. Longer than a window means that two machines' clocks disagree: no waiting."""
        if event.kind in NEVER_DELAYED or state.edits_since is None:
            return 0.0
        left = (min(state.edits_since, event.received_at) + self.gather_edits - now).total_seconds()
        return left if 0 < left <= self.gather_edits.total_seconds() else 0.0


async def obstacle(
    event: TicketReceived,
    taken: TakenIn,
    *,
    enhancements: Enhancements,
    restraint: Restraint,
    now: datetime,
) -> Reason | Hold | None:
    """Why the event is not to be answered, or not yet. The ticket is kept either way: every ticket is history for the next.

    None begins the answer. While an edit waits, later events of its ticket are looked at: the ticket's newest content is known
    when the window ends, and what was overtaken in it is dropped then."""
    if event.closes:
        return Reason.NOT_FOR_ENHANCEMENT
    if taken.begun is not None:
        return _answered(event, begun=taken.begun, limited=taken.limited)
    if taken.state is None:
        raise ValueError("only an event that is fresh can be answered")
    if reason := await _overtaken(event, taken.state, enhancements):
        return reason
    if seconds := restraint.waits(event, taken.state, now):
        if await enhancements.anothers(event) and not event.again:
            return Reason.UNCHANGED  # most often our own note's webhook
        return Hold(Reason.GATHERING, seconds, Scope.EVENT, "further edits of the ticket are waited for")
    begun = await enhancements.begin(event)
    limited = begun and not event.again and await enhancements.limited(event, restraint.notes_a_day)
    return _answered(event, begun=begun, limited=limited)


async def _overtaken(event: TicketReceived, state: TicketState, enhancements: Enhancements) -> Reason | None:
    """By what the ticket says now. An older event never overwrites: what is newest is another event's, which is handled."""
    where = (event.tenant_id, event.ticket_id, event.ticket.content_hash)
    if state.newest_hash != event.ticket.content_hash:
        return Reason.SUPERSEDED if await enhancements.superseded(*where) else None
    if state.closed:
        await enhancements.dropped(*where, Reason.TICKET_CLOSED.value)
        return Reason.TICKET_CLOSED
    return None


def _answered(event: TicketReceived, *, begun: bool, limited: bool) -> Reason | None:
    """An operator who asks for another note (`again`) gets it, whatever was written on the ticket before."""
    if event.again:
        return None
    if not begun:
        return Reason.UNCHANGED  # our own note raises a webhook too
    return Reason.NOTE_LIMIT if limited else None
