"""Stand-ins for what enrich needs, kept in memory; the contract tests run on them and on the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.runtime.stream.record import Position
from processors.enrich.ports import Address, Found, Query
from schemas.events import ContextItem, TicketReceived
from sinks.postgres.received_events import Admission

Key = tuple[str, str]


@dataclass(slots=True)
class Row:
    """A received event. `outcome` is None until it is done with."""

    position: Position
    body_hash: str
    outcome: str | None = None
    reason: str | None = None


class FakeReceivedEvents:
    def __init__(self) -> None:
        self.rows: dict[Key, Row] = {}

    async def admit(self, event: TicketReceived, position: Position, body_hash: str) -> Admission:
        row = self.rows.setdefault((event.tenant_id, event.event_id), Row(position, body_hash))
        if row.position == position:
            return Admission.FRESH
        if row.body_hash != body_hash:
            return Admission.CONFLICT
        if row.outcome is not None:
            return Admission.COPY
        row.position = position
        return Admission.FRESH

    async def mark(self, tenant_id: str, event_id: str, outcome: str, reason: str | None) -> None:
        row = self.rows[tenant_id, event_id]
        row.outcome, row.reason = outcome, reason


@dataclass(frozen=True, slots=True)
class FakeTicketState:
    newest_hash: str
    newest_offset: int


class FakeTickets:
    def __init__(self) -> None:
        self.newest_of: dict[Key, FakeTicketState] = {}
        self.stored: dict[Key, TicketReceived] = {}

    async def store(self, event: TicketReceived, position: Position) -> FakeTicketState:
        key = (event.tenant_id, event.ticket_id)
        newest = self.newest_of.get(key)
        if newest is None or position.offset >= newest.newest_offset:
            self.newest_of[key] = newest = FakeTicketState(event.ticket.content_hash, position.offset)
            self.stored[key] = event
        return newest


class FakeEnhancements:
    def __init__(self) -> None:
        self.begun: dict[tuple[str, str, str], str] = {}

    async def begin(self, event: TicketReceived) -> bool:
        key = (event.tenant_id, event.ticket_id, event.ticket.content_hash)
        return self.begun.setdefault(key, event.event_id) == event.event_id


@dataclass(frozen=True, slots=True)
class FakeRow:
    id: str
    title: str = ""
    excerpt: str = ""
    score: float = 1.0
    kind: str = "similar"
    link: str | None = None


@dataclass(slots=True)
class FakeSearch:
    """Answers with what it was given, for each tenant its own; `asked` is every question."""

    requester: dict[str, list[FakeRow]] = field(default_factory=dict)
    similar: dict[str, list[FakeRow]] = field(default_factory=dict)
    knowledge: dict[str, list[FakeRow]] = field(default_factory=dict)
    network: dict[str, list[FakeRow]] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def requester_history(
        self, tenant_id: str, requester_key: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        self.asked.append(("requester_history", tenant_id, requester_key, end_customer, exclude_ticket, limit))
        return self.requester.get(tenant_id, [])[:limit]

    async def similar_solved(
        self, tenant_id: str, text: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        self.asked.append(("similar_solved", tenant_id, text, end_customer, exclude_ticket, limit))
        return self.similar.get(tenant_id, [])[:limit]

    async def articles(self, tenant_id: str, text: str, limit: int) -> Sequence[Found]:
        self.asked.append(("articles", tenant_id, text, limit))
        return self.knowledge.get(tenant_id, [])[:limit]

    async def by_hostnames(self, tenant_id: str, names: Sequence[str]) -> Sequence[Found]:
        self.asked.append(("by_hostnames", tenant_id, *names))
        return [row for row in self.network.get(tenant_id, []) if row.title.lower() in names]

    async def by_addresses(
        self, tenant_id: str, addresses: Sequence[Address], end_customer: str | None
    ) -> Sequence[Found]:
        self.asked.append(("by_addresses", tenant_id, *addresses, end_customer))
        return self.network.get(tenant_id, [])


@dataclass(frozen=True, slots=True)
class FakeTenantChoices:
    enhancement_timeout_seconds: int = 120
    enable_context_caching: bool = False


@dataclass(slots=True)
class FakeTenants:
    choices: dict[str, FakeTenantChoices] = field(default_factory=dict)

    def of_tenant(self, tenant_id: str) -> FakeTenantChoices | None:
        return self.choices.get(tenant_id)


@dataclass(slots=True)
class FakeSource:
    """A source with given items; `before` runs first and may wait or raise."""

    name: str
    items: Sequence[ContextItem] = ()
    before: Callable[[], Awaitable[None]] | None = None
    cancelled: bool = False

    async def find(self, query: Query) -> Sequence[ContextItem]:
        try:
            if self.before:
                await self.before()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return self.items
