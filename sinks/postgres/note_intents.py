"""What deliver means to write, may be writing and has written: the rows that make a note once only, as far as rows can.

`pending` → the desk surely has nothing; `sent` → it may have the note, so the marker is looked for first; `done` → it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction
from schemas.reasons import Reason

LEASE_SECONDS = 30
MOST_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class NoteKey:
    """One note that is to be. `marker` is derived from what makes it one, so (tenant, marker) is the row's key; `event_id` is
    the input that asks for it now."""

    tenant_id: str
    ticket_id: str
    content_hash: str
    marker: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended for the input `event_id`: posted as `note_id`, or dropped for `reason`."""

    event_id: str
    at: datetime
    note_id: str | None = None
    reason: Reason | None = None


class IntentState(StrEnum):
    PENDING = "pending"  # nothing was sent to the desk
    SENT = "sent"  # something may have been: look before writing
    DONE = "done"  # the note is on the ticket, or this input was dropped


@dataclass(frozen=True, slots=True)
class Intent:
    """`ending` is there exactly when the state is done. `earlier` is our latest note on the ticket about other content.
    `sent_ago`, there exactly when the state is sent, is how many seconds ago the last call to the desk began. `others_lately` is
    how many other notes of ours were put on the ticket within 24 hours, those that may have been included."""

    state: IntentState
    ending: Ending | None = None
    earlier: Ending | None = None
    sent_ago: float | None = None
    others_lately: int = 0


@dataclass(frozen=True, slots=True)
class Busy:
    """Another owner is at work on a note of this ticket."""


_INSERT = """
INSERT INTO note_intents (tenant_id, marker, ticket_id, content_hash, event_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, marker) DO NOTHING
"""
_READ = """
SELECT intent.state, intent.event_id::text AS event_id, intent.note_id, intent.done_at, dropped.reason, dropped.dropped_at,
    CASE state WHEN 'sent' THEN greatest(0, extract(epoch FROM clock_timestamp() - intent.sent_at))::float8 END AS sent_ago
FROM note_intents intent LEFT JOIN note_drops dropped ON dropped.tenant_id = intent.tenant_id AND dropped.event_id = $3
WHERE intent.tenant_id = $1 AND intent.marker = $2
"""
_EARLIER = """
SELECT event_id::text AS event_id, note_id, done_at FROM note_intents
WHERE tenant_id = $1 AND ticket_id = $2 AND marker <> $3 AND state = 'done' ORDER BY done_at DESC LIMIT 1
"""
_OTHERS_LATELY = """
SELECT count(*) FROM note_intents WHERE tenant_id = $1 AND ticket_id = $2 AND marker <> $3
    AND coalesce(sent_at, done_at) > now() - interval '24 hours'
"""
_LEASE = f"""
INSERT INTO note_leases AS lease (tenant_id, ticket_id, owner, until)
VALUES ($1, $2, $3, now() + interval '{LEASE_SECONDS} seconds')
ON CONFLICT (tenant_id, ticket_id) DO UPDATE SET owner = excluded.owner, until = excluded.until
WHERE lease.until < now() OR lease.owner = excluded.owner RETURNING owner
"""  # noqa: S608 — a constant of ours
_RENEW = f"""
UPDATE note_leases SET until = now() + interval '{LEASE_SECONDS} seconds'
WHERE tenant_id = $1 AND ticket_id = $2 AND owner = $3 RETURNING owner
"""  # noqa: S608
_RELEASE = "DELETE FROM note_leases WHERE tenant_id = $1 AND ticket_id = $2 AND owner = $3"
_SENT = (
    "UPDATE note_intents SET state = 'sent', sent_at = now() WHERE tenant_id = $1 AND marker = $2 AND state <> 'done'"
)
_WITHDRAW = (
    "UPDATE note_intents SET state = 'pending', sent_at = NULL WHERE tenant_id = $1 AND marker = $2 AND state = 'sent'"
)
_POSTED = """
UPDATE note_intents SET state = 'done', note_id = $3, done_at = $4, event_id = $5
WHERE tenant_id = $1 AND marker = $2 AND state <> 'done'
"""
_DROP = """
INSERT INTO note_drops (tenant_id, event_id, marker, reason, dropped_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, event_id) DO NOTHING
"""


