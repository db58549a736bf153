"""The decision of enrich: is this event to be answered, and if so, with what is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.runtime.clock import Clock
from infra.runtime.stream.outcomes import DeadLetter, Drop, Emit, Hold, Outcome, Then
from infra.runtime.stream.record import Position
from infra.runtime.telemetry.logs import get_logger
from processors.enrich.gather import Gathered, Limits, gather
from processors.enrich.obstacle import Restraint, obstacle
from processors.enrich.ports import (
    Arrivals,
    ContextSource,
    Enhancements,
    Query,
    ReceivedEvents,
    Search,
    Tenants,
)
from schemas.events import TicketEnriched, TicketReceived
from schemas.reasons import Reason
from sinks.postgres.received_events import Admission

log = get_logger(__name__)

UNKNOWN_TENANT_SECONDS = 5.0
DEFAULT_RESTRAINT = Restraint()


@dataclass(frozen=True, slots=True)
class Stores:
    """Where enrich keeps what it knows of events, tickets and answers."""

    arrivals: Arrivals
    received: ReceivedEvents
    enhancements: Enhancements


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Whom enrich asks. `remembering` is the search that caches, for tenants that allow it."""

    sources: Sequence[ContextSource]
    search: Search
    remembering: Search
    limits: Limits = Limits()


async def process(
    event: TicketReceived,
    position: Position,
    body_hash: str,
    *,
    stores: Stores,
    knowledge: Knowledge,
    tenants: Tenants,
    clock: Clock,
    restraint: Restraint = DEFAULT_RESTRAINT,
) -> Outcome:
    """Emit the ticket with its context, unless there is nothing (more) to answer; Hold an edit while others may follow.

    `body_hash` is the same for every copy of what the sender said (see `fingerprint`)."""
    choices = tenants.of_tenant(event.tenant_id)
    if choices is None:
        return Hold(Reason.TENANT_UNKNOWN, UNKNOWN_TENANT_SECONDS)
    taken = await stores.arrivals.take_in(
        event, position, body_hash, gathering=restraint.gather_edits, notes=restraint.notes_a_day
    )
    if taken.admission is Admission.COPY:
        return Drop(Reason.DUPLICATE)  # the row is the first one's, with its outcome
    if taken.admission is Admission.CONFLICT:
        return DeadLetter(Reason.CONFLICTING_DUPLICATE, _conflict(event))
    found = await obstacle(event, taken, enhancements=stores.enhancements, restraint=restraint, now=clock.now())
    if isinstance(found, Hold):
        return found
    if found is not None:
        return Drop(found, then=_done_with(event, stores.received, "dropped", found))
    search = knowledge.remembering if choices.enable_context_caching else knowledge.search
    gathered = await gather(
        knowledge.sources,
        Query(event.tenant_id, event.ticket, search),
        knowledge.limits.within(choices.enhancement_timeout_seconds),
    )
    _say(event, gathered)
    enriched = TicketEnriched.following(
        event, context=gathered.context, missing=gathered.missing, took_ms=gathered.took_ms, at=clock.now()
    )
    return Emit(enriched, then=_done_with(event, stores.received, "published", None))


def _done_with(event: TicketReceived, received: ReceivedEvents, outcome: str, reason: Reason | None) -> Then:
    async def mark() -> None:
        await received.mark(event.tenant_id, event.event_id, outcome, reason.value if reason else None)

    return mark


def _say(event: TicketReceived, gathered: Gathered) -> None:
    log.info(
        "Context gathered",
        **_names(event),
        sources=gathered.found,
        missing={gone.source: gone.reason for gone in gathered.missing},
        took_ms=gathered.took_ms,
    )


def _conflict(event: TicketReceived) -> str:
    return (
        f"event {event.event_id} of ticket {event.ticket_id} came before with another body: the sender used the webhook-id "
        f"{event.delivery_id!r} twice. The first one counts. Let the desk send the ticket again under an id of its own."
    )


def _names(event: TicketReceived) -> dict[str, str]:
    return {"tenant_id": event.tenant_id, "ticket_id": event.ticket_id, "event_id": event.event_id}
