"""What only Kafka tells of a week: which sources gave nothing for which ticket, and the dead letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from infra.ops.replay.letters import LetterFilter, letters, spans_of
from infra.ops.replay.selection import Verifying
from infra.ops.replay.spans import Spans
from infra.runtime.stream.record import RawRecord
from schemas.events import TicketEnriched
from schemas.topics import Topic
from sinks.postgres.period_figures import Period


@dataclass(slots=True)
class MissingSources:
    """How often each source gave nothing and why, and what was missing for the events that were asked about."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    of_event: dict[str, tuple[str, ...]] = field(default_factory=dict)


class KafkaTroubles:
    """Raises KafkaSilent. Reads a tenant's partition; only records that are proven to be the tenant's count."""

    def __init__(self, spans: Spans, verifying: Verifying) -> None:
        self._spans, self._verifying = spans, verifying

    async def missing(
        self, tenant_id: str, partition: int, period: Period, asked: Collection[str] = ()
    ) -> MissingSources:
        """Of the tickets that were enriched in that time, each event once; `asked` are ids of such events."""
        span = await self._spans.between(Topic.TICKETS_ENRICHED, partition, period.since, period.until)
        found, at, last = MissingSources(), span.first, ""
        while at < span.end:
            batch = await self._spans.read(span, at)
            at = batch.next_offset
            for record in batch.records:
                event = await self._own(record, tenant_id)
                if event is None or event.event_id == last:  # a repetition follows at once
                    continue
                last = event.event_id
                found.counts.update((one.source, one.reason) for one in event.missing)
                if event.event_id in asked:
                    found.of_event[event.event_id] = tuple(f"{one.source} ({one.reason})" for one in event.missing)
        return found

    async def dead_letters(self, tenant_id: str, partition: int, period: Period) -> Mapping[tuple[str, str], int]:
        """By stage and reason: events that failed for the last time in that time."""
        wanted, found = LetterFilter(tenant_id, since=period.since, until=period.until), Counter[tuple[str, str]]()
        for span in await spans_of(self._spans, [partition], period.since):
            async for letter in letters(self._spans, span, wanted, self._verifying.codec):
                found[letter.event.stage, letter.event.reason] += 1
        return found

    async def _own(self, record: RawRecord, tenant_id: str) -> TicketEnriched | None:
        admitted = await self._verifying.admit(Topic.TICKETS_ENRICHED, record)
        event = admitted.event
        return event if isinstance(event, TicketEnriched) and event.tenant_id == tenant_id else None
