"""The marker by which a note is found again: the same for every try at the same note, never that of another."""

from __future__ import annotations

import re
from hashlib import sha256

from processors.deliver.ports import NoteKey
from schemas.events import EnhancementSynthesized

PREFIX = "ticketstream:"
DIGITS = 24
_NAME = PREFIX.removesuffix(":")
_BESIDE = r"(?:<[^<>]{0,2000}>|&[a-z0-9#]{1,10};|[^\w\s<>&])"
_PATTERN = re.compile(rf"(?<={_NAME}){_BESIDE}{{1,20}}", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


def note_key(event: EnhancementSynthesized) -> NoteKey:
    """One note for a ticket's relevant content; an event that was replayed for a second note (`again`) has a key of its own."""
    parts = [event.tenant_id, event.ticket_id, event.content_hash, event.event_id if event.again else ""]
    marker = sha256("\0".join(parts).encode()).hexdigest()[:DIGITS]
    return NoteKey(event.tenant_id, event.ticket_id, event.content_hash, marker, event.event_id)


def shown(marker: str) -> str:
    """As it stands in the note."""
    return f"{PREFIX}{marker}"


def without_markers(text: str) -> str:
    """For text or HTML: a note that quotes an earlier one must not be taken for it. What stands beside our name becomes a space,
    except for tags: a desk may take those away, or read an entity once more, before a note is looked for."""
    if _NAME not in text.lower():
        return text
    return _PATTERN.sub(lambda found: " " + "".join(_TAG.findall(found.group())), text)
