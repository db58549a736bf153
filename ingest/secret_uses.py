"""Which of a tenant's secrets its desk uses: counted in memory with every good signature, written every 5 s, best effort.

Bounded by the number of secrets, since only those of the tenants' view are counted. While PostgreSQL is away the counts wait here;
what a process hasn't written when it is killed is lost, which makes a last use look 5 s older.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from infra.runtime.telemetry.logs import get_logger
from ingest.background_writing import write_every
from sinks.postgres.secret_uses import SecretUse

log = get_logger(__name__)

WRITE_SECONDS = 5.0
ANSWER_SECONDS = 4.0
MOST_AT_ONCE = 500


class KeepsUses(Protocol):
    async def note(self, uses: Sequence[SecretUse]) -> None:
        """All or none. Raises when the store is away."""


class SecretUses:
    """`count` is on the way of every webhook: a look into a dictionary and no more."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], SecretUse] = {}

    def count(self, tenant_id: str, secret_id: str, at: datetime) -> None:
        """One good signature with this secret."""
        place = tenant_id, secret_id
        before = self._waiting.get(place)
        first, count = (before.first_at, before.count + 1) if before else (at, 1)
        self._waiting[place] = SecretUse(tenant_id, secret_id, first, at, count)

    async def write(self, store: KeepsUses) -> bool:
        """What waits, to the store; false, and it waits on, when the store doesn't take it."""
        while batch := list(self._waiting.items())[:MOST_AT_ONCE]:
            for place, _ in batch:
                del self._waiting[place]
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await store.note([use for _, use in batch])
            except BaseException as error:
                for _, use in batch:
                    self._put_back(use)
                if not isinstance(error, Exception):
                    raise
                log.debug("Uses of secrets not noted yet", error=f"{type(error).__name__}: {error}")
                return False
        return True

    async def run(self, store: KeepsUses) -> None:
        """Write every 5 s until cancelled, then once more, 1 s at most."""
        await write_every(WRITE_SECONDS, "uses of secrets", lambda: self.write(store))

    def _put_back(self, use: SecretUse) -> None:
        place = use.tenant_id, use.secret_id
        since = self._waiting.get(place)
        last, count = (since.last_at, since.count + use.count) if since else (use.last_at, use.count)
        self._waiting[place] = SecretUse(use.tenant_id, use.secret_id, use.first_at, last, count)
