"""Which events wait, since when and how often they were tried: in memory, and as rows that the next owner of a lane honours.

Rows are written behind the runner's back: PostgreSQL may be away, and a hold must work all the same.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

from infra.runtime.clock import Clock
from infra.runtime.stream.outcomes import Hold, Scope
from infra.runtime.stream.ports import HeldEvent, HoldStore
from infra.runtime.stream.record import Position
from infra.runtime.telemetry.logs import get_logger
from schemas.reasons import Reason

log = get_logger(__name__)

FAILURES_ALONE = 5
MAX_HELD_TENANTS = 10_000
TENANT_APPEARS_WITHIN = timedelta(seconds=60)
"""A tenant that was just created shows within 5 s; a partition that has no owner after this never had one."""
BRIEF = frozenset({Reason.ANSWER_PENDING, Reason.RETRY})
"""Holds of a second or so, which another owner need not know."""
ITS_OWN_FAULT = frozenset({Reason.DESK_UNAVAILABLE, Reason.MODEL_UNAVAILABLE, Reason.NOTE_UNCERTAIN})
"""Holds that, when all others of the tenant succeed, are the event's own doing."""


@dataclass(slots=True)
class _Entry:
    held: HeldEvent
    successes_before: int
    saved: bool = False


@dataclass(slots=True)
class HoldBook:
    """One stage's holds. `max_age` is the time from an event's first failure to its dead letter."""

    stage: str
    store: HoldStore
    clock: Clock
    max_age: timedelta = timedelta(hours=24)
    _entries: dict[Position, _Entry] = field(default_factory=dict)
    _loaded: set[str] = field(default_factory=set)
    _successes: dict[str, int] = field(default_factory=dict)
    _unsaved: set[Position] = field(default_factory=set)
    _cleared: dict[Position, HeldEvent] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def waiting_for(self, tenant_id: str, position: Position, ticket_id: str) -> tuple[float, Scope] | None:
        """Seconds for which a hold found by an earlier owner still closes this event's lane or ticket."""
        if tenant_id not in self._loaded:
            await self._load(tenant_id)
        now = self.clock.now()
        closing = [
            entry.held
            for entry in self._entries.values()
            if entry.held.tenant_id == tenant_id
            and entry.held.until > now
            and (entry.held.scope is Scope.LANE or entry.held.ticket_id == ticket_id)
        ]
        if not closing:
            return None
        latest = max(closing, key=lambda held: held.until)
        own = position in self._entries
        # Others are put back as if only their ticket waited: the lane must reopen with the event that closed it.
        return (latest.until - now).total_seconds(), latest.scope if own else Scope.TICKET

    def held(self, hold: Hold, *, tenant_id: str, position: Position, ticket_id: str, event_id: str) -> HeldEvent:
        """Note a failure; the entry with its attempts and first failure."""
        now = self.clock.now()
        entry = self._entries.get(position)
        first, attempts = (entry.held.first_failed_at, entry.held.attempts) if entry else (now, 0)
        held = HeldEvent(
            tenant_id=tenant_id,
            stage=self.stage,
            topic=position.topic,
            partition=position.partition,
            offset=position.offset,
            ticket_id=ticket_id,
            event_id=event_id,
            scope=hold.scope,
            reason=hold.reason.value,
            detail=hold.detail[:2000],
            until=now + timedelta(seconds=hold.retry_after),
            first_failed_at=first,
            attempts=attempts + 1,
        )
        if entry:
            entry.held = held
        else:
            self._entries[position] = _Entry(held, self._successes.get(tenant_id, 0))
        if hold.reason not in BRIEF:
            self._unsaved.add(position)
            self._wake.set()
        return held

    def given_up(self, held: HeldEvent) -> Reason | None:
        """Why this event is not to be held any longer, if so."""
        if self.clock.now() - held.first_failed_at > self.max_age:
            return Reason.HELD_TOO_LONG
        if held.reason == Reason.TENANT_UNKNOWN and self.clock.now() - held.first_failed_at > TENANT_APPEARS_WITHIN:
            return Reason.WRONG_PARTITION
        entry = self._entries.get(Position(held.topic, held.partition, held.offset))
        others_succeed = entry is not None and self._successes.get(held.tenant_id, 0) > entry.successes_before
        if held.attempts >= FAILURES_ALONE and others_succeed and Reason(held.reason) in ITS_OWN_FAULT:
            return Reason.FAILS_ALONE
        return None

    def find(self, position: Position) -> HeldEvent | None:
        entry = self._entries.get(position)
        return entry.held if entry else None

    def settled(self, position: Position, tenant_id: str, *, succeeded: bool) -> None:
        """The event is wholly handled; its row, if it has one, is no longer true."""
        if succeeded:
            self._successes[tenant_id] = self._successes.get(tenant_id, 0) + 1
        entry = self._entries.pop(position, None)
        self._unsaved.discard(position)
        if entry and entry.saved:
            self._cleared[position] = entry.held
            self._wake.set()

    def forget(self) -> None:
        """Partitions were revoked: what is in memory may be another owner's soon. Rows stay."""
        self._entries.clear()
        self._loaded.clear()
        self._unsaved.clear()

    @property
    def count(self) -> int:
        return len(self._entries)

    async def write_behind(self) -> None:
        """For ever: save and clear rows; while PostgreSQL is away, try again every two seconds."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except Exception as error:
                log.warning("holds not saved yet", error=repr(error), waiting=len(self._unsaved))
                await asyncio.sleep(2)
                self._wake.set()

    async def flush(self) -> None:
        for position in list(self._unsaved):
            if entry := self._entries.get(position):
                await self.store.save(entry.held)
                entry.saved = True
            self._unsaved.discard(position)
        for position, held in list(self._cleared.items()):
            await self.store.clear(held)
            self._cleared.pop(position, None)

    async def _load(self, tenant_id: str) -> None:
        if len(self._loaded) > MAX_HELD_TENANTS:
            self._loaded.clear()
        self._loaded.add(tenant_id)
        try:
            rows = await self.store.load(tenant_id, self.stage)
        except Exception as error:
            log.warning(
                "holds of the tenant could not be read: going on without", tenant_id=tenant_id, error=repr(error)
            )
            return
        for held in rows:
            position = Position(held.topic, held.partition, held.offset)
            if position not in self._entries:
                entry = _Entry(replace(held), self._successes.get(tenant_id, 0), saved=True)
                self._entries[position] = entry
