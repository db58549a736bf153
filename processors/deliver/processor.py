"""The decision of deliver: post the note, say that it is there already, leave it, wait, or set the event aside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from infra.runtime.stream.outcomes import DeadLetter, Drop, Emit, Hold, Outcome, Scope
from infra.runtime.telemetry.isolation import Kind, violation
from infra.runtime.telemetry.logs import get_logger
from infra.runtime.telemetry.metrics import DROPPED, ENHANCEMENTS, SUCCESS
from processors.deliver import metrics
from processors.deliver.lease import kept
from processors.deliver.marker import note_key, shown
from processors.deliver.ports import Busy, Ending, Intent, IntentState, NoteKey, Ports, Sent
from schemas.events import EnhancementDelivered, EnhancementSynthesized
from schemas.reasons import Reason
from sinks.servicedesk.types import SETTLE_TIME, Gone, Posted, Refused, TicketRef, Unknown

log = get_logger(__name__)

BUSY_SECONDS = 5.0
RATE_LIMITED_SECONDS = 60.0
NO_LIMIT = 1_000_000
CREDENTIAL_SECONDS = 300.0
"""A key that the desk refuses is replaced by people; asking more often would only feed the desk's lock against guessing."""


@dataclass(frozen=True, slots=True)
class _Task:
    event: EnhancementSynthesized
    key: NoteKey
    intent: Intent
    owner: str
    obstacle: Reason | Refused | None

    @property
    def ticket(self) -> TicketRef:
        return _ticket(self.key)

    @property
    def uncertain(self) -> bool:
        """The desk may have the note from an earlier try."""
        return self.intent.state is IntentState.SENT

    @property
    def settles_in(self) -> float:
        """Seconds until a note that an earlier try may have sent is surely to be seen, however that try ended."""
        return 0.0 if self.intent.sent_ago is None else max(0.0, SETTLE_TIME - self.intent.sent_ago)


async def process(event: EnhancementSynthesized, *, ports: Ports) -> Outcome:
    """Emit what was posted, Drop what need not be, Hold for the desk, DeadLetter what the desk will never take.

    The intent goes before the ticket: an input whose note is on the ticket emits the same again, closed or not. The desk is asked
    first all the same: where nothing is in the way the claim can say that the note is sent now, which saves a call a note."""
    key, owner = note_key(event), str(uuid4())
    obstacle = await _obstacle_at_desk(_ticket(key), ports)
    below = _most_notes(event, ports) if obstacle is None else None
    intent = await ports.intents.claim(key, owner, event, to_send_below=below)
    if isinstance(intent, Busy):
        return Hold(Reason.NOTE_PENDING, BUSY_SECONDS, Scope.TICKET, "another worker is at work on this ticket")
    if intent.ending is not None:
        await _note_down(event, intent.ending, ports)
        return replace(_ended(event, intent.ending), repeated=intent.ending.event_id == event.event_id)
    async with kept(ports.intents, key, owner):
        return await _deliver(_Task(event, key, intent, owner, obstacle), ports)


async def _deliver(task: _Task, ports: Ports) -> Outcome:
    if task.settles_in > 0:
        return Hold(Reason.NOTE_PENDING, task.settles_in, Scope.TICKET, "an earlier try's note may be on its way")
    obstacle = task.obstacle
    if isinstance(obstacle, Refused):
        return await _refused(task, obstacle, ports)
    if task.uncertain and obstacle is not Reason.TICKET_DELETED:
        found = await ports.notes.find(task.ticket, shown(task.key.marker))
        if isinstance(found, Posted):
            return await _posted(task, found, ports)
        if isinstance(found, Refused):
            return await _refused(task, found, ports)
    obstacle = obstacle or await _limit(task, ports)
    return await (_post(task, ports) if obstacle is None else _drop(task, obstacle, ports))


async def _post(task: _Task, ports: Ports) -> Outcome:
    """Unless the ticket says something else by now: where the claim didn't note that the note is sent, `sent` asks that last, since
    looking for a note may have taken a minute. `NoteSink.post` isn't left to look: `sent` is to say when the writing began."""
    try:
        note = ports.renderer.render(task.event, task.key.marker, task.intent.earlier)
    except Exception:
        if task.intent.noted:
            await ports.intents.withdraw(task.key, task.owner)
        raise
    if note.tenant_id != task.ticket.tenant_id:
        return await _of_another_tenant(task, note.tenant_id, ports)
    sent = Sent.NOTED if task.intent.noted else await ports.intents.sent(task.key, task.owner)
    if sent is Sent.SUPERSEDED:
        return await _drop(task, Reason.SUPERSEDED, ports)
    if sent is Sent.LEASE_LOST:
        return Hold(Reason.NOTE_PENDING, BUSY_SECONDS, Scope.TICKET, "the lease on this ticket was lost")
    result = await ports.notes.post(task.ticket, note, first_try=True)
    if isinstance(result, Posted):
        return await _posted(task, result, ports)
    if isinstance(result, Unknown):
        return Hold(Reason.NOTE_UNCERTAIN, SETTLE_TIME, Scope.TICKET, result.detail)
    if not task.uncertain:
        await ports.intents.withdraw(task.key, task.owner)
    return await _refused(task, result, ports)


