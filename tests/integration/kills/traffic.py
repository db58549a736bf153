"""Tickets that keep coming while something happens to the chain, and what has become of each of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from schemas.topics import Topic
from tests.integration.chain.tenant import Tenant
from tests.integration.kills.town import Town, subject


@dataclass(slots=True)
class Traffic:
    """`told` are the accepted tickets: tenant and ticket id."""

    town: Town
    tenants: Sequence[Tenant]
    told: list[tuple[Tenant, str]] = field(default_factory=list)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def flowing(self, *, per_second: float) -> AsyncIterator[None]:
        self.town.model.ledger.reset()
        going = asyncio.create_task(self._flow(1 / per_second))
        try:
            yield
        finally:
            going.cancel()
        await asyncio.gather(*self._sending)

    async def all_said_once(self, *, seconds: float) -> None:
        """Each ticket has exactly one note, and one delivered event whatever its copies."""
        for tenant, ticket_id in self.told:
            await tenant.delivered(ticket_id, seconds=seconds)
        await self.town.all_committed()
        notes = [(tenant, ticket_id, await tenant.notes(ticket_id)) for tenant, ticket_id in self.told]
        wrong = {ticket_id: len(found) for _, ticket_id, found in notes if len(found) != 1}
        assert not wrong, f"notes by ticket, of {len(notes)}: {wrong}"
        tap = self.town.chain.tap
        for tenant, ticket_id, (note,) in notes:
            records = tap.records(Topic.ENHANCEMENTS_DELIVERED, tenant.partition, ticket_id)
            assert len({record.header("ce_id") for record in records}) == 1
            assert {record.event.note_id for record in records} == {note.note_id}

    def calls(self) -> dict[str, list[int]]:
        """How the model's calls since the start ended, by prompt: 200, or 0 where the caller was gone. A repeated call has the same
        prompt, and two tickets never have."""
        calls: dict[str, list[int]] = {}
        for call in self.town.model.ledger.calls():
            calls.setdefault(call["messages_hash"], []).append(call["status"])
        return calls

    async def _flow(self, pause: float) -> None:
        for number, tenant in zip(itertools.count(1), itertools.cycle(self.tenants), strict=False):
            task = asyncio.create_task(self._tell(tenant, subject(tenant, number)))
            self._sending.add(task)
            await asyncio.sleep(pause)

    async def _tell(self, tenant: Tenant, words: str) -> None:
        ticket_id = await tenant.ticket(subject=words)
        await self.town.send(tenant, ticket_id)
        self.told.append((tenant, ticket_id))
