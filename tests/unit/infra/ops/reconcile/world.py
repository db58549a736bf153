"""A desk, a state and a topic in memory, and the reconciler on top of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.ops.reconcile.fakes import FakeBacklog, FakeState
from infra.ops.reconcile.pace import Pace
from infra.ops.reconcile.ports import Choices, Limits, Ports, Report
from infra.ops.reconcile.rounds import Reconciler
from ingest.fakes import FakePublisher
from schemas.events import TicketReceived
from sinks.servicedesk.fakes import FakeListing
from sinks.servicedesk.types import TicketRef

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CREATED = NOW - timedelta(hours=3)
TENANT = "msp-one"


@dataclass(frozen=True, slots=True)
class FakeTenant:
    tenant_id: str = TENANT
    partition: int = 5
    enabled: bool = True
    servicedesk_base_url: str = "https://desk.example"


class Seconds:
    """A clock of seconds that sleeping moves."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class MovedClock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


@dataclass
class World:
    tenants: Sequence[FakeTenant] = (FakeTenant(),)
    limits: Limits = field(default_factory=Limits)
    per_minute: int = 10_000

    def __post_init__(self) -> None:
        self.seconds, self.clock = Seconds(), MovedClock()
        self.state = FakeState(dict.fromkeys([tenant.tenant_id for tenant in self.tenants], CREATED), self.seconds)
        self.desk, self.publisher, self.backlog = FakeListing(), FakePublisher(), FakeBacklog()
        pace = Pace(self.per_minute, monotonic=self.seconds, sleep=self.seconds.sleep)
        ports = Ports(self.state, self.desk, self.backlog, self.publisher, pace, self.clock)
        self.reconciler = Reconciler(ports, self.limits)

    def ticket(
        self, ticket_id: str, *, ago: timedelta = timedelta(hours=1), tenant: str = TENANT, **fields: Any
    ) -> None:
        self.desk.add(TicketRef(tenant, ticket_id), NOW - ago, **fields)

    async def round(self, **choices: Any) -> Report:
        """The first tenant's report."""
        return (await self.reconciler.round(self.tenants, Choices(**choices)))[0]

    @property
    def fed(self) -> list[TicketReceived]:
        return [published.event for published in self.publisher.published]

    @property
    def fed_ids(self) -> list[str]:
        return [event.ticket_id for event in self.fed]

    def arrives(self, *ticket_ids: str, tenant: str = TENANT) -> None:
        self.state.known.setdefault(tenant, set()).update(ticket_ids)
