"""Finished enhancements with their feedback, tenant after tenant in the order of delivery, each event once; behind them, where they
are wanted, those that failed.

What is held in memory doesn't grow with the number of rows: a piece of the topic (at most 50 records or about 1 MiB), the feedback
of these, and for Parquet one group of rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from infra.ops.analysts.rows import failed_row, row
from infra.ops.analysts.seen import Seen
from infra.ops.analysts.tables import Table
from infra.ops.leaving.delivered import Piece
from schemas.events import EnhancementDelivered
from schemas.times import rfc3339
from sinks.postgres.failures import FailedEnhancement
from sinks.postgres.note_feedback import NoteFeedback

CLOCKS_DIFFER = timedelta(hours=1)
"""An event is written after it was delivered by two clocks that are never so far apart."""


class Pieces(Protocol):
    def pieces(self, tenant_id: str, partition: int, written_since: datetime | None = None) -> AsyncIterator[Piece]:
        """See DeliveredOnKafka."""


FeedbackOf = Callable[[str, list[tuple[str, str]]], Awaitable[Mapping[str, NoteFeedback]]]
"""A tenant's notes, as pairs of ticket and enhancement id, to what was said of them by enhancement id."""


FailedOf = Callable[[str, datetime | None, datetime | None], AsyncIterator[FailedEnhancement]]
"""A tenant's, from when to before when."""


@dataclass(frozen=True, slots=True)
class Window:
    """`since` ≤ delivered < `until`; None is no bound. UTC."""

    since: datetime | None = None
    until: datetime | None = None

    def has(self, event: EnhancementDelivered) -> bool:
        at = event.times.delivered_at
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def __str__(self) -> str:
        texts = [(word, at) for word, at in (("from", self.since), ("before", self.until)) if at]
        return ", ".join(f"{word} {rfc3339(at)}" for word, at in texts) or "all that is kept"


@dataclass(slots=True)
class Told:
    """What was written, and the repeated events that were left out."""

    rows: int = 0
    repeated: int = 0
    tenants: int = 0


@dataclass(frozen=True, slots=True)
class Exporting:
    """`failed` gives a tenant's failed ones; None leaves them out. `progress` hears the tenant, how many of its records were looked
    at, and of how many."""

    delivered: Pieces
    feedback: FeedbackOf
    window: Window
    text: bool = False
    failed: FailedOf | None = None
    progress: Callable[[str, int, int], None] = lambda *_: None

    async def export(self, tenant_id: str, partition: int, table: Table, told: Told) -> None:
        """All rows of one tenant. Raises KafkaSilent, PostgresUnavailable."""
        written_since = None if self.window.since is None else self.window.since - CLOCKS_DIFFER
        with Seen() as seen:
            async for piece in self.delivered.pieces(tenant_id, partition, written_since):
                wanted = [event for event in piece.events if self.window.has(event)]
                new = [event for event in wanted if seen.is_new(event.event_id)]
                await self._write(tenant_id, new, table)
                told.rows += len(new)
                told.repeated += len(wanted) - len(new)
                self.progress(tenant_id, piece.behind, piece.records)
            if self.failed is not None:
                async for one in self.failed(tenant_id, self.window.since, self.window.until):
                    table.write(failed_row(one, text=self.text))
                    told.rows += 1
        told.tenants += 1

    async def _write(self, tenant_id: str, events: list[EnhancementDelivered], table: Table) -> None:
        if not events:
            return
        notes = [(event.ticket_id, event.enhancement_id) for event in events]
        feedback = await self.feedback(tenant_id, notes)
        for event in events:
            table.write(row(event, feedback.get(event.enhancement_id), text=self.text))
