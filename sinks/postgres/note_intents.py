"""What deliver means to write, may be writing and has written: the rows that make a note once only, as far as rows can.

`pending` → the desk surely has nothing; `sent` → it may have the note, so the marker is looked for first; `done` → it is there.
Each step is one call of a function in the database (migrations 0015, 0017 and 0021), which says there what it does to the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_call
from schemas.events import EnhancementSynthesized
from schemas.reasons import Reason
from sinks.postgres.enhancements import written_by

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
    how many other notes of ours were put on the ticket within 24 hours, those that may have been included. `noted`: the desk may
    be called now, as after `sent`."""

    state: IntentState
    ending: Ending | None = None
    earlier: Ending | None = None
    sent_ago: float | None = None
    others_lately: int = 0
    noted: bool = False


@dataclass(frozen=True, slots=True)
class Busy:
    """Another owner is at work on a note of this ticket."""


class Sent(StrEnum):
    """Whether the desk may be called now."""

    NOTED = "noted"  # it may, and it may have the note from now on
    LEASE_LOST = "lease_lost"  # another owner is at work on the ticket, or may be soon
    SUPERSEDED = "superseded"  # the ticket says something else now, which is noted down


_CLAIM = "SELECT * FROM claim_note($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
_RENEW = "SELECT renew_note_lease($1, $2, $3, $4)"
_RELEASE = "SELECT end_note_lease($1, $2, $3)"
_SENT = "SELECT note_sent($1, $2, $3, $4, $5, $6)"
_WITHDRAW = "SELECT note_withdrawn($1, $2, $3, $4, $5)"
_DONE = "SELECT * FROM note_done($1, $2, $3, $4, $5, $6, $7, $8, $9)"
BUSY = "busy"


class NoteIntents:
    """A lease per tenant and ticket, of 30 s unless renewed, so that a dead worker's tickets come free. Raises
    PostgresUnavailable when PostgreSQL is away; whose lease it is, and how long ago the desk was called, goes by PostgreSQL's
    clock alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._let_go: set[str] = set()

    async def claim(
        self, key: NoteKey, owner: str, event: EnhancementSynthesized, *, to_send_below: int | None = None
    ) -> Intent | Busy:
        """The row, made if there is none, and the lease if it was free, run out or this owner's. What is done is returned
        whoever holds the lease, and takes none: posted for this key by any input, or dropped for this very input. Where it is
        claimed, the enhancement's row says what wrote it, also if synthesize came to its end before it noted that down.

        With `to_send_below` it is also noted down, as by `sent`, that the desk may have the note from now on: if the state is
        pending, `others_lately` is below that number and the ticket doesn't say something else."""
        terms = (owner, LEASE_SECONDS, to_send_below)
        claimed = await self._row(_CLAIM, key, key.content_hash, key.marker, key.event_id, *terms, *written_by(event))
        if claimed["intent"] == BUSY:
            return Busy()
        if ending := _ending(claimed):
            return Intent(IntentState.DONE, ending)
        self._let_go.discard(owner)
        earlier = None
        if claimed["earlier_at"] is not None:
            earlier = Ending(claimed["earlier_event"], claimed["earlier_at"], note_id=claimed["earlier_note"])
        state = IntentState(claimed["intent"])
        return Intent(state, None, earlier, claimed["sent_ago"], claimed["others_lately"], claimed["noted"])

    async def renew(self, key: NoteKey, owner: str) -> bool:
        """Whether the lease was still this owner's; if so it lasts another 30 s."""
        return bool(await self._value(_RENEW, key, owner, LEASE_SECONDS))

    async def sent(self, key: NoteKey, owner: str) -> Sent:
        """Note down, right before the desk is called, that it may have the note from now on; the lease lasts another 30 s. Nothing
        of it if the lease isn't this owner's any more, or if the ticket says something else by now: the latter is noted down as
        `Enhancements.superseded` does, which waits for an edit that is being stored."""
        return Sent(str(await self._value(_SENT, key, key.content_hash, key.marker, owner, LEASE_SECONDS)))

    async def withdraw(self, key: NoteKey, owner: str) -> None:
        """Back to pending: the desk surely has nothing. Nothing happens if the lease isn't this owner's."""
        await self._value(_WITHDRAW, key, key.marker, owner, LEASE_SECONDS)

    async def done(self, key: NoteKey, ending: Ending, owner: str) -> Ending:
        """Keep the ending, end this owner's lease and have the enhancement's row say how it ended. Returns the ending that is kept:
        the first note wins over everything, and the first drop of an input over later ones of the same input."""
        reason = ending.reason.value if ending.reason else None
        how = (ending.event_id, owner, ending.at, ending.note_id, reason)
        kept = _ending(await self._row(_DONE, key, key.content_hash, key.marker, *how))
        self._remember_let_go(owner)
        return kept or ending

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
        await self._value(_RELEASE, key, owner)

    async def _row(self, statement: str, key: NoteKey, *arguments: object) -> asyncpg.Record:
        (row,) = await tenant_call(self._pool, statement, key.tenant_id, key.ticket_id, *arguments)
        if row["intent"] is None:
            raise LookupError(f"the intent {key.marker} is gone: its tenant was erased meanwhile")
        return row

    async def _value(self, statement: str, key: NoteKey, *arguments: object) -> object:
        (row,) = await tenant_call(self._pool, statement, key.tenant_id, key.ticket_id, *arguments)
        return row[0]


def _ending(row: asyncpg.Record) -> Ending | None:
    if row["intent"] != IntentState.DONE.value:
        return None
    reason = None if row["why"] is None else Reason(row["why"])
    return Ending(row["by_event"], row["at"], note_id=row["note"], reason=reason)