async def _of_another_tenant(task: _Task, tenant_id: str, ports: Ports) -> Outcome:
    """Never posted, and never tried again: whatever made this note would make it again."""
    if task.intent.noted:
        await ports.intents.withdraw(task.key, task.owner)
    violation(
        Kind.NOTE_TENANT,
        task.ticket.tenant_id,
        other=tenant_id,
        what="the note is another tenant's",
        event_id=task.event.event_id,
    )
    return DeadLetter(Reason.TENANT_MISMATCH, "the note is about another tenant's ticket: it was not posted")


async def _obstacle_at_desk(ticket: TicketRef, ports: Ports) -> Reason | Refused | None:
    """Why the ticket, as the desk has it now, needs no note any more, if so."""
    view = await ports.tickets.get(ticket)
    if isinstance(view, Refused):
        return view
    if isinstance(view, Gone):
        return Reason.TICKET_DELETED
    return Reason.TICKET_CLOSED if view.closed else None


async def _limit(task: _Task, ports: Ports) -> Reason | None:
    """Why a ticket that had its notes of a day gets none, if so. It doesn't bind an operator who asks for another note."""
    if task.intent.others_lately < _most_notes(task.event, ports):
        return None
    key = task.key
    overtaken = await ports.enhancements.superseded(key.tenant_id, key.ticket_id, key.content_hash)
    return Reason.SUPERSEDED if overtaken else Reason.NOTE_LIMIT


async def _drop(task: _Task, reason: Reason, ports: Ports) -> Outcome:
    ending = Ending(task.key.event_id, ports.clock.now(), reason=reason)
    kept_ending = await ports.intents.done(task.key, ending, task.owner)
    if kept_ending == ending:
        ENHANCEMENTS.labels(task.key.tenant_id, DROPPED).inc()
    return _ended(task.event, kept_ending)


async def _posted(task: _Task, posted: Posted, ports: Ports) -> Outcome:
    ending = Ending(task.key.event_id, ports.clock.now(), note_id=posted.note_id)
    kept_ending = await ports.intents.done(task.key, ending, task.owner)
    event = task.event
    took = max(0.0, (kept_ending.at - event.received_at).total_seconds())
    log.info(
        "ServiceDesk Plus ticket updated", tenant_id=event.tenant_id, ticket_id=event.ticket_id, event_id=event.event_id,
        enhancement_id=event.enhancement_id, note_id=kept_ending.note_id, found=posted.found,
        seconds_since_webhook=round(took, 3),
    )  # fmt: skip
    if kept_ending == ending:  # else it was settled before, and counted
        metrics.END_TO_END_SECONDS.labels(event.tenant_id).observe(took)
        ENHANCEMENTS.labels(event.tenant_id, SUCCESS).inc()
    return _ended(event, kept_ending)


async def _note_down(event: EnhancementSynthesized, ending: Ending, ports: Ports) -> None:
    """What was settled before this event came, also on the row that its own webhook may have begun anew."""
    where = (event.tenant_id, event.ticket_id, event.content_hash)
    if ending.note_id is not None:
        await ports.enhancements.posted(*where, ending.note_id)
    else:
        await ports.enhancements.dropped(*where, (ending.reason or Reason.DUPLICATE).value)


def _most_notes(event: EnhancementSynthesized, ports: Ports) -> int:
    """On a ticket within 24 hours; an operator's replay may exceed that."""
    return NO_LIMIT if event.again else ports.notes_a_day


def _ticket(key: NoteKey) -> TicketRef:
    return TicketRef(key.tenant_id, key.ticket_id)


def _ended(event: EnhancementSynthesized, ending: Ending) -> Emit | Drop:
    """The outcome of what is settled; everything in it comes from the stored ending, so a repetition emits the same."""
    if ending.note_id is None:
        at, reason = ending.at, ending.reason or Reason.DUPLICATE
    elif ending.event_id == event.event_id:
        return Emit(EnhancementDelivered.following(event, at=ending.at, note_id=ending.note_id))
    else:
        at, reason = max(ending.at, event.synthesized_at), Reason.ALREADY_ANSWERED
    return Drop(reason, EnhancementDelivered.following(event, at=at, reason=reason))


async def _refused(task: _Task, refused: Refused, ports: Ports) -> Outcome:
    wait = refused.retry_after or 0.0
    if refused.reason is Reason.TICKET_DELETED:
        return await _drop(task, refused.reason, ports)
    if refused.reason is Reason.DESK_RATE_LIMITED:
        return Hold(refused.reason, wait or RATE_LIMITED_SECONDS, Scope.LANE, refused.detail)
    if refused.reason is Reason.DESK_UNAVAILABLE:
        return Hold(refused.reason, wait, Scope.LANE, refused.detail)  # the lane's breaker makes it longer each time
    if refused.reason is Reason.DESK_CREDENTIAL_REFUSED:
        scope = Scope.TICKET if refused.ticket_only else Scope.LANE
        return Hold(refused.reason, max(wait, CREDENTIAL_SECONDS), scope, refused.detail)
    reason = Reason.TENANT_MISMATCH if refused.reason is Reason.TENANT_MISMATCH else Reason.DESK_REFUSED
    return DeadLetter(reason, refused.detail)
