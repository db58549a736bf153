"""A webhook that may carry no content (bearer mode) says only that a ticket changed: the desk is asked for the ticket itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infra.runtime.stream.outcomes import DeadLetter, Drop, Hold, Outcome, Scope
from infra.runtime.telemetry.logs import get_logger
from processors.enrich.ports import Desk
from schemas.events import TicketKind, TicketReceived
from schemas.reasons import Reason
from sinks.servicedesk.desk_values import WrongField
from sinks.servicedesk.ticket_reading import read_ticket
from sinks.servicedesk.types import Gone, Refused, TicketRef

log = get_logger(__name__)

RATE_LIMITED_SECONDS = 60.0
CREDENTIAL_SECONDS = 300.0
NO_RING = (
    "enrich has no TICKETSTREAM_CREDENTIAL_KEYS, so it can't ask the desk for tickets of tenants in bearer mode: "
    "set it for enrich, as deliver has it"
)


async def fetched(event: TicketReceived, desk: Desk | None) -> TicketReceived | Outcome:
    """The event with the ticket as the desk has it now, or what becomes of it instead. Reading is repeatable, and every try may
    find newer content: that is what is answered then."""
    if event.kind is not TicketKind.ANNOUNCED:
        return event
    if desk is None:
        return Hold(Reason.DESK_CREDENTIAL_REFUSED, CREDENTIAL_SECONDS, Scope.LANE, NO_RING)
    found = await desk.request(TicketRef(event.tenant_id, event.ticket_id))
    if isinstance(found, Gone):
        return Drop(Reason.TICKET_DELETED)
    if isinstance(found, Refused):
        return _refused(found)
    return _with(event, found)


def _with(event: TicketReceived, request: Mapping[str, Any]) -> TicketReceived | DeadLetter:
    try:
        described = read_ticket({"request": dict(request)})
    except WrongField as wrong:
        return DeadLetter(Reason.DESK_REFUSED, f"the desk's ticket can't be read: {wrong}. Correct it at the desk.")
    if described.ticket.ticket_id != event.ticket_id:
        return DeadLetter(Reason.DESK_REFUSED, f"the desk gave ticket {described.ticket.ticket_id} instead")
    kind = TicketKind.REPLAYED if event.replay_of and described.kind is not TicketKind.CLOSED else described.kind
    log.info(
        "Ticket fetched", tenant_id=event.tenant_id, ticket_id=event.ticket_id, event_id=event.event_id, kind=kind.value
    )
    return replace(event, ticket=described.ticket, kind=kind)


def _refused(refused: Refused) -> Outcome:
    wait = refused.retry_after or 0.0
    if refused.reason is Reason.DESK_RATE_LIMITED:
        return Hold(refused.reason, wait or RATE_LIMITED_SECONDS, Scope.LANE, refused.detail)
    if refused.reason is Reason.DESK_UNAVAILABLE:
        return Hold(refused.reason, wait, Scope.LANE, refused.detail)  # the lane's breaker makes it longer each time
    if refused.reason is Reason.DESK_CREDENTIAL_REFUSED:
        scope = Scope.TICKET if refused.ticket_only else Scope.LANE
        return Hold(refused.reason, max(wait, CREDENTIAL_SECONDS), scope, refused.detail)
    return DeadLetter(Reason.DESK_REFUSED, refused.detail)
