"""The tenants, for services that answer before PostgreSQL does."""

from __future__ import annotations

from typing import Self

from infra.runtime.postgres.pool import Pool
from sinks.postgres.tenant_directory import POLL_SECONDS, TenantDirectory


class LateTenants:
    """`follow` is for a LatePool, which calls it once there is one. Use as an asynchronous context manager."""

    def __init__(self, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self.directory: TenantDirectory | None = None
        """None until PostgreSQL has answered."""

    async def follow(self, pool: Pool) -> None:
        self.directory = TenantDirectory(pool, poll_seconds=self._poll_seconds)
        await self.directory.start()

    def ids(self) -> list[str]:
        return [tenant.tenant_id for tenant in self.directory.all()] if self.directory else []

    async def stop(self) -> None:
        if self.directory:
            await self.directory.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
