"""What the database looks like from this process: its connections, how long one is waited for, and when it is away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from prometheus_client import Counter, Gauge, Histogram


class Counted(Protocol):
    """A pool, as far as its numbers go. Called from another thread."""

    def get_size(self) -> int: ...
    def get_max_size(self) -> int: ...
    def unused(self) -> int: ...
    def is_closing(self) -> bool: ...


CONNECTIONS = Gauge(
    "ticketstream_database_pool_connections", "Open connections to PostgreSQL by state: in_use, idle.", ["state"]
)
MAX_CONNECTIONS = Gauge(
    "ticketstream_database_pool_max_connections", "As many connections to PostgreSQL as this process opens at most."
)
WAIT_SECONDS = Histogram(
    "ticketstream_database_wait_seconds",
    "Time until a connection to PostgreSQL was free, 0 where one was.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
ERRORS = Counter(
    "ticketstream_database_errors_total",
    "Transactions, calls and attempts to connect that failed since PostgreSQL is away, overloaded or cut them off.",
)

_pools: WeakSet[Counted] = WeakSet()


def count_pool(pool: Counted) -> None:
    """From now on the gauges tell of this pool, until it is closed."""
    _pools.add(pool)


def _sum(number: Callable[[Counted], int]) -> Callable[[], float]:
    return lambda: float(sum(number(pool) for pool in list(_pools) if not pool.is_closing()))


CONNECTIONS.labels("in_use").set_function(_sum(lambda pool: pool.get_size() - pool.unused()))
CONNECTIONS.labels("idle").set_function(_sum(lambda pool: pool.unused()))
MAX_CONNECTIONS.set_function(_sum(lambda pool: pool.get_max_size()))