class NoteIntents:
    """A lease per tenant and ticket, of 30 s unless renewed, so that a dead worker's tickets come free. Raises
    PostgresUnavailable when PostgreSQL is away; whose lease it is, and how long ago the desk was called, goes by PostgreSQL's
    clock alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._let_go: set[str] = set()

    async def claim(self, key: NoteKey, owner: str) -> Intent | Busy:
        """The row, made if there is none, and the lease if it was free, run out or this owner's. What is done is returned
        whoever holds the lease, and takes none: posted for this key by any input, or dropped for this very input."""
        async with tenant_transaction(self._pool, key.tenant_id) as connection:
            await connection.execute(_INSERT, key.tenant_id, key.marker, key.ticket_id, key.content_hash, key.event_id)
            if ending := _ending(await _row(connection, key), key):
                return Intent(IntentState.DONE, ending)
            if await connection.fetchval(_LEASE, key.tenant_id, key.ticket_id, owner) is None:
                return Busy()
            self._let_go.discard(owner)
            # Again under the lease: the last owner may have ended it between the look and the lease.
            claimed = await _row(connection, key)
            if ending := _ending(claimed, key):
                await connection.execute(_RELEASE, key.tenant_id, key.ticket_id, owner)
                return Intent(IntentState.DONE, ending)
            others = (key.tenant_id, key.ticket_id, key.marker)
            earlier = await connection.fetchrow(_EARLIER, *others)
            return Intent(
                IntentState(claimed["state"]),
                earlier=_posted(earlier) if earlier else None,
                sent_ago=claimed["sent_ago"],
                others_lately=await connection.fetchval(_OTHERS_LATELY, *others),
            )

    async def renew(self, key: NoteKey, owner: str) -> bool:
        """Whether the lease was still this owner's; if so it lasts another 30 s."""
        async with tenant_transaction(self._pool, key.tenant_id) as connection:
            return await _renewed(connection, key, owner)

    async def sent(self, key: NoteKey, owner: str) -> bool:
        """Note down, before the desk is called, that it may have the note from now on. False, and nothing noted, if the lease
        isn't this owner's any more; else it lasts another 30 s."""
        async with tenant_transaction(self._pool, key.tenant_id) as connection:
            if not await _renewed(connection, key, owner):
                return False
            await connection.execute(_SENT, key.tenant_id, key.marker)
            return True

    async def withdraw(self, key: NoteKey, owner: str) -> None:
        """Back to pending: the desk surely has nothing. Nothing happens if the lease isn't this owner's."""
        async with tenant_transaction(self._pool, key.tenant_id) as connection:
            if await _renewed(connection, key, owner):
                await connection.execute(_WITHDRAW, key.tenant_id, key.marker)

    async def done(self, key: NoteKey, ending: Ending, owner: str) -> Ending:
        """Keep the ending and end this owner's lease. Returns the ending that is kept: the first note wins over everything, and the
        first drop of an input over later ones of the same input."""
        async with tenant_transaction(self._pool, key.tenant_id) as connection:
            if ending.note_id is not None:
                await connection.execute(_POSTED, key.tenant_id, key.marker, ending.note_id, ending.at, ending.event_id)
            elif ending.reason is not None:
                await connection.execute(
                    _DROP, key.tenant_id, ending.event_id, key.marker, ending.reason.value, ending.at
                )
            await connection.execute(_RELEASE, key.tenant_id, key.ticket_id, owner)
            kept = _ending(await _row(connection, key), key) or ending
        self._remember_let_go(owner)
        return kept

    def _remember_let_go(self, owner: str) -> None:
        """An owner is one try, so it takes no lease again. Forgetting costs a needless statement."""
        if len(self._let_go) >= MOST_REMEMBERED:
            self._let_go.clear()
        self._let_go.add(owner)

    async def release(self, key: NoteKey, owner: str) -> None:
        """End this owner's lease. Nothing happens if it isn't this owner's, as after `done`."""
        if owner in self._let_go:
            self._let_go.discard(owner)
            return
        async with tenant_transaction(self._pool, key.tenant_id) as connection:
            await connection.execute(_RELEASE, key.tenant_id, key.ticket_id, owner)


async def _row(connection: Connection, key: NoteKey) -> asyncpg.Record:
    row = await connection.fetchrow(_READ, key.tenant_id, key.marker, key.event_id)
    if row is None:
        raise LookupError(f"the intent {key.marker} is gone: its tenant was erased meanwhile")
    return row


def _ending(row: asyncpg.Record, key: NoteKey) -> Ending | None:
    if row["state"] == IntentState.DONE.value:
        return _posted(row)
    return Ending(key.event_id, row["dropped_at"], reason=Reason(row["reason"])) if row["dropped_at"] else None


def _posted(row: asyncpg.Record) -> Ending:
    return Ending(row["event_id"], row["done_at"], note_id=row["note_id"])


async def _renewed(connection: Connection, key: NoteKey, owner: str) -> bool:
    return await connection.fetchval(_RENEW, key.tenant_id, key.ticket_id, owner) is not None
