"""A tenant's delivered enhancements as Kafka still holds them: only records that are proven to be the tenant's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from infra.ops.replay.selection import Verifying
from infra.ops.replay.spans import Spans
from infra.runtime.stream.admission import Rejected
from infra.runtime.stream.record import RawRecord
from schemas.events import EnhancementDelivered, Event
from schemas.topics import Topic


class Delivered(Protocol):
    def of(self, tenant_id: str, partition: int) -> AsyncIterator[EnhancementDelivered]:
        """In their order."""


class DeliveredOnKafka:
    """Implements Delivered. Raises KafkaSilent. `refused` counts records on the partition that aren't the tenant's own."""

    def __init__(self, spans: Spans, verifying: Verifying) -> None:
        self._spans, self._verifying = spans, verifying
        self.refused = 0

    async def of(self, tenant_id: str, partition: int) -> AsyncIterator[EnhancementDelivered]:
        span = await self._spans.all(Topic.ENHANCEMENTS_DELIVERED, partition)
        at = span.first
        while at < span.end:
            batch = await self._spans.read(span, at)
            at = batch.next_offset
            for record in batch.records:
                event = await self._proven(record)
                if isinstance(event, EnhancementDelivered) and event.tenant_id == tenant_id:
                    yield event
                else:
                    self.refused += 1

    async def _proven(self, record: RawRecord) -> Event | None:
        """Also of a tenant that is disabled by now, whose record is held for nothing else."""
        admitted = await self._verifying.admit(Topic.ENHANCEMENTS_DELIVERED, record)
        if not isinstance(admitted, Rejected):
            found: Event = admitted.event
            return found
        return admitted.event
