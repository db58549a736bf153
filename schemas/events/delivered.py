"""EnhancementDelivered: what became of an enhancement. All that an analyst needs without another topic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas import ids
from schemas.events.synthesized import Citation, EnhancementSynthesized, Usage, Writer
from schemas.reasons import Reason


class DeliveryOutcome(StrEnum):
    POSTED = "posted"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class StepTimes:
    """When each step was done (UTC)."""

    received_at: datetime
    enriched_at: datetime
    synthesized_at: datetime
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class EnhancementDelivered:
    """`outcome` posted has a `note_id`, dropped has a `reason`. `total_ms` is from webhook to note."""

    event_id: str
    input_id: str
    tenant_id: str
    ticket_id: str
    enhancement_id: str
    outcome: DeliveryOutcome
    text: str
    citations: tuple[Citation, ...]
    writer: Writer
    times: StepTimes
    total_ms: int
    reason: str | None = None
    note_id: str | None = None
    category: str | None = None
    priority: str | None = None
    model: str | None = None
    prompt_version: str | None = None
    usage: Usage = Usage()
    degraded: str | None = None
    content_hash: str = ""

    @classmethod
    def following(
        cls, event: EnhancementSynthesized, *, at: datetime, note_id: str | None = None, reason: Reason | None = None
    ) -> EnhancementDelivered:
        """Posted with `note_id`, or dropped for `reason`: exactly one of them is given."""
        if (note_id is None) == (reason is None):
            raise ValueError("a delivered enhancement has either a note id or a reason why there is none")
        return cls(
            event_id=ids.of_output(event.event_id, "deliver"),
            input_id=event.event_id,
            tenant_id=event.tenant_id,
            ticket_id=event.ticket_id,
            enhancement_id=event.enhancement_id,
            outcome=DeliveryOutcome.POSTED if note_id is not None else DeliveryOutcome.DROPPED,
            text=event.text,
            citations=event.citations,
            writer=event.writer,
            times=StepTimes(event.received_at, event.enriched_at, event.synthesized_at, at),
            total_ms=max(0, round((at - event.received_at).total_seconds() * 1000)),
            reason=reason.value if reason else None,
            note_id=note_id,
            category=event.category,
            priority=event.priority,
            model=event.model,
            prompt_version=event.prompt_version,
            usage=event.usage,
            degraded=event.degraded,
            content_hash=event.content_hash,
        )
