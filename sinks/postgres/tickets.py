"""Tickets as history: the newest state of each that was received or imported, found again by text, requester and address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_call
from infra.runtime.stream.record import Position
from schemas.events import Ticket, TicketKind, TicketReceived
from schemas.network_names import addresses
from sinks.postgres.search_terms import exact_tokens
from sinks.postgres.texts import without_nul

IMPORTED = -1
"""Offset of a ticket that came by import: any event about it is newer."""

GATHERING = timedelta(seconds=10)
"""For how long later edits of a ticket are gathered, where nothing else is set."""


@dataclass(frozen=True, slots=True)
class TicketState:
    """The newest content that was received of a ticket, where that stood, and whether the ticket is closed. `edits_since` is when
    the first of those edits was received that are gathered, or were last; None where nothing but the first content is known."""

    newest_hash: str
    newest_offset: int
    closed: bool = False
    edits_since: datetime | None = None


_ALONE = "SELECT alone_with_ticket($1, $2)"
_KEEP = """
SELECT keep_ticket($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
"""
_STORE = """
SELECT * FROM store_ticket($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
    $23, $24)
"""
_NEWEST = "SELECT content_hash, record_offset FROM newest_content($1, $2)"


class Tickets:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def store(self, event: TicketReceived, position: Position, gathering: timedelta = GATHERING) -> TicketState:
        """Keep the ticket as history, with its resolution when it is closed. An older event never overwrites a newer one, and a
        replayed one counts as old as the event that it repeats: it fills in what is missing and leaves newer history alone.

        Older by its place in the topic, or by the desk's own time of the change: webhooks overtake each other, and one about our
        own note may come after that of the edit that followed. A desk's time that lies a day ahead counts for nothing.

        An edit begins a gathering unless one began less than `gathering` before it; PostgreSQL's clock is its upper bound."""
        rows = await tenant_call(self._pool, _STORE, *stored(event, position, gathering))
        return state(rows[0] if rows else None)

    async def newest(self, tenant_id: str, ticket_id: str) -> tuple[str, int] | None:
        """Hash and offset of the newest content that was received of a ticket; None if none is known."""
        rows = await tenant_call(self._pool, _NEWEST, tenant_id, ticket_id)
        return (rows[0]["content_hash"], rows[0]["record_offset"]) if rows else None


def state(row: asyncpg.Record | None) -> TicketState:
    """What the database's `store_ticket` knows of the ticket."""
    if row is None or row["newest_hash"] is None:
        raise LookupError("a ticket that was just stored is gone: its tenant was erased meanwhile")
    return TicketState(row["newest_hash"], row["newest_offset"], row["closed"], row["gathered_since"])


def stored(event: TicketReceived, position: Position, gathering: timedelta) -> tuple[str, *tuple[object, ...]]:
    """The arguments of the database's `store_ticket`, the tenant first."""
    kept = Kept(position.offset, event.event_id, _solved_at(event), _edited_at(event), gathering)
    replayed = event.kind is TicketKind.REPLAYED
    return *_row(event.tenant_id, event.ticket, kept), replayed, event.replay_of


async def alone_with(connection: Connection, tenant_id: str, ticket_id: str) -> None:
    """Until the caller's transaction ends, no other that asks for the same ticket goes on: what it then reads of the ticket's
    newest content stays so. For one ticket a transaction."""
    await connection.execute(_ALONE, tenant_id, ticket_id)


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a state of a ticket comes from, and when the ticket was solved, if it is. `edited_at`: when it was received, if it
    may begin a gathering of edits."""

    offset: int = IMPORTED
    event_id: str | None = None
    solved_at: datetime | None = None
    edited_at: datetime | None = None
    gathering: timedelta = GATHERING


async def keep(connection: Connection, tenant_id: str, ticket: Ticket, kept: Kept) -> bool:
    """In the caller's tenant transaction; whether it was taken, i.e. nothing newer was there."""
    return bool(await connection.fetchval(_KEEP, *_row(tenant_id, ticket, kept)))


def _row(tenant_id: str, ticket: Ticket, kept: Kept) -> tuple[str, *tuple[object, ...]]:
    requester = ticket.requester
    text = f"{ticket.subject}\n{ticket.description}"  # as the search reads it, so that both take it apart once
    if ticket.resolution:
        text += f"\n{ticket.resolution}"
    row = (
        ticket.ticket_id, ticket.subject, ticket.description, requester.key if requester else "",
        requester.name if requester else None, ticket.site, ticket.end_customer, ticket.category, ticket.priority, ticket.status,
        ticket.resolution or "", ticket.created_at, ticket.updated_at, kept.solved_at, ticket.content_hash,
        exact_tokens(text), list(addresses(text)), kept.offset, kept.event_id, kept.edited_at, kept.gathering,
    )  # fmt: skip
    return tenant_id, *map(without_nul, row)


def _edited_at(event: TicketReceived) -> datetime | None:
    """Whatever the desk calls it: many don't say whether a ticket was created or changed."""
    by_webhook = event.kind in (TicketKind.CREATED, TicketKind.UPDATED)
    return event.received_at if by_webhook and not event.closes else None


def _solved_at(event: TicketReceived) -> datetime | None:
    ticket = event.ticket
    return (ticket.updated_at or event.received_at) if event.closes else None
