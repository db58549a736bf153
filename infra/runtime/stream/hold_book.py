"""Which events wait, since when and how often they were tried: in memory, and as rows that the next owner of a lane honours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf
from random import Random
from typing import NamedTuple

from infra.runtime.clock import Clock
from infra.runtime.stream.breaker import Breakers, BreakerState, LaneBreaker
from infra.runtime.stream.hold_rows import RowReader, RowWriter
from infra.runtime.stream.outcomes import Hold, Scope
from infra.runtime.stream.ports import HeldEvent, HoldStore
from infra.runtime.stream.record import Position
from schemas.reasons import Reason

FAILURES_ALONE = 5
SAVE_AGAIN = 2.0
KEY_APPEARS_WITHIN = timedelta(hours=1)
"""Keys are published ten minutes before they sign; a forged record must not fill its tenant's window for a day."""
TENANT_APPEARS_WITHIN = timedelta(seconds=60)
"""A tenant that was just created shows within 5 s; a partition that has no owner after this never had one."""
BRIEF = frozenset({Reason.ANSWER_PENDING, Reason.RETRY, Reason.GATHERING})
"""Holds of some seconds, which another owner need not know."""
TRIPS = frozenset({Reason.DESK_UNAVAILABLE, Reason.DESK_RATE_LIMITED, Reason.DESK_CREDENTIAL_REFUSED})
"""Holds of a lane that its breaker counts. The model's breaker is synthesize's own: it is the provider's, not the tenant's."""
GENTLY: Mapping[str, float] = {
    **dict.fromkeys(TRIPS, inf),
    Reason.MODEL_UNAVAILABLE: 5.0,
    Reason.MODEL_RATE_LIMITED: 5.0,
    Reason.DATABASE_UNAVAILABLE: 0.25,
}
"""After which holds a lane reopens with one event, and the seconds in which that doubles even if none is done. A model takes up to
45 s for an answer and refuses at once; PostgreSQL is everybody's, so a lane must not wait for it once it is back. Other holds end
at once for all: where a tenant was disabled nothing has to recover."""
UNPROVEN = frozenset({Reason.KEY_UNKNOWN, Reason.TENANT_UNKNOWN})
ITS_OWN_FAULT = frozenset({Reason.DESK_UNAVAILABLE, Reason.MODEL_UNAVAILABLE, Reason.NOTE_UNCERTAIN})
"""Holds that, when all others of the tenant succeed, are the event's own doing."""


class Waiting(NamedTuple):
    """As in `lanes.Later`."""

    seconds: float
    scope: Scope
    gently: float | None = None


@dataclass(slots=True)
class _Entry:
    """`alone`: how many of such failures came one after another, with a success of the tenant's between each two. In memory only:
    the next owner counts anew, which costs a few tries and sets nothing aside too early."""

    held: HeldEvent
    alone: int = 0
    successes: int = -1
    """The tenant's at the last such failure."""

    def failed_itself(self, successes: int) -> None:
        self.alone = self.alone + 1 if successes > self.successes else 1
        self.successes = successes


