"""How long a desk that is down is left alone: longer each time, never the same for two tenants at once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from infra.runtime.clock import Clock

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 300.0
MAX_TENANTS = 10_000


@dataclass(slots=True)
class _Failing:
    tries: int
    until: datetime


class DeskBackoff:
    """Doubles from 5 s to 5 min, spread by half. Several events that fail in the same wait count as one failure. In memory
    only: after a rebalance the next owner begins with short waits."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._failing: OrderedDict[str, _Failing] = OrderedDict()

    def failed(self, tenant_id: str) -> float:
        """Seconds to wait."""
        now = self._clock.now()
        failing = self._failing.get(tenant_id)
        if failing is None:
            failing = self._failing[tenant_id] = _Failing(0, now)
            if len(self._failing) > MAX_TENANTS:
                self._failing.popitem(last=False)
        if now >= failing.until:
            longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2**failing.tries)
            failing.tries = min(failing.tries + 1, 16)
            failing.until = now + timedelta(seconds=longest * self._random.uniform(0.5, 1.0))
        return max(0.1, (failing.until - now).total_seconds())

    def answered(self, tenant_id: str) -> None:
        """The desk is there."""
        self._failing.pop(tenant_id, None)
