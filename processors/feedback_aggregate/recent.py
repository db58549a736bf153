"""A tenant's latest ratings as metrics. They are read from the database, after an answer and then once a minute: so they grow old
without an answer, are there again after a restart, and are the same in every worker that ever had the tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from infra.runtime.clock import Clock
from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.telemetry.logs import get_logger
from processors.feedback_aggregate.metrics import show_recent
from processors.feedback_aggregate.ports import RatingStore
from schemas.feedback_arithmetic import RECENT_WITHIN

log = get_logger(__name__)

LOOK_SECONDS = 1.0
AGAIN_SECONDS = 60.0


class RecentRatings:
    """`noted` says that a tenant's ratings may be others now; `run` looks, one tenant after the other."""

    def __init__(self, store: RatingStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._due: set[str] = set()
        self._shown: set[str] = set()

    def noted(self, *tenant_ids: str) -> None:
        self._due.update(tenant_ids)

    async def look(self) -> None:
        """At all that were noted. While PostgreSQL is away they stay so, and the last figures stand."""
        since = self._clock.now() - RECENT_WITHIN
        for tenant_id in sorted(self._due):
            self._due.discard(tenant_id)  # before, so that who notes it meanwhile is heard
            try:
                ratings = await self._store.recent_ratings(tenant_id, since)
            except UNAVAILABLE as error:
                log.info("Recent ratings not read: PostgreSQL is away", error=repr(error))
                self._due.add(tenant_id)
                return
            (self._shown.add if ratings else self._shown.discard)(tenant_id)
            show_recent(tenant_id, ratings)

    async def run(self, known: Iterable[str]) -> None:
        """For ever; `known` are all tenants, of whom there may be ratings from before."""
        self.noted(*known)
        while True:
            for _ in range(round(AGAIN_SECONDS / LOOK_SECONDS)):
                await self._look_unharmed()
                await asyncio.sleep(LOOK_SECONDS)
            self.noted(*self._shown)

    async def _look_unharmed(self) -> None:
        try:
            await self.look()
        except Exception:  # a bug must not end what runs for ever
            log.exception("Recent ratings not read")
