"""The answer to one enriched ticket as it is stored, so that a repetition emits the same to the byte."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from dataclasses import fields as fields_of
from datetime import datetime
from typing import Any

from processors.synthesize.writer.writer import Written
from schemas.events import Citation, EnhancementSynthesized, TicketEnriched, Usage, Writer

_FIELDS, _CITATION = tuple(one.name for one in fields_of(Written)), tuple(one.name for one in fields_of(Citation))
TIMES = ("synthesized_at", "received_at", "enriched_at")


@dataclass(frozen=True, slots=True)
class Answer:
    """A note, when it was written, and the times of the event that it answers: that event may come again with the same id and
    content but later times, where a stage before was cut off. All else in what leaves follows from what came in."""

    written: Written
    synthesized_at: datetime
    received_at: datetime | None = None
    enriched_at: datetime | None = None

    @classmethod
    def to(cls, event: TicketEnriched, written: Written, at: datetime) -> Answer:
        return cls(written, at, event.received_at, event.enriched_at)

    def to_json(self) -> str:
        times = {name: at.isoformat() for name in TIMES if (at := getattr(self, name)) is not None}
        written = {name: getattr(self.written, name) for name in _FIELDS}
        written["citations"] = [{name: getattr(one, name) for name in _CITATION} for one in self.written.citations]
        written["usage"] = asdict(self.written.usage)
        return json.dumps({**written, **times})

    @classmethod
    def from_json(cls, stored: str) -> Answer:
        """Raises ValueError, KeyError or TypeError if the text isn't a stored answer."""
        fields: dict[str, Any] = json.loads(stored)
        times = {name: datetime.fromisoformat(fields.pop(name)) for name in TIMES if name in fields}
        fields["citations"] = tuple(Citation(**citation) for citation in fields["citations"])
        fields["usage"] = Usage(**fields["usage"])
        fields["writer"] = Writer(fields["writer"])
        return cls(Written(**fields), **times)

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
            received_at=self.received_at or event.received_at,
            enriched_at=self.enriched_at or event.enriched_at,
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
