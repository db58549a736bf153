"""The rows of holds and of breakers, behind the runner's back: PostgreSQL may be away, and a hold must work all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from infra.runtime.clock import Clock
from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.stream.breaker import Breakers, LaneBreaker
from infra.runtime.stream.ports import HeldEvent, HoldStore
from infra.runtime.stream.record import Position
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

MAX_TENANTS = 10_000
READ_AGAIN = timedelta(seconds=5)
AWAY: tuple[type[BaseException], ...] = (*UNAVAILABLE, OSError, TimeoutError)


@dataclass(slots=True)
class RowWriter:
    """Saves and clears what it is told of; `current` is what is known of an event by then. While PostgreSQL is away it tries again
    every `save_again` seconds."""

    store: HoldStore
    breakers: Breakers
    current: Callable[[Position], HeldEvent | None]
    save_again: float
    _unsaved: set[Position] = field(default_factory=set)
    _with_row: set[Position] = field(default_factory=set)
    _cleared: dict[Position, HeldEvent] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def save(self, position: Position) -> None:
        self._unsaved.add(position)
        self._wake.set()

    def save_breakers(self) -> None:
        if self.breakers.unsaved:
            self._wake.set()

    def has_row(self, position: Position) -> None:
        self._with_row.add(position)

    def settled(self, position: Position, held: HeldEvent) -> None:
        """The event is done with: its row, if it has one, is no longer true."""
        self._unsaved.discard(position)
        if position in self._with_row:
            self._with_row.discard(position)
            self._cleared[position] = held
            self._wake.set()

    def forget(self) -> None:
        """What isn't saved yet stays so; rows stay."""
        self._unsaved.clear()
        self._with_row.clear()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except Exception as error:
                log.warning("holds not saved yet", error=repr(error), waiting=len(self._unsaved))
                await asyncio.sleep(self.save_again)
                self._wake.set()

    async def flush(self) -> None:
        """Raises what says that PostgreSQL is away, and keeps what is left to do."""
        for position in list(self._unsaved):
            self._unsaved.discard(position)  # before the answer: the event may be held once more meanwhile
            if held := self.current(position):
                self._with_row.add(position)  # and it may be settled: its row must be cleared then
                try:
                    await self._written(self.store.save(held), held.tenant_id, held.event_id)
                except AWAY:
                    self._unsaved.add(position)
                    raise
        for position, held in list(self._cleared.items()):
            await self._written(self.store.clear(held), held.tenant_id, held.event_id)
            self._cleared.pop(position, None)
        for tenant_id in self.breakers.take_unsaved():
            try:
                await self._written(self.store.save_breaker(self.breakers.row(tenant_id)), tenant_id)
            except AWAY:
                self.breakers.not_saved(tenant_id)
                raise

    async def _written(self, writing: Awaitable[None], tenant_id: str, event_id: str = "") -> None:
        """A row that PostgreSQL refuses is given up: all others would wait behind it. The hold itself goes on in memory."""
        try:
            await writing
        except AWAY:
            raise
        except Exception as error:
            log.error("row of a hold refused", tenant_id=tenant_id, event_id=event_id, error=repr(error))


@dataclass(slots=True)
class _Reading:
    """Of a tenant's rows. The task's result: whether PostgreSQL gave them."""

    task: asyncio.Task[bool]
    began: datetime


@dataclass(slots=True)
class RowReader:
    """A tenant's rows, read once, and given to `take`. `committed` says what of the position's partition is handled: older rows are
    swept."""

    stage: str
    store: HoldStore
    clock: Clock
    committed: Callable[[Position], int | None]
    take: Callable[[Sequence[HeldEvent], LaneBreaker | None], None]
    _readings: dict[str, _Reading] = field(default_factory=dict)
    _revokes: int = 0

    def has_read(self, tenant_id: str) -> bool:
        reading = self._readings.get(tenant_id)
        return bool(reading and reading.task.done())

    def forget(self) -> None:
        self._readings.clear()
        self._revokes += 1

    async def read(self, tenant_id: str, position: Position) -> None:
        """Events that come meanwhile wait for the same reading. Later again if PostgreSQL is away."""
        now, reading = self.clock.now(), self._readings.get(tenant_id)
        if reading and reading.task.done() and not reading.task.result() and now - reading.began >= READ_AGAIN:
            reading = None
        if reading is None:
            if len(self._readings) > MAX_TENANTS:
                self._readings.clear()
            reading = self._readings[tenant_id] = _Reading(
                asyncio.create_task(self._load(tenant_id, position, self._revokes)), now
            )
        await asyncio.shield(reading.task)

    async def _load(self, tenant_id: str, position: Position, revokes: int) -> bool:
        committed = self.committed(position)
        try:
            if committed is not None:
                await self.store.sweep(tenant_id, self.stage, replace(position, offset=committed))
            rows = await self.store.load(tenant_id, self.stage)
            breaker = await self.store.breaker(tenant_id, self.stage)
        except Exception as error:
            log.warning(
                "holds of the tenant could not be read: going on without", tenant_id=tenant_id, error=repr(error)
            )
            return False
        if self._revokes == revokes:  # else another owner's now
            self.take(rows, breaker)
        return True
