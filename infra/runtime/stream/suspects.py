"""Events that were running when a worker died. One of them may have killed it; most were only there at the time.

Deaths are counted in `lane_holds`, so that whoever owns the event next knows them, and cleared when the event ends well. Nothing is
written to PostgreSQL for an event as long as no worker dies: what is under way stands in a `RunningFile`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from infra.runtime.clock import Clock
from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.stream.outcomes import Scope
from infra.runtime.stream.ports import HeldEvent, HoldStore
from infra.runtime.stream.record import Position, RawRecord
from infra.runtime.stream.running_file import Handling, RunningFile
from infra.runtime.telemetry.logs import get_logger
from schemas.envelope import peek
from schemas.reasons import Reason

log = get_logger(__name__)

DEATHS_BEFORE_DEAD_LETTER = 3
RUNS_ALONE_FROM = 2
"""Deaths after which an event runs with no other such beside it: so the third death is the culprit's alone. After one death, which
may have had any cause, everything that was under way goes on as before, or a kill would cost a queue of long calls."""
TURN_SECONDS = 0.5
REPORT_SECONDS = 10.0
MAX_REMEMBERED = 10_000
LONGEST_NAME = 128


@dataclass(slots=True)
class Suspects:
    """One worker's. Without a `file` it counts nothing itself but honours what others counted."""

    stage: str
    holds: HoldBook
    store: HoldStore
    clock: Clock
    file: RunningFile | None = None
    _deaths: OrderedDict[Position, int] = field(default_factory=OrderedDict)
    _alone: Position | None = None

    def deaths(self, position: Position) -> int:
        """At how many deaths of a worker this event was running, as far as is known here."""
        held = self.holds.find(position)
        return max(self._deaths.get(position, 0), held.deaths if held else 0)

    def must_wait(self, position: Position) -> bool:
        """Whether another suspect has the turn."""
        return self._alone is not None and self.deaths(position) >= RUNS_ALONE_FROM

    @contextmanager
    def running(self, record: RawRecord) -> Iterator[None]:
        """While the event is handled. However that ends, if it ends: the event is not to blame for it."""
        position = record.position
        deaths = self.deaths(position)
        if takes_turn := deaths >= RUNS_ALONE_FROM:
            self._alone = position
        slot = self.file.begin(_handling(record, deaths)) if self.file else -1
        try:
            yield
        finally:
            if self.file:
                self.file.end(slot)
            if takes_turn:
                self._alone = None

    def settled(self, position: Position) -> None:
        self._deaths.pop(position, None)

    def close(self) -> None:
        """The worker ends as it should."""
        if self.file:
            self.file.close()

    async def report(self) -> None:
        """Counts what the dead left behind, before anything is read from Kafka. With PostgreSQL away, this worker alone knows."""
        if self.file is None:
            return
        left_behind = self.file.left_behind
        for handling in left_behind:
            self._remember(handling.position, handling.deaths + 1)
            log.error(
                "a worker died while it handled this event", stage=self.stage, tenant_id=handling.tenant_id,
                ticket_id=handling.ticket_id, event_id=handling.event_id, topic=handling.topic, partition=handling.partition,
                offset=handling.offset, deaths=handling.deaths + 1,
            )  # fmt: skip
        try:
            async with asyncio.timeout(REPORT_SECONDS):
                for tenant_id in {handling.tenant_id for handling in left_behind}:
                    await self._save(tenant_id, [one for one in left_behind if one.tenant_id == tenant_id])
        except Exception as error:
            log.error("deaths not saved: only this worker knows them", events=len(left_behind), error=repr(error))
        self.file.forget_the_dead()

    async def _save(self, tenant_id: str, handlings: Sequence[Handling]) -> None:
        rows = {
            Position(row.topic, row.partition, row.offset): row for row in await self.store.load(tenant_id, self.stage)
        }
        for handling in handlings:
            row = rows.get(handling.position) or self._row(handling)
            await self.store.save(replace(row, deaths=max(row.deaths, handling.deaths + 1)))

    def _row(self, handling: Handling) -> HeldEvent:
        now = self.clock.now()
        return HeldEvent(
            tenant_id=handling.tenant_id,
            stage=self.stage,
            topic=handling.topic,
            partition=handling.partition,
            offset=handling.offset,
            ticket_id=handling.ticket_id,
            event_id=handling.event_id,
            scope=Scope.TICKET,
            reason=Reason.CRASHES_WORKER.value,
            detail="a worker died while it handled this event",
            until=now,
            first_failed_at=now,
            attempts=0,
        )

    def _remember(self, position: Position, deaths: int) -> None:
        self._deaths[position] = max(deaths, self._deaths.get(position, 0))
        while len(self._deaths) > MAX_REMEMBERED:
            self._deaths.popitem(last=False)


def _handling(record: RawRecord, deaths: int) -> Handling:
    """By what the record claims: nothing of it is proven yet, and looking closer might be what kills."""
    position, headers = record.position, record.headers
    tenant = (record.key or b"")[:LONGEST_NAME].decode("utf-8", "replace")
    ticket, event = peek(headers, "ce_subject")[:LONGEST_NAME], peek(headers, "ce_id")[:LONGEST_NAME]
    return Handling(position.topic, position.partition, position.offset, tenant, ticket, event, deaths)
