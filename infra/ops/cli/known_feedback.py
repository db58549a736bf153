"""What technicians said of notes that are read from Kafka, as far as the database answers: Kafka alone is enough to show them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from infra.ops.cli.database import operator_pool
from infra.ops.cli.failure import Failure
from infra.ops.cli.running import run_async
from infra.ops.cli.surroundings import Surroundings
from schemas.events import EnhancementDelivered
from sinks.postgres.note_feedback import NoteFeedback, feedback_of_notes

ASK_AGAIN_SECONDS = 30.0
"""A database that didn't answer isn't asked before."""


class KnownFeedback:
    """Blocking: for commands without an event loop of their own."""

    def __init__(
        self, around: Surroundings, *, comments: bool, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._around, self._comments, self._monotonic = around, comments, monotonic
        self._not_before = -ASK_AGAIN_SECONDS

    def of(self, events: Iterable[EnhancementDelivered]) -> dict[str, NoteFeedback]:
        """By enhancement id, those that have any."""
        by_tenant: dict[str, list[tuple[str, str]]] = {}
        for event in events:
            by_tenant.setdefault(event.tenant_id, []).append((event.ticket_id, event.enhancement_id))
        if not by_tenant or self._monotonic() < self._not_before:
            return {}
        try:
            return run_async(lambda: self._ask(by_tenant))
        except Failure:
            self._not_before = self._monotonic() + ASK_AGAIN_SECONDS
            return {}

    async def _ask(self, by_tenant: dict[str, list[tuple[str, str]]]) -> dict[str, NoteFeedback]:
        found: dict[str, NoteFeedback] = {}
        async with operator_pool(self._around) as pool:
            for tenant_id, notes in by_tenant.items():
                found |= await feedback_of_notes(pool, tenant_id, notes, comments=self._comments)
        return found
