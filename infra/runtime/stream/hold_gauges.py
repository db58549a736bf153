"""Holds and breakers as metrics: only of tenants that are held, and no longer than they are."""

from __future__ import annotations

from infra.runtime.stream.breaker import BreakerState
from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.telemetry import metrics

NUMBERS = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}
SHOWN_CLOSED = 300
"""Rounds of a second for which a breaker that closed is shown as such: several scrapes."""


class HoldGauges:
    """`show` is called once a second. Label sets that are true no more are removed."""

    def __init__(self, holds: HoldBook) -> None:
        self._holds = holds
        self._held: set[tuple[str, str]] = set()
        self._breakers: dict[str, int] = {}
        """Tenants shown, and for how many rounds as closed."""

    def show(self) -> None:
        stage, counts = self._holds.stage, self._holds.counts()
        for gone in self._held - counts.keys():
            metrics.LANE_HELD.remove(stage, *gone)
        for (tenant_id, reason), count in counts.items():
            metrics.LANE_HELD.labels(stage, tenant_id, reason).set(count)
        self._held = set(counts)
        self._show_breakers(stage)

    def _show_breakers(self, stage: str) -> None:
        for row in self._holds.breakers.rows():
            self._breakers[row.tenant_id] = -1
            metrics.LANE_BREAKER.labels(stage, row.tenant_id).set(NUMBERS[row.state])
        for tenant_id, rounds in list(self._breakers.items()):
            self._breakers[tenant_id] = rounds + 1
            if rounds >= SHOWN_CLOSED:
                del self._breakers[tenant_id]
                metrics.LANE_BREAKER.remove(stage, tenant_id)
            elif rounds >= 0:
                metrics.LANE_BREAKER.labels(stage, tenant_id).set(NUMBERS[BreakerState.CLOSED])
