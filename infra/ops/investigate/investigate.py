"""One investigation: all sources at once, each within its time, and what they say put together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import asyncpg

from infra.ops.investigate.causes import root_cause
from infra.ops.investigate.facts import DESK, KAFKA, POSTGRES, DeskView, Facts, Lane
from infra.ops.investigate.investigation import Investigation
from infra.ops.investigate.lane_reader import LaneReader
from infra.ops.investigate.newest_keys import partition_by_keys
from infra.ops.investigate.partition_reader import KafkaAway
from infra.ops.investigate.rows import Rows, read_rows
from infra.ops.investigate.sources import Sources
from infra.ops.investigate.threads import Threads
from infra.ops.investigate.topics import TicketTopics, Told
from infra.runtime.keys.directory import KeyDirectory
from infra.runtime.keys.rings import KeyRingError
from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.postgres.pool import Pool
from schemas.topics import Stage
from sinks.postgres.credentials import NoCredential
from sinks.postgres.service_keys import ServiceKeys
from sinks.postgres.tenant_settings import TenantSettings
from sinks.servicedesk.types import Refused

AWAY: tuple[type[BaseException], ...] = (
    *UNAVAILABLE,
    KafkaAway,
    NoCredential,
    KeyRingError,
    asyncpg.PostgresError,
    OSError,
)
MOST_THREADS = 5
"""As many as topics are read at once."""
T = TypeVar("T")


async def investigate(sources: Sources, tenant_id: str, ticket_id: str) -> Investigation:
    """What became of the ticket. Reads only. Raises nothing for a source that is away: `missing` names it. Whoever shows the result
    shows the ticket's subject: that is noted down before."""
    facts = await _Gathering(sources, tenant_id, ticket_id).facts()
    return Investigation(facts, root_cause(facts))


@dataclass(slots=True)
class _Gathering:
    sources: Sources
    tenant_id: str
    ticket_id: str
    missing: dict[str, str] = field(default_factory=dict)
    lanes: dict[Stage, Lane] = field(default_factory=dict)
    """Kept as soon as they are known, also where the topics then can't be read in time."""

    async def facts(self) -> Facts:
        self.missing |= self.sources.missing
        rows = await self._rows()
        tenant = rows.tenant
        facts = Facts(self.tenant_id, self.ticket_id, self.sources.clock.now(), tenant)
        if tenant is None and POSTGRES not in self.missing:
            return replace(facts, missing=self.missing)  # there is no such tenant, so nothing of it anywhere
        (lanes, told), desk = await asyncio.gather(self._kafka(rows), self._desk(tenant, rows))
        return replace(
            facts,
            missing=self.missing,
            looked=told.looked,
            not_looked_at=told.not_looked_at,
            arrivals=told.arrivals or rows.arrivals,
            gathered=told.gathered,
            synthesized=told.synthesized,
            delivered=told.delivered,
            contents=rows.contents,
            intents=rows.intents,
            holds=tuple(one for one in rows.holds if _is_true(one.position.offset, lanes.get(one.stage))),
            closing=tuple(one for one in rows.closing if _is_true(one.position.offset, lanes.get(one.stage))),
            breakers=rows.breakers,
            lanes=lanes,
            letters=told.letters,
            refusals=rows.refusals,
            desk=desk,
            opinions=rows.opinions,
            contacts=rows.contacts,
            reconciled=rows.reconciled,
            secrets=rows.secrets,
            subject=rows.subject or told.subject or (desk.subject if desk else ""),
            seen_as_history=rows.seen_as_history,
        )

    async def _rows(self) -> Rows:
        pool = self.sources.pool
        if pool is None:
            self.missing.setdefault(POSTGRES, "it isn't connected to")
            return Rows()
        return await self._within(POSTGRES, lambda: read_rows(pool, self.tenant_id, self.ticket_id), Rows())

    async def _kafka(self, rows: Rows) -> tuple[dict[Stage, Lane], Told]:
        if self.sources.kafka is None:
            self.missing.setdefault(KAFKA, "it isn't named")
            return {}, Told()
        told = await self._within(KAFKA, lambda: self._topics(rows), Told())
        return self.lanes, told

    async def _topics(self, rows: Rows) -> Told:
        with Threads(MOST_THREADS) as threads:
            return await self._in_threads(rows, threads)

    async def _in_threads(self, rows: Rows, threads: Threads) -> Told:
        sources = self.sources
        config, prefix, seconds = sources.kafka or {}, sources.prefix, sources.answer_seconds
        reader = await threads.run(lambda: LaneReader(config, prefix, seconds))
        partition = rows.tenant.partition if rows.tenant else None
        if partition is None:
            partition = await threads.run(lambda: partition_by_keys(reader, config, prefix, self.tenant_id))
        if partition is None:
            raise KafkaAway(
                f"which partition is {self.tenant_id}'s is in the database, and no partition's newest event is its own"
            )
        number = partition
        self.lanes, keys = await asyncio.gather(threads.run(lambda: reader.lanes(number)), _keys(sources.pool))
        topics = TicketTopics(sources, self.tenant_id, self.ticket_id, number, rows, self.lanes, keys)
        return await topics.read(threads)

    async def _desk(self, tenant: TenantSettings | None, rows: Rows) -> DeskView | None:
        if tenant is None or self.sources.desk is None:
            self.missing.setdefault(DESK, "it isn't asked")
            return None
        return await self._within(DESK, lambda: self._asked_desk(tenant, rows), None)

    async def _asked_desk(self, tenant: TenantSettings, rows: Rows) -> DeskView | None:
        desk = self.sources.desk
        assert desk is not None  # noqa: S101 - asked by _desk alone
        view = await desk.ticket(tenant, self.ticket_id)
        if isinstance(view, Refused):
            self.missing[DESK] = view.detail
            return None
        there = await self._note(tenant, rows)
        if isinstance(there, Refused):
            self.missing[DESK] = f"whether the note is there: {there.detail}"
            return view
        return replace(view, note_there=there)

    async def _note(self, tenant: TenantSettings, rows: Rows) -> bool | Refused | None:
        """The newest note by its id; one that may have been written by its marker."""
        desk = self.sources.desk
        assert desk is not None  # noqa: S101 - as above
        done = [one for one in rows.intents if one.note_id and one.done_at]
        if done:
            newest = max(done, key=lambda one: one.done_at or one.created_at)
            return await desk.has_note(tenant, self.ticket_id, newest.note_id or "")
        sent = [one for one in rows.intents if one.state == "sent"]
        return await desk.has_marked_note(tenant, self.ticket_id, sent[-1].marker) if sent else None

    async def _within(self, source: str, ask: Callable[[], Awaitable[T]], otherwise: T) -> T:
        try:
            async with asyncio.timeout(self.sources.answer_seconds):
                return await ask()
        except TimeoutError:
            self.missing[source] = f"it did not answer within {self.sources.answer_seconds:g} s"
        except AWAY as error:
            self.missing[source] = str(error) or type(error).__name__
        return otherwise


async def _keys(pool: Pool | None) -> KeyDirectory | None:
    if pool is None:
        return None
    keys = KeyDirectory(ServiceKeys(pool).load)
    await keys.refresh()
    return keys


def _is_true(offset: int, lane: Lane | None) -> bool:
    """Rows of holds may outlive their events."""
    return lane is None or offset >= lane.next
