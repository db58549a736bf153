"""A note goes onto a ticket of its own tenant only, through that tenant's desk only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from infra.runtime.stream.outcomes import DeadLetter, Emit
from infra.runtime.telemetry.isolation import Kind, Violation, subscribed
from processors.deliver.ports import Ending
from schemas.events import EnhancementSynthesized
from schemas.reasons import Reason
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.client import DeskClient
from sinks.servicedesk.notes import ServiceDeskNotes
from sinks.servicedesk.tickets import ServiceDeskTickets
from sinks.servicedesk.transport import Transport
from sinks.servicedesk.types import DeskAccount, DeskForm, Note
from tests.unit.processors.deliver.conftest import TICKET, Delivery, synthesized

OTHER = "msp-nordwind"


@pytest.fixture
async def violations() -> AsyncIterator[list[Violation]]:
    seen: list[Violation] = []
    with subscribed(seen.append):
        yield seen


class Mixed:
    """A renderer that gives one tenant's note for another's ticket."""

    def __init__(self, delivery: Delivery, tenant_id: str = OTHER) -> None:
        self._renderer, self._tenant_id = delivery.ports.renderer, tenant_id

    def render(self, event: EnhancementSynthesized, marker: str, earlier: Ending | None) -> Note:
        return replace(self._renderer.render(event, marker, earlier), tenant_id=self._tenant_id)


@pytest.mark.parametrize("tenant_id", [OTHER, ""])
async def test_a_note_of_another_tenant_is_never_posted(
    delivery: Delivery, violations: list[Violation], tenant_id: str
) -> None:
    right = delivery.ports
    delivery.ports = replace(right, renderer=Mixed(delivery, tenant_id))
    outcome = await delivery.run()

    assert isinstance(outcome, DeadLetter)
    assert outcome.reason is Reason.TENANT_MISMATCH
    assert delivery.notes == []
    assert [(seen.kind, seen.tenant_id, seen.other) for seen in violations] == [
        (Kind.NOTE_TENANT, TICKET.tenant_id, tenant_id)
    ]

    delivery.ports = right
    assert isinstance(await delivery.run(), Emit), "nothing was sent, so nothing has to settle before the next try"


async def test_a_note_of_its_own_tenant_is_none_of_that(delivery: Delivery, violations: list[Violation]) -> None:
    assert isinstance(await delivery.run(), Emit)
    assert violations == []


class WrongAccounts:
    """DeskAccounts that mix two tenants up."""

    async def of(self, tenant_id: str) -> DeskAccount:
        return DeskAccount(OTHER, "https://desk.example", DeskForm.ONPREM, "key")


async def test_nothing_is_sent_to_another_tenants_desk(delivery: Delivery, violations: list[Violation]) -> None:
    async with Transport(AddressPolicy(local=False)) as transport:
        client = DeskClient(transport, WrongAccounts())
        delivery.ports = replace(delivery.ports, tickets=ServiceDeskTickets(client), notes=ServiceDeskNotes(client))
        outcome = await delivery.run(synthesized())

    assert isinstance(outcome, DeadLetter)
    assert outcome.reason is Reason.TENANT_MISMATCH
    assert {(seen.kind, seen.tenant_id, seen.other) for seen in violations} == {
        (Kind.NOTE_TENANT, TICKET.tenant_id, OTHER)
    }
