"""Likely causes: what was found in the most similar ticket, and what the fitting articles name."""

from __future__ import annotations

from collections.abc import Iterator

from processors.synthesize.writer.builtin.leads import halves, is_thin, named, strong_articles, strong_case
from processors.synthesize.writer.builtin.material import Citer, Material
from processors.synthesize.writer.builtin.relevance import terms, terms_of_record
from processors.synthesize.writer.builtin.wording import ended, from_records, from_ticket, opened, sentences, shortened
from schemas.events import Ticket

MAX_CAUSES = 3
CAUSE_WORDS = 50


def causes(material: Material, ticket: Ticket, citer: Citer) -> str:
    """Bullets; one line where nothing is known, and a warning where what is known hardly fits."""
    lines = [f"- {line}" for line in _causes(material, ticket, citer)][:MAX_CAUSES]
    if not lines:
        return "The tenant's records name none: no article and no solved ticket fits this problem."
    if is_thin(material):
        return "\n".join(["No record fits closely. The nearest, which may be about something else:", "", *lines])
    return "\n".join(lines)


def _causes(material: Material, ticket: Ticket, citer: Citer) -> Iterator[str]:
    case = strong_case(material) or next(iter(material.solved if is_thin(material) else ()), None)
    if case is not None:
        found, _ = halves(case)
        alike = "looked much the same. What was found" if case.ranked.strong else "has words in common. There it was"
        yield f"{opened(named(case))} {alike}: {found} {citer.cite(case.evidence)}"
        if case.ranked.strong:
            citer.quoted.add(case.evidence.item.id)
    for place, one in enumerate(strong_articles(material) or (material.articles[:1] if is_thin(material) else ())):
        text = from_records(_most_fitting(one.article.causes or one.article.other, ticket))
        if text:
            opening = ("Less likely: " if place else "The symptoms fit ") if one.ranked.strong else ""
            yield f"{opening}*{from_ticket(one.evidence.item.title)}*: {ended(text)} {citer.cite(one.evidence)}"


def _most_fitting(text: str, ticket: Ticket) -> str:
    """The article's causes, those that share words with the ticket first when not all fit in."""
    if len(text.split()) <= CAUSE_WORDS:
        return text
    parts = sentences(text)
    wanted = terms(f"{ticket.subject} {ticket.description[:4000]}")
    chosen: set[str] = set()
    words = 0
    for part in sorted(parts, key=lambda part: -len(wanted & terms_of_record(part))):
        if chosen and words + len(part.split()) > CAUSE_WORDS:
            continue
        chosen.add(part)
        words += len(part.split())
    return shortened(" ".join(part for part in parts if part in chosen), CAUSE_WORDS)
