"""The lag service's metrics. What is of tenants comes from the view at the moment of the scrape; of a stale one there is none: no
series is better than an old one, and an alert on its absence better than a zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from infra.ops.lag.view import LagView, TenantLag

REFRESH_SECONDS = Histogram(
    "ticketstream_lag_refresh_seconds",
    "How long it takes to read the lag of all stages and tenants.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10),
)
REFRESH_FAILURES = Counter(
    "ticketstream_lag_refresh_failures_total", "Looks that didn't get all, by reason.", ["reason"]
)
for _reason in ("kafka", "topics", "refused", "timeout", "postgres", "internal"):
    REFRESH_FAILURES.labels(_reason)


class Connections(NamedTuple):
    """Of the database's server, all databases together."""

    used: int
    most: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show; `view` None: nothing is known. `with_holds` is false where only the holds aren't."""

    view: LagView | None = None
    seen_at: float = 0.0
    with_holds: bool = True
    connections: Connections | None = None


@dataclass(slots=True)
class _Families:
    """Of one scrape."""

    events: GaugeMetricFamily = field(
        default_factory=lambda: _family("lag_events", "Events that aren't handled: waiting and in flight.", "tenant_id")
    )
    oldest: GaugeMetricFamily = field(
        default_factory=lambda: _family(
            "lag_oldest_seconds", "Age of the first record that isn't handled, by the broker's clock.", "tenant_id"
        )
    )
    in_flight: GaugeMetricFamily = field(
        default_factory=lambda: _family(
            "lag_in_flight", "Events that a worker is on now, where there are any.", "tenant_id"
        )
    )
    limited: GaugeMetricFamily = field(
        default_factory=lambda: _family(
            "lag_limited",
            "1: what waits isn't worked on because of hold, cap, slots or partition.",
            "tenant_id",
            "limited_by",
        )
    )
    held: GaugeMetricFamily = field(
        default_factory=lambda: _family(
            "lag_held", "Events that failed and wait for another try.", "tenant_id", "reason"
        )
    )
    unowned: GaugeMetricFamily = field(
        default_factory=lambda: _family("lag_unowned_events", "Records on partitions that no tenant has.")
    )
    demand: GaugeMetricFamily = field(
        default_factory=lambda: _family("scaling_demand", "Slots that all tenants together could use.")
    )
    replicas: GaugeMetricFamily = field(
        default_factory=lambda: _family("scaling_desired_replicas", "Workers that shorten somebody's wait.")
    )

    def all(self) -> list[GaugeMetricFamily]:
        return [getattr(self, name) for name in self.__slots__]


class LagCollector(Collector):
    """Register it once. `shown` is asked at each scrape, in the thread of the scrape."""

    def __init__(self, shown: Callable[[], Shown]) -> None:
        self._shown = shown

    def describe(self) -> list[GaugeMetricFamily]:
        """Names only: asking for them must not need a view."""
        return [*_Families().all(), *_single(Shown(LagView({}), 0.0, True, Connections(0, 0)))]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        shown, families = self._shown(), _Families()
        if shown.view is not None:
            _fill(families, shown.view, with_holds=shown.with_holds)
        yield from (family for family in families.all() if family.samples)
        yield from _single(shown)


def _fill(families: _Families, view: LagView, *, with_holds: bool) -> None:
    for stage, found in view.stages.items():
        families.unowned.add_metric([stage], found.unowned)
        if with_holds:
            families.demand.add_metric([stage], found.demand)
            families.replicas.add_metric([stage], found.desired_replicas)
        for tenant_id, tenant in found.tenants.items():
            families.events.add_metric([stage, tenant_id], tenant.lag)
            if tenant.lag:
                _fill_behind(families, (stage, tenant_id), tenant, with_holds=with_holds)


def _fill_behind(families: _Families, at: tuple[str, str], tenant: TenantLag, *, with_holds: bool) -> None:
    if tenant.oldest_seconds is not None:
        families.oldest.add_metric(at, tenant.oldest_seconds)
    if tenant.in_flight:
        families.in_flight.add_metric(at, tenant.in_flight)
    if with_holds and tenant.limited_by:
        families.limited.add_metric((*at, tenant.limited_by), 1)
    if with_holds and tenant.held:
        families.held.add_metric((*at, tenant.held.reason), tenant.held.events)


def _single(shown: Shown) -> Iterator[GaugeMetricFamily]:
    if shown.view is not None:
        name, text = "ticketstream_lag_view_timestamp_seconds", "When the lag of all was last read."
        yield GaugeMetricFamily(name, text, value=shown.seen_at)
    if shown.connections is not None:
        name, text = (
            "ticketstream_database_server_connections",
            "Connections that PostgreSQL's server has, of everybody.",
        )
        yield GaugeMetricFamily(name, text, value=shown.connections.used)
        name, text = "ticketstream_database_server_max_connections", "As many as it takes."
        yield GaugeMetricFamily(name, text, value=shown.connections.most)


def _family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"ticketstream_{name}", text, labels=["stage", *labels])
