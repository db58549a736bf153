"""What deliver needs from outside. Reading and writing at the desk are `sinks.servicedesk.types`' own Protocols; the values of
intents live beside the store that returns them and are handed on from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from infra.runtime.clock import Clock
from schemas.events import EnhancementSynthesized
from sinks.postgres.note_intents import LEASE_SECONDS, Busy, Ending, Intent, IntentState, NoteKey, Sent
from sinks.servicedesk.types import Note, NoteSink, TicketReader

__all__ = [
    "LEASE_SECONDS",
    "Busy",
    "Ending",
    "Enhancements",
    "FeedbackLinks",
    "Intent",
    "IntentState",
    "NoteIntents",
    "NoteKey",
    "Ports",
    "Renders",
    "Sent",
]


class NoteIntents(Protocol):
    """One row per key; a lease per tenant and ticket, of 30 s unless renewed, so that a dead worker's tickets come free.
    Every method raises what the database raises when it is away."""

    async def claim(
        self, key: NoteKey, owner: str, event: EnhancementSynthesized, *, to_send_below: int | None = None
    ) -> Intent | Busy:
        """The row, made if there is none, and the lease if it was free, run out or this owner's. A row that is done is returned
        whoever holds the lease, and takes none. Done means: a note was posted for this key by any input, or this very input was
        dropped; the drop of another input counts as pending. `sent_ago` and `others_lately` go by the database's clock;
        nobody else adds to the latter while the lease lasts.

        Where it is claimed, the enhancement's row says what wrote it: synthesize may have died before it noted that down.

        With `to_send_below` it is also noted down, as by `sent`, that the desk may have the note from now on: if the state is
        pending, `others_lately` is below that number and the ticket doesn't say something else by now."""

    async def renew(self, key: NoteKey, owner: str) -> bool:
        """Whether the lease was still this owner's; if so it lasts another 30 s."""

    async def sent(self, key: NoteKey, owner: str) -> Sent:
        """Note down, right before the desk is called, that it may have the note from now on; the lease lasts another 30 s. Nothing
        of it if the lease isn't this owner's any more, or if the ticket says something else by now; the latter is noted down as
        `Enhancements.superseded` does."""

    async def withdraw(self, key: NoteKey, owner: str) -> None:
        """Back to pending: the desk surely has nothing. Nothing happens if the lease isn't this owner's."""

    async def done(self, key: NoteKey, ending: Ending, owner: str) -> Ending:
        """Keep the ending, end this owner's lease and have the enhancement's row say how it ended, all or nothing. Returns the
        ending that is kept: the first note wins over everything, and the first drop of an input over later ones of the same
        input."""

    async def release(self, key: NoteKey, owner: str) -> None:
        """End this owner's lease. Nothing happens if it isn't this owner's."""


class Enhancements(Protocol):
    """The tenant's table of enhancements; every method may be repeated. What succeeded once stays so."""

    async def posted(self, tenant_id: str, ticket_id: str, content_hash: str, note_id: str) -> None: ...
    async def dropped(self, tenant_id: str, ticket_id: str, content_hash: str, reason: str) -> None: ...
    async def superseded(self, tenant_id: str, ticket_id: str, content_hash: str) -> bool:
        """Notes down that this content is dropped for the ticket's newest; false, and nothing noted, if it is the newest."""


class Renders(Protocol):
    def render(self, event: EnhancementSynthesized, marker: str, earlier: Ending | None) -> Note:
        """The note as the technician will see it. Its marker is `marker` with the prefix under which it is shown."""


class FeedbackLinks(Protocol):
    def url(self, event: EnhancementSynthesized) -> str:
        """Where the technician says what the note was worth: no login, no ticket content, 30 days."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that the decision touches, and how many notes a ticket gets within 24 hours."""

    tickets: TicketReader
    notes: NoteSink
    intents: NoteIntents
    enhancements: Enhancements
    renderer: Renders
    clock: Clock
    notes_a_day: int = 3
