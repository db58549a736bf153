"""The marker by which a note is found again: the same for every try at the same note, never that of another."""

from __future__ import annotations

import re
from hashlib import sha256

from processors.deliver.ports import NoteKey
from schemas.events import EnhancementSynthesized

PREFIX = "ticketstream:"
DIGITS = 24
PATTERN = re.compile(r"ticketstream:(?=[0-9a-f]{24})", re.IGNORECASE)
_DIGITS = re.compile(r":[0-9a-fA-F]{24}")  # found much sooner than what is looked for in any case


def note_key(event: EnhancementSynthesized) -> NoteKey:
    """One note for a ticket's relevant content; an event that was replayed for a second note (`again`) has a key of its own."""
    parts = [event.tenant_id, event.ticket_id, event.content_hash, event.event_id if event.again else ""]
    marker = sha256("\0".join(parts).encode()).hexdigest()[:DIGITS]
    return NoteKey(event.tenant_id, event.ticket_id, event.content_hash, marker, event.event_id)


def shown(marker: str) -> str:
    """As it stands in the note."""
    return f"{PREFIX}{marker}"


def without_markers(text: str) -> str:
    """For text or HTML: a note that quotes an earlier one must not be taken for it. Notes are looked for by `shown`, so nothing but
    the prefix is taken out of the quotation."""
    return PATTERN.sub("ticketstream ", text) if _DIGITS.search(text) else text
