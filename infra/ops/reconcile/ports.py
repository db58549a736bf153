"""What reconciling needs from outside, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from infra.ops.reconcile.pace import Pace
from infra.runtime.clock import Clock
from schemas.topics import Topic
from sinks.postgres.reconcile import Begun, Counts, Ended
from sinks.servicedesk.listing import TicketListing


class State(Protocol):
    """See `sinks.postgres.reconcile.ReconcileState`."""

    async def begin(self, tenant_id: str, lease_id: str, seconds: float) -> Begun | None: ...
    async def renew(self, tenant_id: str, lease_id: str, seconds: float) -> bool: ...
    async def release(self, tenant_id: str, lease_id: str) -> None: ...
    async def end(self, tenant_id: str, lease_id: str, ended: Ended) -> None: ...

    async def arrived(self, tenant_id: str, ticket_ids: Collection[str]) -> frozenset[str]:
        """Those of the tickets of which any event was ever handled here."""


class Backlog(Protocol):
    async def handled(self, partition: int) -> bool:
        """Whether every event that is in the tenant's partition of tickets.received now was handled by enrich, if need be after
        some seconds of waiting. Until then nobody can say that a ticket never arrived."""


class EventPublisher(Protocol):
    """`infra.runtime.kafka.publisher.Publisher`."""

    def publish(
        self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None
    ) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Ports:
    state: State
    listing: TicketListing
    backlog: Backlog
    publisher: EventPublisher
    pace: Pace
    clock: Clock


class Tenant(Protocol):
    """What a run must know of its tenant."""

    @property
    def tenant_id(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def servicedesk_base_url(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """`overlap`: so much before the newest known ticket a run begins, against tickets that the desk commits late. `grace`: younger
    tickets are left to their webhook. `tickets` and `calls` bound one tenant's run."""

    overlap: timedelta = timedelta(minutes=10)
    grace: timedelta = timedelta(minutes=2)
    tickets: int = 1000
    calls: int = 100


@dataclass(frozen=True, slots=True)
class Choices:
    """How a run differs from the timer's. `since` begins elsewhere than where the last run ended; `who` and
    `role` are for the audit log."""

    since: datetime | None = None
    dry_run: bool = False
    who: str = "reconcile"
    role: str = ""


class Result(StrEnum):
    COMPLETE = "complete"
    MORE = "more"  # a bound was reached; the next run goes on from there
    FAILED = "failed"  # desk, Kafka or PostgreSQL; the next run begins where this one stopped
    BEHIND = "behind"  # enrich has not handled all that arrived: what is missing can't be told yet
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong and what to do; `ticket_id` where it concerns one ticket."""

    what: str
    ticket_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One tenant's run."""

    tenant_id: str
    result: Result
    counts: Counts = field(default_factory=Counts)
    problems: tuple[Problem, ...] = ()
    since: datetime | None = None
    listed_until: datetime | None = None
    fed_in: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return self.result in (Result.FAILED, Result.BEHIND) or self.counts.failed > 0
