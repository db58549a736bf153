"""Similar tickets, articles and network facts: short lists that lead to the sources. Empty where there is nothing to list."""

from __future__ import annotations

import re

from processors.synthesize.writer.builtin.material import Citer, Material, TicketFound
from processors.synthesize.writer.builtin.wording import (
    ended,
    from_earlier_ticket,
    from_records,
    from_ticket,
    shortened,
)
from processors.synthesize.writer.masking import secrets_removed
from processors.synthesize.writer.writer import Evidence

MAX_TICKETS = 3
MAX_ARTICLES = 2
MAX_NETWORK = 6
_LINK = re.compile(r"https?://[^\s()<>\"'`\\]{1,2000}")


def similar_tickets(material: Material, citer: Citer) -> str:
    return "\n".join(_ticket(found, citer) for found in material.tickets[:MAX_TICKETS])


def articles(material: Material, citer: Citer) -> str:
    return "\n".join(
        f"- {_linked(found.evidence)} {citer.cite(found.evidence)}" for found in material.articles[:MAX_ARTICLES]
    )


def network(material: Material, citer: Citer) -> str:
    return "\n".join(_network(evidence, citer) for evidence in material.network[:MAX_NETWORK])


def _ticket(found: TicketFound, citer: Citer) -> str:
    if found.evidence.item.id in citer.quoted:
        return f"- {_named(found)}: quoted above {citer.cite(found.evidence)}"
    resolution = from_earlier_ticket(shortened(found.ticket.resolution, 25))
    text = f"solved by: {ended(resolution)}" if resolution else "no solution is recorded."
    return f"- {_named(found)}: {text} {citer.cite(found.evidence)}"


def _named(found: TicketFound) -> str:
    item = found.evidence.item
    whose = ", the same requester" if found.by_requester else ""
    return f"{from_ticket(item.id)} “{from_ticket(item.title)}”{whose}"


def _linked(evidence: Evidence) -> str:
    item = evidence.item
    title, number = from_ticket(item.title), from_ticket(item.id)
    return f"{number}: [{title}]({item.link})" if item.link and _LINK.fullmatch(item.link) else f"{number}: {title}"


def _network(evidence: Evidence, citer: Citer) -> str:
    title, text = from_ticket(evidence.item.title), from_records(shortened(secrets_removed(evidence.item.excerpt), 40))
    said = [part for part in (title, text if text != title else "") if part]
    return f"- {ended(': '.join(said) or from_ticket(evidence.item.id))} {citer.cite(evidence)}"
