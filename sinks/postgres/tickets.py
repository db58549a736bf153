"""Tickets as history: the newest state of each that was received or imported, found again by text, requester and address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction
from infra.runtime.stream.record import Position
from schemas.events import Ticket, TicketKind, TicketReceived
from schemas.network_names import addresses
from sinks.postgres.search_terms import exact_tokens

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


_STORE = """
INSERT INTO tickets AS kept (tenant_id, ticket_id, subject, description, requester_key, requester_name, site, end_customer,
    category, priority, status, resolution, ticket_created_at, ticket_updated_at, solved_at, content_hash, record_offset, event_id,
    exact_tokens)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (tenant_id, ticket_id) DO UPDATE SET subject = excluded.subject, description = excluded.description,
    requester_key = excluded.requester_key, requester_name = excluded.requester_name, site = coalesce(excluded.site, kept.site),
    end_customer = coalesce(excluded.end_customer, kept.end_customer), category = excluded.category, priority = excluded.priority,
    status = excluded.status, resolution = coalesce(nullif(excluded.resolution, ''), kept.resolution),
    ticket_created_at = coalesce(excluded.ticket_created_at, kept.ticket_created_at),
    ticket_updated_at = coalesce(excluded.ticket_updated_at, kept.ticket_updated_at), solved_at = excluded.solved_at,
    content_hash = excluded.content_hash, record_offset = excluded.record_offset, event_id = excluded.event_id,
    exact_tokens = excluded.exact_tokens, updated_at = now(),
    edits_since = CASE WHEN kept.record_offset >= 0 AND kept.content_hash <> excluded.content_hash
        AND ($20::timestamptz >= kept.edits_since + $21::interval OR ($20::timestamptz IS NOT NULL AND kept.edits_since IS NULL))
        THEN least($20::timestamptz, now()) ELSE kept.edits_since END
WHERE kept.record_offset <= excluded.record_offset
    AND (kept.ticket_updated_at > excluded.ticket_updated_at AND kept.ticket_updated_at < now() + interval '1 day') IS NOT TRUE
RETURNING ticket_id
"""
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 8))"
_NEWEST = "SELECT content_hash, record_offset FROM tickets WHERE tenant_id = $1 AND ticket_id = $2"
_STATE = """
SELECT content_hash, record_offset, solved_at IS NOT NULL AS closed, edits_since FROM tickets
WHERE tenant_id = $1 AND ticket_id = $2
"""
_KNOWN = "SELECT record_offset, ticket_updated_at FROM tickets WHERE tenant_id = $1 AND ticket_id = $2"
_ORIGINAL = "SELECT record_offset FROM received_events WHERE tenant_id = $1 AND event_id = $2 AND replay_of IS NULL"
_FORGET_ADDRESSES = "DELETE FROM ticket_addresses WHERE tenant_id = $1 AND ticket_id = $2"
_ADDRESSES = "INSERT INTO ticket_addresses (tenant_id, address, ticket_id) SELECT $1, unnest($3::inet[]), $2 ON CONFLICT DO NOTHING"


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
        where = (event.tenant_id, event.ticket_id)
        async with tenant_transaction(self._pool, event.tenant_id) as connection:
            await alone_with(connection, *where)
            offset = await _place(connection, event, position)
            if offset is not None:
                kept = Kept(offset, event.event_id, _solved_at(event), _edited_at(event), gathering)
                await keep(connection, event.tenant_id, event.ticket, kept)
            row = await connection.fetchrow(_STATE, *where)
        if row is None:
            raise LookupError("a ticket that was just stored is gone: its tenant was erased meanwhile")
        return TicketState(row["content_hash"], row["record_offset"], row["closed"], row["edits_since"])

    async def newest(self, tenant_id: str, ticket_id: str) -> tuple[str, int] | None:
        """Hash and offset of the newest content that was received of a ticket; None if none is known."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow(_NEWEST, tenant_id, ticket_id)
        return (row["content_hash"], row["record_offset"]) if row else None


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
    requester = ticket.requester
    text = f"{ticket.subject}\n{ticket.description}\n{ticket.resolution or ''}"
    taken = await connection.fetchval(
        _STORE, tenant_id, ticket.ticket_id, _clean(ticket.subject), _clean(ticket.description), requester.key if requester else "",
        requester.name if requester else None, ticket.site, ticket.end_customer, ticket.category, ticket.priority, ticket.status,
        _clean(ticket.resolution or ""), ticket.created_at, ticket.updated_at, kept.solved_at, ticket.content_hash, kept.offset,
        kept.event_id, exact_tokens(text), kept.edited_at, kept.gathering,
    )  # fmt: skip
    if taken is None:
        return False
    await connection.execute(_FORGET_ADDRESSES, tenant_id, ticket.ticket_id)
    if named := addresses(text):
        await connection.execute(_ADDRESSES, tenant_id, ticket.ticket_id, list(named))
    return True


async def _place(connection: Connection, event: TicketReceived, position: Position) -> int | None:
    """The offset that says how old the event's content is; None if what is known stays."""
    if event.kind is not TicketKind.REPLAYED:
        return position.offset
    known = await connection.fetchrow(_KNOWN, event.tenant_id, event.ticket_id)
    original: int | None = await connection.fetchval(_ORIGINAL, event.tenant_id, event.replay_of)
    return replayed_offset(
        event, original, Known(known["record_offset"], known["ticket_updated_at"]) if known else None
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What a replayed event is held against: where the ticket's newest content stood, and the desk's own time of it."""

    offset: int
    updated_at: datetime | None = None


def replayed_offset(event: TicketReceived, original: int | None, known: Known | None) -> int | None:
    """The offset under which a replayed event is kept; None if what is known of the ticket stays.

    `original` is where the event that it repeats stood, which decides. Where nobody knows any more (it never reached enrich, or
    the database was lost), the desk's own time of the change decides, and without it what was received stays."""
    if original is not None:
        return original if known is None or original > known.offset else None
    if known is None:
        return IMPORTED
    mine, theirs = event.ticket.updated_at, known.updated_at
    newer = mine > theirs if mine and theirs else known.offset == IMPORTED
    return known.offset if newer else None


def _edited_at(event: TicketReceived) -> datetime | None:
    """Whatever the desk calls it: many don't say whether a ticket was created or changed."""
    by_webhook = event.kind in (TicketKind.CREATED, TicketKind.UPDATED)
    return event.received_at if by_webhook and not event.closes else None


def _solved_at(event: TicketReceived) -> datetime | None:
    ticket = event.ticket
    return (ticket.updated_at or event.received_at) if event.closes else None


def _clean(text: str) -> str:
    """PostgreSQL's text can't hold NUL."""
    return text.replace("\0", "")
