"""Ends a lane's hold when its tenant was changed: a new address, a new key, enabled again. Otherwise it might wait for minutes.
And when its tenant is erased: its events would stay in memory until they are due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.stream.ports import TenantLimits
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)


class Reopening:
    """`look` is called once a second. The directory of tenants follows a change within 2 s, so a lane is tried within 5 s."""

    def __init__(
        self,
        holds: HoldBook,
        limits: TenantLimits,
        reopen: Callable[[int], None],
        release: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._holds, self._limits, self._reopen, self._release = holds, limits, reopen, release
        self._changed: dict[str, datetime | None] = {}

    def look(self) -> None:
        """Tries those lanes again whose tenant isn't what it was at the last look."""
        for partition in self._limits.erased:
            self._holds.erase(partition)
            self._release(partition)
        closed, before = self._holds.closed(), self._changed
        self._changed = {}
        for tenant_id, partition in closed.items():
            limit = self._limits.of_partition(partition)
            self._changed[tenant_id] = changed = limit.changed_at if limit else None
            if tenant_id in before and changed != before[tenant_id] and self._holds.reopen(tenant_id):
                log.info("tenant was changed: trying again", stage=self._holds.stage, tenant_id=tenant_id)
                self._reopen(partition)
