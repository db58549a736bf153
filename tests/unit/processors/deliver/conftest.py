"""A delivery with everything in memory and a clock that stands still until it is moved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid5

import pytest

from infra.runtime.stream.outcomes import Outcome
from processors.deliver.fakes import FakeEnhancements, FakeFeedbackLinks, FakeNoteIntents
from processors.deliver.ports import Ports
from processors.deliver.processor import process
from processors.deliver.rendering import NoteRenderer
from schemas.events import Citation, EnhancementSynthesized, Writer
from schemas.ids import NAMESPACE
from sinks.servicedesk.fakes import FakeDesk
from sinks.servicedesk.types import TicketRef

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TICKET = TicketRef("msp-acme-corp", "12345")


class StandingClock:
    """Clock."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def synthesized(name: str = "one", **changes: Any) -> EnhancementSynthesized:
    """An event; another `name` is another event about the same content."""
    event = EnhancementSynthesized(
        event_id=str(uuid5(NAMESPACE, name)),
        input_id=str(uuid5(NAMESPACE, name + "-in")),
        tenant_id=TICKET.tenant_id,
        ticket_id=TICKET.ticket_id,
        enhancement_id=str(uuid5(NAMESPACE, name + "-enhancement")),
        text="## Likely cause\n\nThe spooler stopped [1].\n\n1. Restart it\n2. Print a page",
        citations=(Citation(1, "docs", "kb-7", "Spooler stops", "https://docs.example.com/kb/7"),),
        writer=Writer.MODEL,
        content_hash="a" * 64,
        received_at=START - timedelta(seconds=40),
        enriched_at=START - timedelta(seconds=35),
        synthesized_at=START - timedelta(seconds=5),
        model="gpt-4-turbo",
    )
    return replace(event, **changes)


@dataclass
class Delivery:
    """The ports in memory, and `run`."""

    clock: StandingClock = field(default_factory=StandingClock)
    desk: FakeDesk = field(default_factory=FakeDesk)
    enhancements: FakeEnhancements = field(default_factory=FakeEnhancements)

    def __post_init__(self) -> None:
        self.desk.add(TICKET)
        self.intents = FakeNoteIntents(self.clock, self.enhancements)
        self.ports = Ports(
            tickets=self.desk,
            notes=self.desk,
            intents=self.intents,
            enhancements=self.enhancements,
            renderer=NoteRenderer(FakeFeedbackLinks()),
            clock=self.clock,
        )

    async def run(self, event: EnhancementSynthesized | None = None) -> Outcome:
        return await process(event or synthesized(), ports=self.ports)

    @property
    def notes(self) -> list[str]:
        return [note.html for _, note in self.desk.written]

    def row(self, content_hash: str = "a" * 64) -> tuple[str, str | None]:
        row = self.enhancements.rows[TICKET.tenant_id, TICKET.ticket_id, content_hash]
        return row.status, row.note_id or row.reason


@pytest.fixture
def delivery() -> Delivery:
    return Delivery()
