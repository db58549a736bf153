"""Which of the material leads: the case to rule out first and the article to follow. And how a note speaks of an earlier ticket."""

from __future__ import annotations

from processors.synthesize.writer.builtin.material import ArticleFound, Material, TicketFound
from processors.synthesize.writer.builtin.wording import ended, from_earlier_ticket, from_ticket, sentences, shortened

RESOLUTION_WORDS = 40
NEARLY_AS_WELL = 0.7


def strong_case(material: Material) -> TicketFound | None:
    """The solved ticket that is so similar that its solution should be tried first."""
    return next((found for found in material.solved if found.ranked.strong), None)


def strong_articles(material: Material) -> list[ArticleFound]:
    """The best article, if it fits well, and a second one that fits nearly as well."""
    strong = [found for found in material.articles if found.ranked.strong]
    return [found for found in strong[:2] if found.ranked.fit >= NEARLY_AS_WELL * strong[0].ranked.fit]


def is_thin(material: Material) -> bool:
    """Nothing leads: what there is shares only a few words with the ticket."""
    return strong_case(material) is None and not strong_articles(material)


def named(found: TicketFound) -> str:
    return f"ticket {from_ticket(found.evidence.item.id)} (“{from_ticket(found.evidence.item.title)}”)"


def solution(found: TicketFound) -> str:
    return from_earlier_ticket(shortened(found.ticket.resolution, RESOLUTION_WORDS))


def halves(found: TicketFound) -> tuple[str, str]:
    """A resolution's first sentence, mostly the cause, and the rest, mostly what was done; all of it where it is one sentence."""
    first, *rest = sentences(from_earlier_ticket(found.ticket.resolution))
    return ended(first), shortened(" ".join(rest), RESOLUTION_WORDS) or first
