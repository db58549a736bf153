"""A tenant's delivered enhancements as Kafka still holds them: only records that are proven to be the tenant's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from infra.ops.replay.selection import Verifying
from infra.ops.replay.spans import FOR_EVER, Spans
from infra.runtime.stream.admission import Rejected
from infra.runtime.stream.record import RawRecord
from schemas.events import EnhancementDelivered, Event
from schemas.topics import Topic


class Delivered(Protocol):
    def of(self, tenant_id: str, partition: int) -> AsyncIterator[EnhancementDelivered]:
        """In their order."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The tenant's own among some records that follow each other; `behind` of `records` were looked at."""

    events: tuple[EnhancementDelivered, ...]
    behind: int
    records: int


class DeliveredOnKafka:
    """Implements Delivered. Raises KafkaSilent. `refused` counts records on the partition that aren't the tenant's own."""

    def __init__(self, spans: Spans, verifying: Verifying) -> None:
        self._spans, self._verifying = spans, verifying
        self.refused = 0

    async def of(self, tenant_id: str, partition: int) -> AsyncIterator[EnhancementDelivered]:
        async for piece in self.pieces(tenant_id, partition):
            for event in piece.events:
                yield event

    async def pieces(
        self, tenant_id: str, partition: int, written_since: datetime | None = None
    ) -> AsyncIterator[Piece]:
        """All that Kafka holds now, or what the broker wrote from then on, in their order, at most 50 records or about 1 MiB at a
        time."""
        span = await self._spans.all(Topic.ENHANCEMENTS_DELIVERED, partition)
        if written_since is not None and span.first < span.end:
            later = await self._spans.between(Topic.ENHANCEMENTS_DELIVERED, partition, written_since, FOR_EVER)
            span = replace(span, first=min(later.first, span.end))
        at = span.first
        while at < span.end:
            batch = await self._spans.read(span, at)
            at = batch.next_offset
            events = [event for record in batch.records if (event := await self._own(record, tenant_id))]
            yield Piece(tuple(events), at - span.first, span.end - span.first)

    async def _own(self, record: RawRecord, tenant_id: str) -> EnhancementDelivered | None:
        event = await self._proven(record)
        if isinstance(event, EnhancementDelivered) and event.tenant_id == tenant_id:
            return event
        self.refused += 1
        return None

    async def _proven(self, record: RawRecord) -> Event | None:
        """Also of a tenant that is disabled by now, whose record is held for nothing else."""
        admitted = await self._verifying.admit(Topic.ENHANCEMENTS_DELIVERED, record)
        if not isinstance(admitted, Rejected):
            found: Event = admitted.event
            return found
        return admitted.event
