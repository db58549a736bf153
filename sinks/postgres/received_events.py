"""Which webhooks' events were received, where they stood, and whether they are done with: how a copy is told from a redelivery."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass
from enum import StrEnum

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, database_span, tenant_call
from infra.runtime.stream.record import Position
from schemas.events import TicketReceived


class Admission(StrEnum):
    FRESH = "fresh"
    COPY = "copy"
    CONFLICT = "conflict"


_ADMIT = "SELECT admit_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_MARK = "SELECT mark_event($1, $2, $3, $4)"
_MARK_ALL = "SELECT mark_events($1, $2, $3, $4)"
MOST_MARKS = 64


@dataclass(frozen=True, slots=True)
class _Mark:
    """A row to be marked; `marked` becomes false where another transaction holds it."""

    row: tuple[str, str, str, str | None]
    marked: asyncio.Future[bool]


class ReceivedEvents:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asked: list[_Mark] = []
        self._marking: asyncio.Task[None] | None = None

    async def admit(self, event: TicketReceived, position: Position, body_hash: str) -> Admission:
        """FRESH: never seen, or seen at this position, or seen elsewhere and not done with: handle it. COPY: it stood elsewhere,
        had the same body and is done with. CONFLICT: the same id stood elsewhere with another body.

        Dropping whatever has a row would lose the event whose worker died between the row and its output. What stands at its own
        position is the same record, whatever its hash: another release may make another hash of it."""
        rows = await tenant_call(
            self._pool, _ADMIT, event.tenant_id, event.event_id, event.ticket_id, event.kind.value, position.topic,
            position.partition, position.offset, body_hash, event.received_at, event.replay_of,
        )  # fmt: skip
        return admission(rows[0][0])

    async def mark(self, tenant_id: str, event_id: str, outcome: str, reason: str | None) -> None:
        """The event is done with: `outcome` is "published" or "dropped". May be said again; the first word stays.

        What is asked for while one statement is under way goes together in the next, whichever tenant's it is."""
        row = (tenant_id, event_id, outcome, reason)
        asked = _Mark(row, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._marking is None:
            self._marking = asyncio.create_task(self._mark_all(), context=Context())  # no single event's
        with database_span("SELECT mark_events"):
            marked = await asked.marked
        if not marked:
            await tenant_call(self._pool, _MARK, *row)

    async def _mark_all(self) -> None:
        try:
            while self._asked:
                group, self._asked = self._asked[:MOST_MARKS], self._asked[MOST_MARKS:]
                await self._mark_group(group)
        finally:
            self._marking = None

    async def _mark_group(self, group: list[_Mark]) -> None:
        try:
            async with connection(self._pool) as connected:  # the function takes one tenant after the other
                rows = await connected.fetch(_MARK_ALL, *zip(*(asked.row for asked in group), strict=True))
        except Exception as error:
            for asked in group:
                if not asked.marked.done():
                    asked.marked.set_exception(error)
            return
        marked = {row[0] for row in rows}
        for place, asked in enumerate(group, 1):
            if not asked.marked.done():
                asked.marked.set_result(place in marked)


def admission(said: str | None) -> Admission:
    """What the database's `admit_event` says."""
    if said is None:
        raise LookupError("an event that was just received is gone: its tenant was erased meanwhile")
    return Admission(said)
