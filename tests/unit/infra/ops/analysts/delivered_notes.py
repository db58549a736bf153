"""Finished enhancements as tests plant them, and a topic that holds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from infra.ops.leaving.delivered import Piece
from schemas.events import EnhancementDelivered
from schemas.events.delivered import DeliveryOutcome, StepTimes
from schemas.events.synthesized import Citation, Usage, Writer
from sinks.postgres.note_feedback import NoteFeedback

AT = datetime(2026, 11, 16, 9, tzinfo=UTC)
FORMULA = '=HYPERLINK("https://evil.example","click")'
SAID = NoteFeedback(2, 1, 0, 1, 4.0, 15, 1, AT + timedelta(hours=2), (FORMULA, "Helped."))


def uuid(number: int) -> str:
    return str(UUID(int=number))


def note(
    number: int, *, tenant_id: str = "msp-one", at: datetime = AT, text: str = "Renew the lease [1]."
) -> EnhancementDelivered:
    """One that was posted."""
    return EnhancementDelivered(
        event_id=uuid(number),
        input_id=uuid(10_000 + number),
        tenant_id=tenant_id,
        ticket_id=str(80_000 + number),
        enhancement_id=uuid(20_000 + number),
        outcome=DeliveryOutcome.POSTED,
        text=text,
        citations=(Citation(1, "docs", "KB-1", FORMULA),),
        writer=Writer.MODEL,
        times=StepTimes(at, at, at, at),
        total_ms=1500,
        note_id="7",
        category=FORMULA,
        model="gpt-4-turbo",
        usage=Usage(900, 400, 0.01),
    )


class Topic:
    """In place of Kafka. `asked` are the times from which on it was read."""

    def __init__(self, *pieces: list[EnhancementDelivered]) -> None:
        self._pieces, self.asked = pieces, list[datetime | None]()

    async def pieces(
        self, tenant_id: str, partition: int, written_since: datetime | None = None
    ) -> AsyncIterator[Piece]:
        self.asked.append(written_since)
        for number, events in enumerate(self._pieces, 1):
            yield Piece(tuple(events), number, len(self._pieces))


async def nothing_said(tenant_id: str, notes: list[tuple[str, str]]) -> Mapping[str, NoteFeedback]:
    return {}
