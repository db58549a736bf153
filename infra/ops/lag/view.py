"""The lag of every stage and tenant at one moment, as people and scripts are shown it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from infra.ops.lag.demand import Waiting, desired_replicas
from infra.ops.lag.holds import HeldLane
from infra.ops.lag.limits import LimitedBy, Waits, Workers, limited_by
from infra.ops.lag.offsets import PartitionLag, Place
from infra.ops.lag.owners import Owners
from infra.runtime.stream.breaker import BreakerState
from schemas.topics import Stage


@dataclass(frozen=True, slots=True)
class Tenant:
    """What must be known of one: its cap is how many of its events a stage works on at once."""

    tenant_id: str
    cap: int
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class TenantLag:
    """Everything None is not known. `lag` is what isn't handled: what waits and what is in flight. `oldest_seconds` is the age of
    the first record that isn't handled: None, too, if there is none. `done` events are finished beyond what is committed. `rate`
    is events handled a second, over the last minute. `wants` is what the tenant wants of the stage."""

    lag: int
    oldest_seconds: float | None = None
    held: HeldLane | None = None
    done: int = 0
    in_flight: int | None = None
    rate: float | None = None
    limited_by: LimitedBy | None = None
    wants: Waiting = Waiting(0, 1)

    @property
    def waiting(self) -> int | None:
        return None if self.in_flight is None else self.lag - self.in_flight

    @property
    def drain_seconds(self) -> float | None:
        """Until what is here now is handled, at this rate; what comes meanwhile waits behind it."""
        if not self.lag:
            return 0.0
        return self.lag / self.rate if self.rate else None

    def as_json(self) -> dict[str, Any]:
        return {
            "lag": self.lag,
            "oldest_seconds": self.oldest_seconds,
            "waiting": self.waiting,
            "in_flight": self.in_flight,
            "done_beyond_commit": self.done,
            "rate": _rounded(self.rate, 3),
            "drain_seconds": _rounded(self.drain_seconds, 1),
            "limited_by": self.limited_by,
            "held": self.held.as_json() if self.held else None,
        }


@dataclass(frozen=True, slots=True)
class StageLag:
    """`unowned` is the lag on partitions that no tenant has: records that belong to nobody. `slots` is how many events one worker
    works on at once, `workers` how many there are, None where it isn't known; `minimum` as few there are to be."""

    tenants: Mapping[str, TenantLag] = field(default_factory=dict)
    unowned: int = 0
    slots: int = 1
    workers: int | None = None
    minimum: int = 0

    @property
    def lag(self) -> int:
        return sum(tenant.lag for tenant in self.tenants.values()) + self.unowned

    @property
    def oldest_seconds(self) -> float | None:
        return max((t.oldest_seconds for t in self.tenants.values() if t.oldest_seconds is not None), default=None)

    @property
    def demand(self) -> int:
        """Slots that all tenants together could use."""
        return sum(tenant.wants.demand for tenant in self.tenants.values())

    @property
    def desired_replicas(self) -> int:
        return desired_replicas((t.wants for t in self.tenants.values()), slots=self.slots, minimum=self.minimum)

    def as_json(self) -> dict[str, Any]:
        return {
            "lag": self.lag,
            "oldest_seconds": self.oldest_seconds,
            "unowned": self.unowned,
            "workers": self.workers,
            "slots": self.slots,
            "demand": self.demand,
            "desired_replicas": self.desired_replicas,
            "tenants": {tenant_id: tenant.as_json() for tenant_id, tenant in self.tenants.items()},
        }

    def scaling_json(self, stage: Stage) -> dict[str, Any]:
        """For KEDA: whole numbers. An age is 0 where nothing lags, and null where it isn't known."""
        tenants = [
            {
                "tenant_id": tenant_id,
                "lag": tenant.lag,
                "oldest_seconds": _whole_age(tenant.oldest_seconds, tenant.lag),
                "limited_by": tenant.limited_by,
            }
            for tenant_id, tenant in self.tenants.items()
        ]
        lag = self.lag
        return {
            "stage": stage.value,
            "desired_replicas": self.desired_replicas,
            "lag": lag,
            "oldest_seconds": _whole_age(self.oldest_seconds, lag),
            "slots": self.slots,
            "tenants": tenants,
        }


