"""Ends a lane's hold when its tenant was changed: a new address, a new key, enabled again. Otherwise it might wait for minutes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.stream.ports import TenantLimits
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)


class Reopening:
    """`look` is called once a second. The directory of tenants follows a change within 2 s, so a lane is tried within 5 s."""

    def __init__(self, holds: HoldBook, limits: TenantLimits, reopen: Callable[[int], None]) -> None:
        self._holds, self._limits, self._reopen = holds, limits, reopen
        self._changed: dict[str, datetime | None] = {}

    def look(self) -> None:
        """Tries those lanes again whose tenant isn't what it was at the last look."""
        closed, before = self._holds.closed(), self._changed
        self._changed = {}
        for tenant_id, partition in closed.items():
            limit = self._limits.of_partition(partition)
            self._changed[tenant_id] = changed = limit.changed_at if limit else None
            if tenant_id in before and changed != before[tenant_id] and self._holds.reopen(tenant_id):
                log.info("tenant was changed: trying again", stage=self._holds.stage, tenant_id=tenant_id)
                self._reopen(partition)
