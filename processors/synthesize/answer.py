"""The answer to one enriched ticket as it is stored, so that a repetition emits the same to the byte."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from processors.synthesize.writer.writer import Written
from schemas.events import Citation, EnhancementSynthesized, TicketEnriched, Usage, Writer


@dataclass(frozen=True, slots=True)
class Answer:
    """A note and when it was written. All else in the event that leaves follows from the event that came in."""

    written: Written
    synthesized_at: datetime

    def to_json(self) -> str:
        return json.dumps({**asdict(self.written), "synthesized_at": self.synthesized_at.isoformat()})

    @classmethod
    def from_json(cls, stored: str) -> Answer:
        """Raises ValueError, KeyError or TypeError if the text isn't a stored answer."""
        fields: dict[str, Any] = json.loads(stored)
        at = datetime.fromisoformat(fields.pop("synthesized_at"))
        fields["citations"] = tuple(Citation(**citation) for citation in fields["citations"])
        fields["usage"] = Usage(**fields["usage"])
        fields["writer"] = Writer(fields["writer"])
        return cls(Written(**fields), at)

    def following(self, event: TicketEnriched) -> EnhancementSynthesized:
        """The event that leaves the stage for `event`."""
        event_id, enhancement_id = EnhancementSynthesized.ids_for(event)
        written, ticket = self.written, event.ticket
        return EnhancementSynthesized(
            event_id=event_id,
            input_id=event.event_id,
            tenant_id=event.tenant_id,
            ticket_id=event.ticket_id,
            enhancement_id=enhancement_id,
            text=written.text,
            citations=written.citations,
            writer=written.writer,
            content_hash=ticket.content_hash,
            received_at=event.received_at,
            enriched_at=event.enriched_at,
            synthesized_at=self.synthesized_at,
            model=written.model,
            prompt_version=written.prompt_version,
            usage=written.usage,
            degraded=written.degraded,
            subject=ticket.subject,
            category=ticket.category,
            priority=ticket.priority,
            ticket_received_id=event.input_id,
            again=event.again,
        )
