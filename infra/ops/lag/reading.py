"""Reads a whole view: what Kafka says, what PostgreSQL says, and both put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from infra.ops.lag.ages import AgeReader
from infra.ops.lag.brokers import Brokers, LagUnknown
from infra.ops.lag.holds import HeldLane, held_lanes
from infra.ops.lag.offsets import OffsetReader, Offsets, Place
from infra.ops.lag.owners import OwnerReader, Owners
from infra.ops.lag.rates import Rates
from infra.ops.lag.view import LagView, Scaling, Seen, Tenant, build
from infra.runtime.kafka.client_settings import KafkaClient
from infra.runtime.postgres.pool import Pool
from schemas.topics import Stage
from sinks.postgres.tenant_directory import load_tenants
from sinks.postgres.tenant_settings import TenantSettings


@dataclass(frozen=True, slots=True)
class FromKafka:
    """`at` is when, monotonic; `now` the same in Unix seconds, when ages were last seen to."""

    offsets: Offsets
    owners: Mapping[Stage, Owners]
    appended: Mapping[Place, float | None]
    at: float
    now: float


class KafkaReader:
    """Asks for everything anew at each `read`, but for ages that can't have changed. Use as an asynchronous context manager."""

    def __init__(
        self, kafka: KafkaClient, prefix: str = "", *, wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._brokers = Brokers(kafka, [stage.consumes.named(prefix) for stage in Stage])
        self._offsets, self._owners = OffsetReader(self._brokers, prefix), OwnerReader(self._brokers, prefix)
        self._ages, self._prefix, self._wall, self._monotonic = AgeReader(self._brokers), prefix, wall, monotonic

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._brokers.__aexit__(kind, error, at)

    async def read(self) -> FromKafka:
        """Raises LagUnknown where no stage can be read."""
        try:
            return await self._read()
        except LagUnknown:
            await self._brokers.close()
            raise

    async def _read(self) -> FromKafka:
        at = self._monotonic()
        offsets, owners = await asyncio.gather(self._offsets.read(), self._owners.read())
        places = {
            (stage.consumes.named(self._prefix), number): found.next
            for stage, partitions in offsets.stages.items()
            for number, found in partitions.items()
            if found.lag
        }
        appended = await self._ages.appended_at(places)
        return FromKafka(offsets, owners, appended, at, self._wall())


@dataclass(frozen=True, slots=True)
class FromPostgres:
    """`tenants` by partition, `held` by stage and tenant, `at` is when, monotonic."""

    tenants: Mapping[int, Tenant]
    held: Mapping[tuple[str, str], HeldLane]
    at: float


async def read_postgres(pool: Pool, monotonic: Callable[[], float] = time.monotonic) -> FromPostgres:
    """Raises PostgresUnavailable."""
    at = monotonic()
    return FromPostgres(as_tenants(await load_tenants(pool)), await held_lanes(pool), at)


def as_tenants(tenants: Iterable[TenantSettings]) -> dict[int, Tenant]:
    """By partition, what the view must know of them."""
    return {one.partition: Tenant(one.tenant_id, one.max_concurrent_jobs, one.enabled) for one in tenants}


@dataclass(slots=True)
class Viewing:
    """Puts both together; remembers what it takes for rates."""

    scaling: Scaling
    prefix: str = ""
    _rates: Rates = field(default_factory=Rates)

    def view(self, kafka: FromKafka, postgres: FromPostgres) -> LagView:
        stages = kafka.offsets.stages
        self._rates.look(stages, kafka.at)
        rates = {stage: self._rates.of(stage) for stage in stages}
        seen = Seen(stages, postgres.tenants, postgres.held, kafka.appended, kafka.now, kafka.owners, rates)
        why = {stage: str(error) for stage, error in kafka.offsets.unknown.items()}
        return LagView(build(seen, self.scaling, self.prefix), why)


class LagReader:
    """Both at once, for who looks now and then. Raises LagUnknown and PostgresUnavailable: wrong numbers are worse than none."""

    def __init__(self, kafka: KafkaReader, pool: Pool, scaling: Scaling, *, prefix: str = "") -> None:
        self._kafka, self._pool, self._viewing = kafka, pool, Viewing(scaling, prefix)

    async def read(self) -> LagView:
        postgres = await read_postgres(self._pool)
        kafka = await self._kafka.read()
        for error in kafka.offsets.unknown.values():
            raise error
        return self._viewing.view(kafka, postgres)
