"""The lag of every stage and tenant at one moment, as people and scripts are shown it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.ops.lag.ages import AgeReader, Place
from infra.ops.lag.holds import HeldLane, held_lanes
from infra.ops.lag.offsets import OffsetReader, PartitionLag
from infra.runtime.postgres.pool import Pool
from schemas.topics import Stage
from sinks.postgres.tenant_directory import load_tenants


@dataclass(frozen=True, slots=True)
class TenantLag:
    """`oldest_seconds` is the age of the first record that isn't handled: None if there is none, or if it isn't known."""

    lag: int
    oldest_seconds: float | None
    held: HeldLane | None

    def as_json(self) -> dict[str, Any]:
        held = self.held.as_json() if self.held else None
        return {"lag": self.lag, "oldest_seconds": self.oldest_seconds, "held": held}


@dataclass(frozen=True, slots=True)
class StageLag:
    """`unowned` is the lag on partitions that no tenant has: records that belong to nobody."""

    tenants: Mapping[str, TenantLag] = field(default_factory=dict)
    unowned: int = 0

    @property
    def lag(self) -> int:
        return sum(tenant.lag for tenant in self.tenants.values()) + self.unowned

    @property
    def oldest_seconds(self) -> float | None:
        return max((t.oldest_seconds for t in self.tenants.values() if t.oldest_seconds is not None), default=None)

    def as_json(self) -> dict[str, Any]:
        tenants = {tenant_id: tenant.as_json() for tenant_id, tenant in self.tenants.items()}
        return {"lag": self.lag, "oldest_seconds": self.oldest_seconds, "unowned": self.unowned, "tenants": tenants}


@dataclass(frozen=True, slots=True)
class LagView:
    stages: Mapping[Stage, StageLag]

    def only(self, tenants: Collection[str] | None) -> LagView:
        """What concerns these tenants, None for all: without others' and without what no tenant owns."""
        if tenants is None:
            return self
        return LagView(
            {
                stage: StageLag({name: lag for name, lag in found.tenants.items() if name in tenants})
                for stage, found in self.stages.items()
            }
        )

    def as_json(self) -> dict[str, Any]:
        return {"stages": {stage.value: found.as_json() for stage, found in self.stages.items()}}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read. `tenants` is by partition, `held` by stage and tenant, `appended` in Unix seconds like `now`."""

    offsets: Mapping[Stage, Mapping[int, PartitionLag]]
    tenants: Mapping[int, str]
    held: Mapping[tuple[str, str], HeldLane]
    appended: Mapping[Place, float | None]
    now: float


def build(seen: Seen, prefix: str = "") -> LagView:
    """Rows of holds may outlive their events by a moment: a tenant whose events are all handled holds none."""
    stages: dict[Stage, StageLag] = {}
    for stage, partitions in seen.offsets.items():
        topic, tenants, unowned = stage.consumes.named(prefix), dict[str, TenantLag](), 0
        for number, at in partitions.items():
            tenant_id = seen.tenants.get(number)
            if tenant_id is None:
                unowned += at.lag
                continue
            written = seen.appended.get((topic, number, at.next)) if at.lag else None
            age = None if written is None else round(max(0.0, seen.now - written), 1)
            held = seen.held.get((stage.value, tenant_id)) if at.lag else None
            tenants[tenant_id] = TenantLag(at.lag, age, held)
        stages[stage] = StageLag(tenants, unowned)
    return LagView(stages)


class LagReader:
    """Reads everything anew at each `read`. Raises LagUnknown and PostgresUnavailable: wrong numbers are worse than none."""

    def __init__(
        self, offsets: OffsetReader, ages: AgeReader, pool: Pool, *, prefix: str = "", wall: Callable[[], float] = time.time
    ) -> None:  # fmt: skip
        self._offsets, self._ages, self._pool, self._prefix, self._wall = offsets, ages, pool, prefix, wall

    async def read(self) -> LagView:
        tenants = {tenant.partition: tenant.tenant_id for tenant in await load_tenants(self._pool)}
        offsets = await asyncio.to_thread(self._offsets.read)
        places = [
            (stage.consumes.named(self._prefix), number, at.next)
            for stage, partitions in offsets.items()
            for number, at in partitions.items()
            if at.lag and number in tenants
        ]
        appended = await asyncio.to_thread(self._ages.appended_at, places)
        seen = Seen(offsets, tenants, await held_lanes(self._pool), appended, self._wall())
        return build(seen, self._prefix)
