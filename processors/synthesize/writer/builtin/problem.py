"""Problem in short: the ticket's subject, where it is, and what of the description says most."""

from __future__ import annotations

import re

from processors.synthesize.writer.builtin.relevance import is_code, terms
from processors.synthesize.writer.builtin.wording import ended, from_ticket, opened, sentences, shortened
from processors.synthesize.writer.masking import secrets_removed
from schemas.events import Ticket

WORDS = 55
READ = 6_000
_GREETING = re.compile(
    r"^(?:hi|hello|hallo|hej|dear|good (?:morning|afternoon|evening|day)|morning|guten (?:morgen|tag)|moin|thanks|thank you|danke"
    r"|regards|best regards|kind regards|mfg|viele grüße|many thanks|cheers|please help|pls help|greetings)\b[^.!?]{0,30}[,.!]*$",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^(?:hi|hello|hallo|hej|moin|guten (?:morgen|tag)|good (?:morning|afternoon))\b[^,.!?]{0,20}[,!]\s*", re.I
)


def problem(ticket: Ticket) -> str:
    place = ", ".join(from_ticket(part) for part in (ticket.site, ticket.end_customer) if part)
    category, priority = from_ticket(ticket.category or ""), from_ticket(ticket.priority or "")
    facts = [part for part in (category, priority and f"priority {priority}", place) if part]
    head = f"**{from_ticket(ticket.subject).strip()}**" + (f" ({'; '.join(facts)})" if facts else "") + "."
    quoted = essence(ticket)
    return f"{head} The ticket says: “{quoted}”" if quoted else f"{head} The ticket has no further description."


def essence(ticket: Ticket) -> str:
    """The sentences that say most, in their own order, about 55 words."""
    signatures = _signatures(ticket)
    found = [
        (place, opened(_OPENING.sub("", sentence)))
        for place, sentence in enumerate(sentences(secrets_removed(ticket.description)[:READ]))
        if not _GREETING.match(sentence) and sentence.lower().strip(" .,-") not in signatures
    ]
    by_weight = sorted(found, key=lambda one: (-_density(one[1], one[0]), one[0]))
    chosen: list[tuple[int, str]] = []
    words = 0
    for place, sentence in by_weight:
        length = len(sentence.split())
        if chosen and words + length > WORDS:
            continue
        chosen.append((place, sentence))
        words += length
    return shortened(" ".join(ended(from_ticket(sentence)) for _, sentence in sorted(chosen)), WORDS + 15)


def _signatures(ticket: Ticket) -> set[str]:
    known = [
        ticket.site,
        ticket.end_customer,
        *((ticket.requester.name, ticket.requester.email) if ticket.requester else ()),
    ]
    return {text.strip().lower() for text in known if text}


def _density(sentence: str, place: int) -> float:
    """Codes and names of machines say most; the beginning mostly has the point."""
    found = terms(sentence)
    codes = sum(1 for term in found if is_code(term))
    return len(found) + 2.0 * codes - 0.5 * place