@dataclass(frozen=True, slots=True)
class LagView:
    """`unknown` says of the stages that aren't in `stages` why not."""

    stages: Mapping[Stage, StageLag]
    unknown: Mapping[Stage, str] = field(default_factory=dict)

    def only(self, tenants: Collection[str] | None) -> LagView:
        """What concerns these tenants, None for all: without others' and without what no tenant owns."""
        if tenants is None:
            return self
        return LagView(
            {
                stage: StageLag(
                    {name: lag for name, lag in found.tenants.items() if name in tenants},
                    slots=found.slots,
                    workers=found.workers,
                    minimum=found.minimum,
                )
                for stage, found in self.stages.items()
            },
            self.unknown,
        )

    def as_json(self) -> dict[str, Any]:
        known = {stage.value: found.as_json() for stage, found in self.stages.items()}
        return {"stages": known | {stage.value: unknown_json(why) for stage, why in self.unknown.items()}}


def unknown_json(why: str) -> dict[str, Any]:
    """A stage of which nothing is known."""
    return {"lag": None, "oldest_seconds": None, "tenants": {}, "error": why}


@dataclass(frozen=True, slots=True)
class Scaling:
    """`slots` is how many events one worker of a stage works on at once, `minimum` the fewest workers that are wanted of each."""

    slots: Mapping[Stage, int]
    minimum: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read. `tenants` is by partition, `held` by stage and tenant, `appended` in Unix seconds like `now`, `rates` by stage
    and partition."""

    offsets: Mapping[Stage, Mapping[int, PartitionLag]]
    tenants: Mapping[int, Tenant]
    held: Mapping[tuple[str, str], HeldLane]
    appended: Mapping[Place, float | None]
    now: float
    owners: Mapping[Stage, Owners] = field(default_factory=dict)
    rates: Mapping[Stage, Mapping[int, float]] = field(default_factory=dict)


def build(seen: Seen, scaling: Scaling, prefix: str = "") -> dict[Stage, StageLag]:
    """Rows of holds may outlive their events by a moment: a tenant whose events are all handled holds none."""
    return {stage: _stage(stage, seen, scaling, prefix) for stage in seen.offsets}


def _stage(stage: Stage, seen: Seen, scaling: Scaling, prefix: str) -> StageLag:
    partitions, topic = seen.offsets[stage], stage.consumes.named(prefix)
    owners, rates = seen.owners.get(stage), seen.rates.get(stage, {})
    workers = Workers.of(owners, partitions, scaling.slots[stage])
    tenants, unowned = dict[str, TenantLag](), 0
    for number, at in partitions.items():
        tenant = seen.tenants.get(number)
        if tenant is None:
            unowned += at.lag
            continue
        rate = rates.get(number)
        if not at.lag:
            tenants[tenant.tenant_id] = TenantLag(0, done=at.done, in_flight=workers.in_flight(number, at), rate=rate)
            continue
        written = seen.appended.get((topic, number))
        age = None if written is None else round(max(0.0, seen.now - written), 1)
        row = seen.held.get((stage.value, tenant.tenant_id))
        held = _is_held(tenant, row, at.lag)
        limit = limited_by(Waits(number, at, tenant.cap, held, age), workers)
        in_flight = workers.in_flight(number, at)
        wants = Waiting(at.lag, tenant.cap, held)
        tenants[tenant.tenant_id] = TenantLag(at.lag, age, row, at.done, in_flight, rate, limit, wants)
    return StageLag(tenants, unowned, scaling.slots[stage], owners.members if owners else None, scaling.minimum)


def _is_held(tenant: Tenant, row: HeldLane | None, lag: int) -> bool:
    if not tenant.enabled:
        return True
    return row is not None and (row.closed or row.breaker is not BreakerState.CLOSED or row.events >= lag)


def _whole_age(seconds: float | None, lag: int) -> int | None:
    if not lag:
        return 0
    return None if seconds is None else ceil(seconds)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
