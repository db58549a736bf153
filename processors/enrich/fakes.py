"""Stand-ins for what enrich needs, kept in memory; the contract tests run on them and on the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.runtime.stream.record import Position
from processors.enrich.ports import Address, Found, Query
from schemas.events import ContextItem, TicketKind, TicketReceived
from schemas.reasons import Reason
from sinks.postgres.arrivals import TakenIn
from sinks.postgres.received_events import Admission
from sinks.postgres.tickets import GATHERING, IMPORTED, TicketState

Key = tuple[str, str]


@dataclass(slots=True)
class Row:
    """A received event. `outcome` is None until it is done with."""

    position: Position
    body_hash: str
    outcome: str | None = None
    reason: str | None = None
    replay_of: str | None = None


def _machines_clock() -> datetime:
    return datetime.now(UTC)


class FakeReceivedEvents:
    def __init__(self) -> None:
        self.rows: dict[Key, Row] = {}

    async def admit(self, event: TicketReceived, position: Position, body_hash: str) -> Admission:
        row = self.rows.setdefault(
            (event.tenant_id, event.event_id), Row(position, body_hash, replay_of=event.replay_of)
        )
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


class FakeTickets:
    """`received` knows where the events stood that replays repeat; `now` is the database's clock."""

    def __init__(
        self, received: FakeReceivedEvents | None = None, now: Callable[[], datetime] = _machines_clock
    ) -> None:
        self.newest_of: dict[Key, TicketState] = {}
        self.stored: dict[Key, TicketReceived] = {}
        self._received, self._now = received or FakeReceivedEvents(), now

    async def store(self, event: TicketReceived, position: Position, gathering: timedelta = GATHERING) -> TicketState:
        key = (event.tenant_id, event.ticket_id)
        known = self.newest_of.get(key)
        offset = position.offset
        if event.kind is TicketKind.REPLAYED:
            placed = self._replayed_offset(event, known)
            offset = -2 if placed is None else placed
        if known is None or (offset >= known.newest_offset and not self._is_older(event)):
            since = self._edits_since(event, known, gathering)
            known = TicketState(event.ticket.content_hash, offset, event.closes, since)
            self.newest_of[key], self.stored[key] = known, event
        return known

    def _is_older(self, event: TicketReceived) -> bool:
        kept, new = self.stored[event.tenant_id, event.ticket_id].ticket.updated_at, event.ticket.updated_at
        return kept is not None and new is not None and new < kept < self._now() + timedelta(days=1)

    def _replayed_offset(self, event: TicketReceived, known: TicketState | None) -> int | None:
        """The offset under which a replayed event is kept; None if what is known of the ticket stays. Where the event stood that it
        repeats decides; else the desk's own time of the change does, and without it what was received stays."""
        original = self._original(event)
        if original is not None:
            return original if known is None or original > known.newest_offset else None
        if known is None:
            return IMPORTED
        mine, theirs = event.ticket.updated_at, self.stored[event.tenant_id, event.ticket_id].ticket.updated_at
        newer = mine > theirs if mine and theirs else known.newest_offset == IMPORTED
        return known.newest_offset if newer else None

    def _original(self, event: TicketReceived) -> int | None:
        row = self._received.rows.get((event.tenant_id, event.replay_of or ""))
        return row.position.offset if row and row.replay_of is None else None

    def _edits_since(self, event: TicketReceived, known: TicketState | None, gathering: timedelta) -> datetime | None:
        since = known.edits_since if known else None
        if known is None or known.newest_offset < 0 or known.newest_hash == event.ticket.content_hash:
            return since
        if event.kind not in (TicketKind.CREATED, TicketKind.UPDATED) or event.closes:
            return since
        if since is not None and event.received_at < since + gathering:
            return since
        return min(event.received_at, self._now())


@dataclass(slots=True)
class FakeEnhancement:
    """A row: whose it is, and what became of it."""

    event_id: str
    replay_of: str | None = None
    status: str = "pending"
    reason: str | None = None
    posted_at: datetime | None = None


class FakeEnhancements:
    """`begun` by tenant, ticket and content hash; `tickets` tell what is newest, `now` is the database's clock."""

    def __init__(self, tickets: FakeTickets | None = None, now: Callable[[], datetime] = _machines_clock) -> None:
        self.begun: dict[tuple[str, str, str], FakeEnhancement] = {}
        self._tickets, self._now = tickets, now

    async def begin(self, event: TicketReceived) -> bool:
        mine = FakeEnhancement(event.event_id, event.replay_of)
        row = self.begun.setdefault(_content(event), mine)
        lost = event.replay_of is not None and event.replay_of in (row.event_id, row.replay_of)
        if row.status in ("dropped", "failed") or (row.status == "pending" and lost):
            self.begun[_content(event)] = row = mine
        return row.event_id == event.event_id

    async def anothers(self, event: TicketReceived) -> bool:
        row = self.begun.get(_content(event))
        return row is not None and row.event_id != event.event_id and row.status in ("pending", "success")

    async def limited(self, event: TicketReceived, notes: int) -> bool:
        tenant_id, ticket_id, content_hash = _content(event)
        since = self._now() - timedelta(hours=24)
        posted = [
            row
            for (tenant, ticket, content), row in self.begun.items()
            if (tenant, ticket) == (tenant_id, ticket_id) and content != content_hash
            if row.posted_at is not None and row.posted_at > since
        ]
        if len(posted) < notes:
            return False
        await self.dropped(tenant_id, ticket_id, content_hash, Reason.NOTE_LIMIT.value)
        return True

    async def superseded(self, tenant_id: str, ticket_id: str, content_hash: str) -> bool:
        newest = self._tickets.newest_of.get((tenant_id, ticket_id)) if self._tickets else None
        if newest is not None and newest.newest_hash == content_hash:
            return False
        await self.dropped(tenant_id, ticket_id, content_hash, Reason.SUPERSEDED.value)
        return True

    async def dropped(self, tenant_id: str, ticket_id: str, content_hash: str, reason: str) -> None:
        row = self.begun.get((tenant_id, ticket_id, content_hash))
        if row and row.status != "success":
            row.status, row.reason = "dropped", reason

    async def posted(self, tenant_id: str, ticket_id: str, content_hash: str, note_id: str) -> None:
        """What deliver notes down."""
        row = self.begun[tenant_id, ticket_id, content_hash]
        row.status, row.reason, row.posted_at = "success", None, row.posted_at or self._now()


class FakeArrivals:
    """The three in turn."""

    def __init__(self, received: FakeReceivedEvents, tickets: FakeTickets, enhancements: FakeEnhancements) -> None:
        self._received, self._tickets, self._enhancements = received, tickets, enhancements

    async def take_in(
        self, event: TicketReceived, position: Position, body_hash: str, *, gathering: timedelta, notes: int
    ) -> TakenIn:
        admission = await self._received.admit(event, position, body_hash)
        if admission is not Admission.FRESH:
            return TakenIn(admission)
        state = await self._tickets.store(event, position, gathering)
        free = state.newest_hash == event.ticket.content_hash and not state.closed and state.edits_since is None
        if event.closes or not free:
            return TakenIn(admission, state)
        begun = await self._enhancements.begin(event)
        limited = begun and not event.again and await self._enhancements.limited(event, notes)
        return TakenIn(admission, state, begun, limited)


def _content(event: TicketReceived) -> tuple[str, str, str]:
    return event.tenant_id, event.ticket_id, event.ticket.content_hash


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
