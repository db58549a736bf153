"""From a row that a search found to an item of context."""

from __future__ import annotations

from dataclasses import replace

from processors.enrich.excerpt import cut
from processors.enrich.ports import Found
from schemas.events import ContextItem
from schemas.events.enriched import MAX_EXCERPT_BYTES

MAX_TITLE_BYTES = 300
MAX_LINK_BYTES = 1024


def item(source: str, row: Found) -> ContextItem:
    return ContextItem(
        source=source,
        kind=row.kind,
        id=row.id,
        title=row.title,
        excerpt=row.excerpt,
        score=row.score,
        link=row.link,
    )


def bounded(found: ContextItem) -> ContextItem:
    """The item within the event's bounds. A link is kept whole or not at all."""
    link = found.link if found.link and len(found.link.encode()) <= MAX_LINK_BYTES else None
    return replace(
        found,
        title=cut(found.title, MAX_TITLE_BYTES),
        excerpt=cut(found.excerpt.strip(), MAX_EXCERPT_BYTES),
        link=link,
    )
