"""What the runner needs from above; sinks implement it, each process's `__main__` hands it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from infra.runtime.stream.breaker import LaneBreaker
from infra.runtime.stream.outcomes import Scope
from infra.runtime.stream.record import Position
from schemas.events import DeadLetter, Event
from schemas.reasons import Reason


class TenantLimit(Protocol):
    """What the runner must know of a tenant."""

    @property
    def tenant_id(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def max_concurrent_jobs(self) -> int: ...
    @property
    def changed_at(self) -> datetime | None:
        """When anything of it was changed last, its desk's credential included. Compared for being the same only."""


class TenantLimits(Protocol):
    """The tenants as last seen; follows a change within 5 s and keeps the last view while PostgreSQL is away."""

    def of_partition(self, partition: int) -> TenantLimit | None:
        """The tenant that owns this partition number in every topic; None if nobody does or nothing was loaded yet."""

    def of_tenant(self, tenant_id: str) -> TenantLimit | None:
        """The tenant of this id; None if there is none or nothing was loaded yet."""

    @property
    def loaded(self) -> bool:
        """Whether the tenants were read at least once since the process started."""

    @property
    def erased(self) -> frozenset[int]:
        """Partitions whose tenant is being erased, or was within a day; they are nobody else's as long. Nothing that stands there
        may leave a trace anywhere: not in a topic, not as a dead letter, not as a row."""


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """One event that waits. Identified by tenant, stage, topic, partition and offset."""

    tenant_id: str
    stage: str
    topic: str
    partition: int
    offset: int
    ticket_id: str
    event_id: str
    scope: Scope
    reason: str
    detail: str
    until: datetime
    first_failed_at: datetime
    attempts: int
    deaths: int = 0
    """At how many deaths of its worker it was running."""


class HoldStore(Protocol):
    """Rows in `lane_holds` and `lane_breakers`, so that the next owner of a lane honours what the last one found out. Raises when
    PostgreSQL is away: the runner then keeps the hold in memory and saves it later."""

    async def load(self, tenant_id: str, stage: str) -> Sequence[HeldEvent]: ...
    async def sweep(self, tenant_id: str, stage: str, committed: Position) -> None:
        """Delete the rows of the partition that stand before what is committed: their events ended elsewhere."""

    async def save(self, held: HeldEvent) -> None: ...
    async def clear(self, held: HeldEvent) -> None: ...
    async def breaker(self, tenant_id: str, stage: str) -> LaneBreaker | None:
        """None if it is closed."""

    async def save_breaker(self, breaker: LaneBreaker) -> None: ...


class DeadLetterSink(Protocol):
    """Returns once the dead letter is acknowledged by Kafka; raises if it isn't, and the runner tries again."""

    async def send(self, letter: DeadLetter, partition: int) -> None:
        """Same partition number as the source; the key is empty when `letter.tenant_id` is, i.e. not proven."""


class FailedEvents(Protocol):
    """Told of each event that is dead-lettered, so that what is kept about it elsewhere doesn't say `pending` for ever."""

    async def failed(self, event: Event, reason: Reason, detail: str) -> None:
        """Once the dead letter is away and before the input is committed; only of events that are proven, in their place and
        decoded. It may come again, and is called again while it raises that PostgreSQL is away; anything else that it raises
        is logged and given up."""
