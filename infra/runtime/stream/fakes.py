"""Fakes of the runner's ports, in memory: what a test hands in where a process has PostgreSQL and Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.runtime.stream.breaker import BreakerState, LaneBreaker
from infra.runtime.stream.ports import HeldEvent
from infra.runtime.stream.record import Position
from schemas.events import DeadLetter, Event
from schemas.reasons import Reason
from schemas.topics import Topic


@dataclass(slots=True)
class ManualClock:
    """Stands still until it is moved."""

    at: datetime = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass(slots=True)
class Limit:
    tenant_id: str
    partition: int
    enabled: bool = True
    max_concurrent_jobs: int = 5
    changed_at: datetime | None = None


class FixedLimits:
    """Implements `TenantLimits`; the list may be changed at any time."""

    def __init__(self, *limits: Limit) -> None:
        self.limits = list(limits)
        self.loaded = True
        self.erased: frozenset[int] = frozenset()

    def of_partition(self, partition: int) -> Limit | None:
        return next((limit for limit in self.limits if limit.partition == partition), None)

    def of_tenant(self, tenant_id: str) -> Limit | None:
        return next((limit for limit in self.limits if limit.tenant_id == tenant_id), None)


@dataclass(slots=True)
class MemoryHolds:
    """Implements `HoldStore`. While `fails` is set every call raises it, as PostgreSQL being away would; while `slow` isn't set
    no call returns. A row for one of `refused` is one that PostgreSQL won't take."""

    rows: dict[Position, HeldEvent] = field(default_factory=dict)
    breakers: dict[tuple[str, str], LaneBreaker] = field(default_factory=dict)
    fails: Exception | None = None
    slow: asyncio.Event | None = None
    refused: set[Position] = field(default_factory=set)
    loads: int = 0

    async def load(self, tenant_id: str, stage: str) -> Sequence[HeldEvent]:
        self.loads += 1
        await self._answer()
        return [held for held in self.rows.values() if (held.tenant_id, held.stage) == (tenant_id, stage)]

    async def save(self, held: HeldEvent) -> None:
        await self._answer()
        if _position(held) in self.refused:
            raise ValueError("invalid byte sequence")
        self.rows[_position(held)] = held

    async def clear(self, held: HeldEvent) -> None:
        await self._answer()
        self.rows.pop(_position(held), None)

    async def sweep(self, tenant_id: str, stage: str, committed: Position) -> None:
        await self._answer()
        for position, held in list(self.rows.items()):
            same_lane = (held.tenant_id, held.stage, held.topic, held.partition)
            if same_lane == (tenant_id, stage, committed.topic, committed.partition) and held.offset < committed.offset:
                del self.rows[position]

    async def breaker(self, tenant_id: str, stage: str) -> LaneBreaker | None:
        await self._answer()
        return self.breakers.get((tenant_id, stage))

    async def save_breaker(self, breaker: LaneBreaker) -> None:
        await self._answer()
        if breaker.state is BreakerState.CLOSED:
            self.breakers.pop((breaker.tenant_id, breaker.stage), None)
        else:
            self.breakers[breaker.tenant_id, breaker.stage] = breaker

    async def _answer(self) -> None:
        if self.slow is not None:
            await self.slow.wait()
        if self.fails is not None:
            raise self.fails


@dataclass(slots=True)
class KeptLetters:
    """Implements `DeadLetterSink`. `failures` are raised first, one a call."""

    letters: list[tuple[DeadLetter, int]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def send(self, letter: DeadLetter, partition: int) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.letters.append((letter, partition))


@dataclass(slots=True)
class KeptFailures:
    """Implements `FailedEvents`. `failures` are raised first, one a call."""

    told: list[tuple[Event, Reason, str]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    async def failed(self, event: Event, reason: Reason, detail: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.told.append((event, reason, detail))


@dataclass(frozen=True, slots=True)
class Published:
    event: Any
    topic: Topic
    partition: int
    traceparent: str | None


@dataclass(slots=True)
class KeptEvents:
    """Stands for the publisher. `failures` are raised first, one a call."""

    published: list[Published] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    calls: int = 0

    async def publish(self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        self.published.append(Published(event, topic, partition, traceparent))


def _position(held: HeldEvent) -> Position:
    return Position(held.topic, held.partition, held.offset)
