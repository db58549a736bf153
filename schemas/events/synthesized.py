"""EnhancementSynthesized: the text that is to become a note."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas import ids
from schemas.events.enriched import TicketEnriched


class Writer(StrEnum):
    MODEL = "model"
    BUILTIN = "builtin"


@dataclass(frozen=True, slots=True)
class Citation:
    """`number` is how the text refers to it: `[3]`."""

    number: int
    source: str
    id: str
    title: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the model call took. `cost_usd` is the provider's own figure, null when it gave none."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class EnhancementSynthesized:
    """`text` is Markdown. `degraded` says why the text is less than it should be (a fallback wrote it), else null."""

    event_id: str
    input_id: str
    tenant_id: str
    ticket_id: str
    enhancement_id: str
    text: str
    citations: tuple[Citation, ...]
    writer: Writer
    content_hash: str
    received_at: datetime
    enriched_at: datetime
    synthesized_at: datetime
    model: str | None = None
    prompt_version: str | None = None
    usage: Usage = Usage()
    degraded: str | None = None
    subject: str = ""
    category: str | None = None
    priority: str | None = None
    ticket_received_id: str = ""
    again: bool = False

    @staticmethod
    def ids_for(event: TicketEnriched) -> tuple[str, str]:
        """Event id and enhancement id of what follows an enriched ticket."""
        return ids.of_output(event.event_id, "synthesize"), ids.derive(event.event_id, "enhancement")
