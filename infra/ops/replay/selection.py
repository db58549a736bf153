"""Which events of one tenant a replay is about, and which of them it leaves alone, batch by batch in the order of their offsets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from infra.ops.replay.ports import AnsweredStore
from infra.ops.replay.renewed import content_of
from infra.ops.replay.request import ReplayRequest, WrongRequest
from infra.ops.replay.spans import Batch, Span, Spans
from infra.runtime.stream.admission import Admission, Keys, Rejected
from infra.runtime.stream.ports import TenantLimits
from infra.runtime.stream.record import Input, RawRecord
from schemas.envelope import peek
from schemas.events import Event, FeedbackSubmitted
from schemas.reasons import Reason
from schemas.topics import Topic
from schemas.wire_format import Codec

MAX_TICKETS = 100_000
"""Of one tenant in one run that goes back to an earlier stage: their ids are held in memory."""


@dataclass(frozen=True, slots=True)
class Selected:
    """An event to be replayed."""

    event: Event
    offset: int
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """An event that is not replayed: `reason` is why, None where it was answered already."""

    offset: int
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Piece:
    """What was found up to before `next_offset`."""

    found: tuple[Selected | LeftAlone, ...]
    next_offset: int


@dataclass(frozen=True, slots=True)
class Scope:
    """One tenant's part of a replay. `window` is searched; `source` has the events that are replayed. Both are the same
    where the stage itself gets its input again."""

    request: ReplayRequest
    tenant_id: str
    window: Span
    source: Span


@dataclass(frozen=True, slots=True)
class Verifying:
    """What tells an event of ours from any other record, as in the stages themselves."""

    keys: Keys
    limits: TenantLimits
    codec: Codec

    async def admit(self, topic: Topic, record: RawRecord) -> Input | Rejected:
        return await Admission(topic, self.keys, self.limits, self.codec).admit(record)


class Selection:
    """Reads a scope; the same events whenever it is asked, for the spans are fixed. Without `again`, what has its note is left
    alone.

    Holds a batch in memory, and where the replay goes to an earlier stage the tickets' ids and newest offsets."""

    def __init__(self, scope: Scope, spans: Spans, verifying: Verifying, answered: AnsweredStore) -> None:
        self.scope = scope
        self._spans, self._verifying, self._answered = spans, verifying, answered
        self._newest: dict[str, int] | None = None
        self.gone = 0
        """Tickets in the window that have no event in the source any more; known once something was read."""

    async def pieces(self, start: int | None = None) -> AsyncIterator[Piece]:
        """From offset `start` of the source on, else from its beginning. Raises KafkaSilent, WrongRequest for too many tickets."""
        at, span = self.scope.source.first if start is None else start, self.scope.source
        while at < span.end:
            piece = await self.piece(at)
            at = piece.next_offset
            yield piece

    def forget(self) -> None:
        """What is held in memory; it is read again when it is needed."""
        self._newest = None

    async def piece(self, start: int) -> Piece:
        """What lies next behind `start`."""
        batch = await self._spans.read(self.scope.source, start)
        wanted = [record for record in batch.records if await self._is_wanted(record)]
        found = await self._without_answered([await self._judged(record) for record in wanted])
        return Piece(tuple(found), batch.next_offset)

    async def _is_wanted(self, record: RawRecord) -> bool:
        """By what its headers claim; whether they are true is seen next."""
        request, ticket_id = self.scope.request, peek(record.headers, "ce_subject")
        if request.from_further_up:
            return (await self._newest_offsets()).get(ticket_id) == record.position.offset
        return request.ticket_id is None or ticket_id == request.ticket_id

    async def _judged(self, record: RawRecord) -> Selected | LeftAlone:
        offset = record.position.offset
        admitted = await self._verifying.admit(self.scope.source.topic, record)
        if isinstance(admitted, Rejected):
            return LeftAlone(offset, admitted.outcome.reason)
        if admitted.event.tenant_id != self.scope.tenant_id:  # the partition has another owner by now
            return LeftAlone(offset, Reason.WRONG_PARTITION)
        return Selected(admitted.event, offset, admitted.traceparent)

    async def _without_answered(self, found: list[Selected | LeftAlone]) -> list[Selected | LeftAlone]:
        if self.scope.request.again:
            return found
        events = [one.event for one in found if isinstance(one, Selected)]
        contents = {content for event in events if (content := content_of(event))}
        feedback = {event.event_id for event in events if isinstance(event, FeedbackSubmitted)}
        noted = await self._answered.with_note(self.scope.tenant_id, contents)
        counted = await self._answered.aggregated(self.scope.tenant_id, feedback)

        def is_answered(event: Event) -> bool:
            return content_of(event) in noted or event.event_id in counted

        return [
            LeftAlone(one.offset, None) if isinstance(one, Selected) and is_answered(one.event) else one
            for one in found
        ]

    async def _newest_offsets(self) -> dict[str, int]:
        """Of each ticket in the window the newest event in the source, by offset. A ticket whose every event there is refused
        stands with the newest of those, so that it is counted with the reason."""
        if self._newest is None:
            tickets = await self._tickets()
            proven: dict[str, int] = {}
            refused: dict[str, int] = {}
            async for batch in _batches(self._spans, self.scope.source):
                for record in batch.records:
                    ticket_id = peek(record.headers, "ce_subject")
                    if ticket_id not in tickets:
                        continue
                    judged = await self._judged(record)
                    (proven if isinstance(judged, Selected) else refused)[ticket_id] = record.position.offset
            self._newest = refused | proven
            self.gone = len(tickets) - len(self._newest)
        return self._newest

    async def _tickets(self) -> set[str]:
        """Whose events stand in the window, proven to be this tenant's."""
        found: set[str] = set()
        request, window = self.scope.request, self.scope.window
        async for batch in _batches(self._spans, window):
            for record in batch.records:
                ticket_id = peek(record.headers, "ce_subject")
                if ticket_id in found or (request.ticket_id and ticket_id != request.ticket_id):
                    continue
                admitted = await self._verifying.admit(window.topic, record)
                event = admitted.event
                if event is not None and event.tenant_id == self.scope.tenant_id:
                    found.add(ticket_id)
            if len(found) > MAX_TICKETS:
                raise WrongRequest(
                    f"more than {MAX_TICKETS} tickets of {self.scope.tenant_id} are in the window", "make it smaller"
                )
        return found


async def _batches(spans: Spans, span: Span) -> AsyncIterator[Batch]:
    at = span.first
    while at < span.end:
        batch = await spans.read(span, at)
        at = batch.next_offset
        yield batch
