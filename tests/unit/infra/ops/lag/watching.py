"""A Kafka, a PostgreSQL and a clock for the lag service's parts, as a test sets them."""

from __future__ import annotations

from dataclasses import dataclass, field

from infra.ops.lag.brokers import LagUnknown
from infra.ops.lag.holds import HeldLane
from infra.ops.lag.offsets import Offsets, PartitionLag
from infra.ops.lag.owners import Owners
from infra.ops.lag.reading import FromKafka, FromPostgres, Viewing
from infra.ops.lag.view import Scaling, Tenant
from infra.ops.lag.watch import LagWatch
from infra.runtime.postgres.availability import PostgresUnavailable
from schemas.topics import Stage


@dataclass
class World:
    """Each stage has one partition, tenant `one`'s, with a cap of 5. Workers of 8 slots, at least 2 wanted."""

    now: float = 1000.0
    lags: dict[Stage, PartitionLag] = field(default_factory=lambda: dict.fromkeys(Stage, PartitionLag(0, 0, running=0)))
    unknown: dict[Stage, LagUnknown] = field(default_factory=dict)
    held: dict[tuple[str, str], HeldLane] = field(default_factory=dict)
    kafka_away: LagUnknown | None = None
    postgres_away: bool = False

    def __post_init__(self) -> None:
        viewing = Viewing(Scaling(dict.fromkeys(Stage, 8), 2))
        self.watch = LagWatch(self, self.postgres, viewing, monotonic=lambda: self.now, wall=lambda: self.now)

    async def read(self) -> FromKafka:
        if self.kafka_away:
            raise self.kafka_away
        stages = {stage: {0: at} for stage, at in self.lags.items() if stage not in self.unknown}
        appended = {(stage.consumes.value, 0): self.now - 40 for stage in Stage}
        owners = dict.fromkeys(Stage, Owners({0: "a"}, 1))
        return FromKafka(Offsets(stages, self.unknown), owners, appended, self.now, self.now)

    async def postgres(self) -> FromPostgres:
        if self.postgres_away:
            raise PostgresUnavailable("away")
        return FromPostgres({0: Tenant("one", 5)}, self.held, self.now)
