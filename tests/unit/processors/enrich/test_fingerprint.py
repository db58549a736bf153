"""Two copies of what a sender said have one fingerprint; anything else said has another."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processors.enrich.fingerprint import fingerprint
from schemas.events import Requester, Ticket, TicketKind, TicketReceived

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EVENT = TicketReceived(
    "id-1", "msp-acme-corp", TicketKind.CREATED, Ticket("1", "subject", "text", requester=Requester(name="Desk")), NOW
)


@dataclass(frozen=True, slots=True)
class LaterTicket(Ticket):
    impact: str | None = None


@dataclass(frozen=True, slots=True)
class LaterEvent(TicketReceived):
    source: str = "webhook"


def of_a_later_release(**said: Any) -> TicketReceived:
    """The same event, read by a release that knows a field more of the ticket and of the event."""
    ticket = LaterTicket(**{field.name: getattr(EVENT.ticket, field.name) for field in fields(EVENT.ticket)})
    known = {field.name: getattr(EVENT, field.name) for field in fields(EVENT)}
    return LaterEvent(**{**known, "ticket": ticket, **said})


def test_when_it_was_received_makes_no_difference() -> None:
    assert fingerprint(replace(EVENT, received_at=NOW + timedelta(minutes=5))) == fingerprint(EVENT)


def test_a_field_that_a_later_release_adds_makes_none_where_it_was_not_said() -> None:
    assert fingerprint(of_a_later_release()) == fingerprint(EVENT)
    assert fingerprint(of_a_later_release(source="import")) != fingerprint(EVENT)


@pytest.mark.parametrize(
    "changes",
    [
        {"ticket": replace(EVENT.ticket, status="Closed")},
        {"ticket": replace(EVENT.ticket, requester=Requester(name="Other"))},
        {"ticket": replace(EVENT.ticket, updated_at=NOW)},
        {"kind": TicketKind.UPDATED},
        {"again": True},
        {"delivery_id": "wh-1"},
        {"ticket": replace(EVENT.ticket, requester=Requester())},
        {"ticket": replace(EVENT.ticket, requester=None)},
        {"ticket": replace(EVENT.ticket, description_cut=True)},
        {"ticket": replace(EVENT.ticket, site="")},
    ],
)
def test_anything_else_does(changes: dict[str, Any]) -> None:
    assert fingerprint(replace(EVENT, **changes)) != fingerprint(EVENT)
