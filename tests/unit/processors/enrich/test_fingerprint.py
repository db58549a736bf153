"""Two copies of what a sender said have one fingerprint; anything else said has another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processors.enrich.fingerprint import fingerprint
from schemas.events import Requester, Ticket, TicketKind, TicketReceived

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EVENT = TicketReceived(
    "id-1", "msp-acme-corp", TicketKind.CREATED, Ticket("1", "subject", "text", requester=Requester(name="Desk")), NOW
)


def test_when_it_was_received_makes_no_difference() -> None:
    assert fingerprint(replace(EVENT, received_at=NOW + timedelta(minutes=5))) == fingerprint(EVENT)


@pytest.mark.parametrize(
    "changes",
    [
        {"ticket": replace(EVENT.ticket, status="Closed")},
        {"ticket": replace(EVENT.ticket, requester=Requester(name="Other"))},
        {"ticket": replace(EVENT.ticket, updated_at=NOW)},
        {"kind": TicketKind.UPDATED},
        {"again": True},
    ],
)
def test_anything_else_does(changes: dict[str, Any]) -> None:
    assert fingerprint(replace(EVENT, **changes)) != fingerprint(EVENT)
