"""A circuit breaker per lane: how long what a tenant's events need is left alone, longer with each failure in a row.

Open until a time, then half open: one event tries (lanes see to that), and its end closes the breaker or opens it for longer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from infra.runtime.clock import Clock

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 300.0
LEAST_SECONDS = 0.1
LEAST_ASKED_SECONDS = 1.0
MOST_FAILURES = 16
MAX_TENANTS = 10_000
SPREAD_UPWARDS = 1.1
"""Above what the other side asks for, lanes spread, so that they don't come back in one moment."""


class BreakerState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class LaneBreaker:
    """As a row: what the next owner of the lane goes on with. `until` is None when closed."""

    tenant_id: str
    stage: str
    state: BreakerState
    failures: int
    until: datetime | None


@dataclass(slots=True)
class _Breaker:
    failures: int
    until: datetime


class Breakers:
    """One stage's, by tenant; closed ones aren't kept. Waits double from 5 s to 5 min and are spread by half; several events that
    fail in the same wait count as one failure."""

    def __init__(self, stage: str, clock: Clock, random: Random) -> None:
        self._stage, self._clock, self._random = stage, clock, random
        self._open: OrderedDict[str, _Breaker] = OrderedDict()
        self._unsaved: set[str] = set()

    def failed(self, tenant_id: str, *, asked: float, at_most: float) -> float:
        """Seconds to wait. `asked` is what the other side asked for, 0 if nothing: who says when is asked again just then, however
        often it says so, for only one event tries. `at_most` goes before it."""
        now = self._clock.now()
        breaker = self._open.get(tenant_id)
        if breaker is None:
            breaker = self._open[tenant_id] = _Breaker(0, now)
            if len(self._open) > MAX_TENANTS:
                self._open.popitem(last=False)
        wait = (breaker.until - now).total_seconds()
        if wait <= 0:
            longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2**breaker.failures)
            breaker.failures = min(breaker.failures + 1, MOST_FAILURES)
            wait = longest * self._random.uniform(0.5, 1.0)
        if asked > 0:
            wait = max(LEAST_ASKED_SECONDS, asked) * self._random.uniform(1.0, SPREAD_UPWARDS)
        wait = max(LEAST_SECONDS, min(wait, at_most))
        breaker.until = now + timedelta(seconds=wait)
        self._unsaved.add(tenant_id)
        return wait

    def succeeded(self, tenant_id: str) -> None:
        """Closes a half-open one. While it is open an event that ends well began before: no news."""
        breaker = self._open.get(tenant_id)
        if breaker and breaker.until <= self._clock.now():
            del self._open[tenant_id]
            self._unsaved.add(tenant_id)

    def reopen(self, tenant_id: str) -> None:
        """Half open from now on, since something was changed; what failed so far still counts."""
        if breaker := self._open.get(tenant_id):
            breaker.until = min(breaker.until, self._clock.now())
            self._unsaved.add(tenant_id)

    def remember(self, row: LaneBreaker) -> None:
        """What the last owner left. What happened here since then counts, too."""
        if row.state is BreakerState.CLOSED or row.until is None:
            return
        own = self._open.setdefault(row.tenant_id, _Breaker(row.failures, row.until))
        own.failures, own.until = max(own.failures, row.failures), max(own.until, row.until)

    def forget(self) -> None:
        """The lanes may be another owner's soon."""
        self._open.clear()
        self._unsaved.clear()

    def row(self, tenant_id: str) -> LaneBreaker:
        breaker, stage = self._open.get(tenant_id), self._stage
        if breaker is None:
            return LaneBreaker(tenant_id, stage, BreakerState.CLOSED, 0, None)
        state = BreakerState.OPEN if breaker.until > self._clock.now() else BreakerState.HALF_OPEN
        return LaneBreaker(tenant_id, stage, state, breaker.failures, breaker.until)

    def rows(self) -> list[LaneBreaker]:
        """Those that aren't closed."""
        return [self.row(tenant_id) for tenant_id in self._open]

    @property
    def unsaved(self) -> bool:
        return bool(self._unsaved)

    def take_unsaved(self) -> Iterator[str]:
        """Tenants whose row isn't true any more; one that can't be written is given back with `not_saved`."""
        while self._unsaved:
            yield self._unsaved.pop()

    def not_saved(self, tenant_id: str) -> None:
        self._unsaved.add(tenant_id)