@dataclass(slots=True)
class HoldBook:
    """One stage's holds. `max_age` is the time from an event's first failure to its dead letter."""

    stage: str
    store: HoldStore
    clock: Clock
    max_age: timedelta = timedelta(hours=24)
    save_again: float = SAVE_AGAIN
    committed: Callable[[Position], int | None] = lambda _: None
    """The first offset of the position's partition that isn't handled; None if that isn't known."""
    random: Random = field(default_factory=Random)
    breakers: Breakers = field(init=False)
    _entries: dict[Position, _Entry] = field(default_factory=dict)
    _successes: dict[str, int] = field(default_factory=dict)
    _writer: RowWriter = field(init=False)
    _reader: RowReader = field(init=False)

    def __post_init__(self) -> None:
        self.breakers = Breakers(self.stage, self.clock, self.random)
        self._writer = RowWriter(self.store, self.breakers, self.find, self.save_again)
        self._reader = RowReader(self.stage, self.store, self.clock, lambda at: self.committed(at), self._take)

    async def waiting_for(self, tenant_id: str, position: Position, ticket_id: str) -> Waiting | None:
        """For how long a hold found by an earlier owner still closes this event's lane or ticket."""
        asked_at_once = not self._reader.has_read(tenant_id)
        await self._reader.read(tenant_id, position)
        now = self.clock.now()
        closing = [
            entry.held
            for at, entry in self._entries.items()
            if entry.held.tenant_id == tenant_id
            and entry.held.until > now
            and (at == position or _closes(entry.held, ticket_id))
        ]
        if not closing:
            # All that started while the rows were read: the lane is half open, so one of them tries and the others wait for it.
            inherited = asked_at_once and self.breakers.row(tenant_id).state is BreakerState.HALF_OPEN
            return Waiting(0.0, Scope.TICKET, inf) if inherited else None
        latest = max(closing, key=lambda held: held.until)
        own = position in self._entries
        # Others are put back as if only their ticket waited: the lane must reopen with the event that closed it.
        return Waiting((latest.until - now).total_seconds(), latest.scope if own else Scope.TICKET, _gently(latest))

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
            until=now + timedelta(seconds=self._seconds(hold, tenant_id)),
            first_failed_at=first,
            attempts=attempts + 1,
            deaths=entry.held.deaths if entry else 0,
        )
        entry = self._entries.setdefault(position, _Entry(held))
        entry.held = held
        if hold.reason in ITS_OWN_FAULT:
            entry.failed_itself(self._successes.get(tenant_id, 0))
        if hold.reason not in BRIEF:
            self._writer.save(position)
        return held

    def waiting(self, held: HeldEvent) -> Waiting:
        return Waiting((held.until - self.clock.now()).total_seconds(), held.scope, _gently(held))

    def _seconds(self, hold: Hold, tenant_id: str) -> float:
        """For how long: others' servers say `Retry-After` as they please, so never longer than an event may be held."""
        longest = self.max_age.total_seconds()
        asked = min(max(hold.retry_after, 0.0), longest) if hold.retry_after == hold.retry_after else 0.0
        if hold.scope is Scope.LANE and hold.reason in TRIPS:
            return self.breakers.failed(tenant_id, asked=asked, at_most=longest)
        return asked

    def given_up(self, held: HeldEvent) -> Reason | None:
        """Why this event is not to be held any longer, if so."""
        age = self.clock.now() - held.first_failed_at
        if age > self.max_age or (held.reason == Reason.KEY_UNKNOWN and age > KEY_APPEARS_WITHIN):
            return Reason.HELD_TOO_LONG
        if held.reason == Reason.TENANT_UNKNOWN and age > TENANT_APPEARS_WITHIN:
            return Reason.WRONG_PARTITION
        entry = self._entries.get(Position(held.topic, held.partition, held.offset))
        return Reason.FAILS_ALONE if entry and entry.alone >= FAILURES_ALONE else None

    def find(self, position: Position) -> HeldEvent | None:
        entry = self._entries.get(position)
        return entry.held if entry else None

    def settled(self, position: Position, tenant_id: str, *, succeeded: bool) -> None:
        """The event is wholly handled; its row, if it has one, is no longer true."""
        if succeeded:
            self.breakers.succeeded(tenant_id)
            self._writer.save_breakers()
            self._successes[tenant_id] = self._successes.get(tenant_id, 0) + 1
        if entry := self._entries.pop(position, None):
            self._writer.settled(position, entry.held)

    def forget(self) -> None:
        """Partitions were revoked: what is in memory may be another owner's soon. Rows stay."""
        self._entries.clear()
        self._writer.forget()
        self._reader.forget()
        self.breakers.forget()

    def reopen(self, tenant_id: str) -> bool:
        """What closed the tenant's lane may be over: it is to be tried again now. Whether there was anything."""
        now, found = self.clock.now(), False
        for position, entry in self._entries.items():
            if (entry.held.tenant_id, entry.held.scope) == (tenant_id, Scope.LANE) and entry.held.until > now:
                entry.held, found = replace(entry.held, until=now), True
                self._writer.save(position)
        if found:
            self.breakers.reopen(tenant_id)
            self._writer.save_breakers()
        return found

    def erase(self, partition: int) -> None:
        """The partition's tenant is erased: nothing is known of its events any more, and their rows are cleared."""
        gone = [position for position in self._entries if position.partition == partition]
        for position in gone:
            self._writer.settled(position, self._entries.pop(position).held)

    @property
    def count(self) -> int:
        return len(self._entries)

    def counts(self) -> Counter[tuple[str, str]]:
        """Events that failed and aren't settled, by tenant (empty where it isn't proven) and reason."""
        held = (entry.held for entry in self._entries.values())
        return Counter(("" if one.reason in UNPROVEN else one.tenant_id, one.reason) for one in held)

    def closed(self) -> dict[str, int]:
        """Tenants whose lane is closed now, with their partition."""
        now, held = self.clock.now(), (entry.held for entry in self._entries.values())
        return {one.tenant_id: one.partition for one in held if one.scope is Scope.LANE and one.until > now}

    async def write_behind(self) -> None:
        """For ever: save and clear rows."""
        await self._writer.run()

    async def flush(self) -> None:
        """Raises what says that PostgreSQL is away, and keeps what is left to do."""
        await self._writer.flush()

    def _take(self, rows: Sequence[HeldEvent], breaker: LaneBreaker | None) -> None:
        for held in rows:
            self._remember(held)
        if breaker is not None:
            self.breakers.remember(breaker)

    def _remember(self, row: HeldEvent) -> None:
        position = Position(row.topic, row.partition, row.offset)
        self._writer.has_row(position)
        entry = self._entries.get(position)
        if entry is None:
            self._entries[position] = _Entry(row)
            return
        first, attempts = min(entry.held.first_failed_at, row.first_failed_at), max(entry.held.attempts, row.attempts)
        deaths = max(entry.held.deaths, row.deaths)
        entry.held = replace(entry.held, first_failed_at=first, attempts=attempts, deaths=deaths)


def _gently(held: HeldEvent) -> float | None:
    return GENTLY.get(held.reason) if held.scope is Scope.LANE else None


def _closes(held: HeldEvent, ticket_id: str) -> bool:
    """Whether others of this ticket wait too."""
    return held.scope is Scope.LANE or (held.scope is Scope.TICKET and held.ticket_id == ticket_id)
