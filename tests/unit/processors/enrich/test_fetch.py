"""A ticket that was only announced is asked for at its desk; what the desk says decides what becomes of the event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from infra.runtime.stream.outcomes import DeadLetter, Drop, Hold, Scope
from processors.enrich.fetch import fetched
from schemas.events import Ticket, TicketKind, TicketReceived
from schemas.reasons import Reason
from sinks.servicedesk.fakes import FakeListing
from sinks.servicedesk.types import Refused, TicketRef

AT = datetime(2026, 1, 31, 9, tzinfo=UTC)
REF = TicketRef("msp-acme-corp", "52101")
ANNOUNCED = TicketReceived("e-1", REF.tenant_id, TicketKind.ANNOUNCED, Ticket(REF.ticket_id, "", ""), AT)


@pytest.fixture
def desk() -> FakeListing:
    desk = FakeListing()
    desk.add(REF, AT, subject="VPN", description="<b>98&nbsp;%</b>", category={"name": "Network"})
    return desk


async def test_the_event_gets_the_desks_ticket_and_stays_itself(desk: FakeListing) -> None:
    event = await fetched(ANNOUNCED, desk)

    assert isinstance(event, TicketReceived)
    assert (event.event_id, event.received_at, event.kind) == ("e-1", AT, TicketKind.CREATED)
    assert (event.ticket.subject, event.ticket.description, event.ticket.category) == ("VPN", "98 %", "Network")
    assert event.ticket.content_hash != ANNOUNCED.ticket.content_hash


async def test_the_desks_state_says_that_it_is_closed(desk: FakeListing) -> None:
    desk.add(REF, AT, subject="VPN", status={"name": "Closed"})

    event = await fetched(ANNOUNCED, desk)

    assert isinstance(event, TicketReceived) and event.kind is TicketKind.CLOSED


async def test_a_replay_stays_one(desk: FakeListing) -> None:
    event = await fetched(replace(ANNOUNCED, replay_of="e-0"), desk)

    assert isinstance(event, TicketReceived) and event.kind is TicketKind.REPLAYED and event.replay_of == "e-0"


async def test_an_event_with_content_asks_nobody(desk: FakeListing) -> None:
    event = replace(ANNOUNCED, kind=TicketKind.CREATED, ticket=Ticket(REF.ticket_id, "s", "d"))

    assert await fetched(event, desk) is event and await fetched(event, None) is event and desk.calls == 0


async def test_without_keys_to_the_desk_it_waits_and_says_which_are_missing() -> None:
    held = await fetched(ANNOUNCED, None)

    assert isinstance(held, Hold) and held.scope is Scope.LANE and "TICKETSTREAM_CREDENTIAL_KEYS" in held.detail


async def test_a_ticket_that_is_gone_is_dropped() -> None:
    assert await fetched(ANNOUNCED, FakeListing()) == Drop(Reason.TICKET_DELETED)


@pytest.mark.parametrize(
    ("reason", "after", "ticket_only", "scope", "seconds"),
    [
        (Reason.DESK_UNAVAILABLE, None, False, Scope.LANE, 0.0),
        (Reason.DESK_UNAVAILABLE, 7.0, False, Scope.LANE, 7.0),
        (Reason.DESK_RATE_LIMITED, None, False, Scope.LANE, 60.0),
        (Reason.DESK_RATE_LIMITED, 3.0, False, Scope.LANE, 3.0),
        (Reason.DESK_CREDENTIAL_REFUSED, None, False, Scope.LANE, 300.0),
        (Reason.DESK_CREDENTIAL_REFUSED, None, True, Scope.TICKET, 300.0),
    ],
)
async def test_what_is_wrong_with_the_desk_is_waited_out(
    desk: FakeListing, reason: Reason, after: float | None, ticket_only: bool, scope: Scope, seconds: float
) -> None:
    desk.troubles.append(Refused(reason, "no", after, ticket_only=ticket_only))

    assert await fetched(ANNOUNCED, desk) == Hold(reason, seconds, scope, "no")


async def test_what_the_desk_refuses_for_good_or_nobody_can_read_is_a_dead_letter(desk: FakeListing) -> None:
    desk.troubles.append(Refused(Reason.DESK_REFUSED, "4001"))
    assert await fetched(ANNOUNCED, desk) == DeadLetter(Reason.DESK_REFUSED, "4001")

    desk.requests[REF]["subject"] = 7
    unreadable = await fetched(ANNOUNCED, desk)
    assert isinstance(unreadable, DeadLetter) and "request.subject must be text" in unreadable.detail

    desk.requests[REF] |= {"subject": "VPN", "id": "7"}
    assert await fetched(ANNOUNCED, desk) == DeadLetter(Reason.DESK_REFUSED, "the desk gave ticket 7 instead")
