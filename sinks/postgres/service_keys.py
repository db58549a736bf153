"""The services' public signing keys. Written by `ticketstream key` alone; every process reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from infra.runtime.keys.directory import ServiceKey
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, connection, tenant_transaction
from schemas.topics import SIGNED_BY
from sinks.postgres import audit_log
from sinks.postgres.audit_log import Audited

HEAD_START = timedelta(minutes=10)
"""A further key signs only after this, so that every reader has it by then."""

_LOAD = "SELECT key_id, service, topics, public_key, not_before, not_after, revoked_at FROM service_keys ORDER BY published_at"
_PUBLISH = """
INSERT INTO service_keys (key_id, service, topics, public_key, not_before) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key_id) DO NOTHING
"""


class UnknownService(ValueError):
    """No service of that name signs anything."""


class ServiceKeys:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def load(self) -> list[ServiceKey]:
        """All keys, the revoked ones too, oldest first."""
        async with connection(self._pool) as connected:
            rows = await connected.fetch(_LOAD)
        return [
            ServiceKey(
                key_id=row["key_id"],
                service=row["service"],
                topics=tuple(row["topics"]),
                public_key=row["public_key"],
                not_before=row["not_before"],
                not_after=row["not_after"],
                revoked_at=row["revoked_at"],
            )
            for row in rows
        ]

    async def start_of_next(self, service: str) -> datetime:
        """When a further key of the service may sign: at once if it has none yet (nobody waits for it then), else in 10 minutes."""
        others = [known for known in await self.load() if known.service == service and known.revoked_at is None]
        return datetime.now(UTC) + (HEAD_START if others else timedelta())

    async def publish(
        self, key: SigningKey, *, not_before: datetime | None = None, entry: Audited | None = None
    ) -> ServiceKey:
        """Make the public half known, to be used from `not_before` on, by default from `start_of_next`. Publishing it again
        changes nothing; the key as it is kept is returned. `entry` is for the audit log. Raises UnknownService."""
        topics = SIGNED_BY.get(key.service)
        if topics is None:
            raise UnknownService(f"{key.service!r} is no service that signs. There are: {', '.join(SIGNED_BY)}")
        start = not_before or await self.start_of_next(key.service)
        names = tuple(topic.value for topic in topics)
        async with _audited(self._pool, entry) as connected:
            await connected.execute(_PUBLISH, key.key_id, key.service, list(names), key.public_key_bytes, start)
        return next(known for known in await self.load() if known.key_id == key.key_id)

    async def retire(self, key_id: str, at: datetime) -> bool:
        """It signs no longer after `at`; what it signed before stays valid. Whether there is such a key."""
        return await self._stamp(
            "UPDATE service_keys SET not_after = $2 WHERE key_id = $1 RETURNING key_id", key_id, at
        )

    async def revoke(self, key_id: str, *, entry: Audited | None = None) -> bool:
        """It leaked: nothing that it signed is accepted any more. Whether there is such a key. `entry` is for the audit log."""
        return await self._stamp(
            "UPDATE service_keys SET revoked_at = coalesce(revoked_at, $2) WHERE key_id = $1 RETURNING key_id",
            key_id,
            datetime.now(UTC),
            entry,
        )

    async def _stamp(self, statement: str, key_id: str, at: datetime, entry: Audited | None = None) -> bool:
        async with _audited(self._pool, entry) as connected:
            return await connected.fetchval(statement, key_id, at) is not None


@asynccontextmanager
async def _audited(pool: Pool, entry: Audited | None) -> AsyncIterator[Connection]:
    """For a change that is written with its entry in the audit log, or not at all."""
    if entry is None:
        async with connection(pool) as connected:
            yield connected
        return
    async with tenant_transaction(pool, entry.tenant_id) as connected:
        yield connected
        await audit_log.write(connected, entry)
