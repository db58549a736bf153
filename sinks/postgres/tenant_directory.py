"""All tenants' settings as a copy in memory, which follows a change within seconds and outlives PostgreSQL's absence."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from math import inf

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection
from infra.runtime.telemetry.logs import get_logger
from sinks.postgres.tenant_settings import TenantSettings

log = get_logger(__name__)

POLL_SECONDS = 2.0
ANSWER_SECONDS = 4.0
_ALL = """
SELECT * FROM tenant_directory() JOIN tenant_changes() USING (tenant_id) JOIN tenant_fallbacks() USING (tenant_id)
    JOIN tenant_webhook_auth() USING (tenant_id)
ORDER BY partition
"""


_ERASED = "SELECT partition, dropped_for FROM erased_partitions()"


async def load_tenants(pool: Pool) -> list[TenantSettings]:
    """By partition. Three functions give every role this much of all tenants, and no more."""
    async with connection(pool) as connected:
        rows = await connected.fetch(_ALL)
    return [TenantSettings(**row) for row in rows]


class TenantDirectory:
    """Implements the runner's `TenantLimits`. Polls a version every 2 s and loads everything when it changed: a notification
    would tell every role which tenant it was about."""

    def __init__(
        self,
        pool: Pool,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        poll_seconds: float = POLL_SECONDS,
        told: Callable[[Collection[str]], None] = lambda _: None,
    ) -> None:
        """`told` gets the ids of all tenants whenever they were loaded."""
        self._pool, self._monotonic, self._poll_seconds, self._told = pool, monotonic, poll_seconds, told
        self._by_partition: dict[int, TenantSettings] = {}
        self._by_id: dict[str, TenantSettings] = {}
        self._erased: dict[int, float] = {}  # until when
        self._version: int | None = None
        self._confirmed_at: float | None = None
        self._polling: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        return self._confirmed_at is not None

    @property
    def age_seconds(self) -> float:
        """Since PostgreSQL last confirmed the view."""
        return inf if self._confirmed_at is None else self._monotonic() - self._confirmed_at

    def of_partition(self, partition: int) -> TenantSettings | None:
        return self._by_partition.get(partition)

    def of_tenant(self, tenant_id: str) -> TenantSettings | None:
        return self._by_id.get(tenant_id)

    @property
    def erased(self) -> frozenset[int]:
        """Partitions whose tenant is being erased, or was within a day: as long nobody gets them, so that no event of a new tenant
        is taken for one of the last."""
        now = self._monotonic()
        return frozenset(partition for partition, until in self._erased.items() if until > now)

    def all(self) -> list[TenantSettings]:
        return list(self._by_partition.values())

    async def start(self) -> None:
        """Load once, if PostgreSQL answers, and follow from then on."""
        await self.refresh()
        self._polling = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        if self._polling:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling

    async def refresh(self) -> bool:
        """One look; false, and the last view goes on, when PostgreSQL doesn't answer."""
        asked_at = self._monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                async with connection(self._pool) as connected:
                    version = int(await connected.fetchval("SELECT version FROM config_version"))
                    erased = await connected.fetch(_ERASED) if version != self._version else ()
                if version != self._version:
                    self._erased = {row["partition"]: asked_at + (row["dropped_for"] or inf) for row in erased}
                    self._take(await load_tenants(self._pool))
                    self._version = version
        except Exception as error:  # whatever is wrong, the last view goes on
            log.warning("tenants not refreshed", error=repr(error))
            return False
        self._confirmed_at = asked_at
        return True

    def _take(self, tenants: list[TenantSettings]) -> None:
        self._by_partition = {tenant.partition: tenant for tenant in tenants}
        self._by_id = {tenant.tenant_id: tenant for tenant in tenants}
        self._told(self._by_id.keys())

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self.refresh()
