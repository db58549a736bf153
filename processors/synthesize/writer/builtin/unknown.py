"""What is unknown: sources that didn't answer, evidence that is thin, and what the ticket leaves open."""

from __future__ import annotations

import re

from processors.synthesize.writer.builtin.material import Material
from schemas.events import MissingSource, Ticket

_SOURCE_NAMES = {
    "ticket_history": "the ticket history",
    "docs": "the knowledge base",
    "ip_data": "the network inventory",
}
_WHEN = re.compile(
    r"\b(?:since|seit|siden|from|began|started|yesterday|today|this morning|last (?:night|week|month)|gestern|heute"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|\d{1,2}[:.]\d{2}|\d{1,2} ?(?:am|pm|uhr)|after the|ago|nach dem)\b",
    re.IGNORECASE,
)
_EXTENT = re.compile(
    r"\b(?:all|alle|everyone|everybody|nobody|only|nur|other|others|colleague|colleagues|team|whole|some|both"
    r"|we|wir|our|each|every|the rest|\d+ (?:users|people|pcs|machines|phones|tablets))\b",
    re.IGNORECASE,
)
_MACHINE = re.compile(r"\b(?:\d{1,3}(?:\.\d{1,3}){3}|[a-z]{2,10}(?:-[a-z0-9]+){1,4})\b", re.IGNORECASE)
_NEEDS_MACHINE = {"network", "printers", "databases", "backup", "vpn", "telephony", "hardware", "storage"}


def unknown(ticket: Ticket, material: Material, missing: tuple[MissingSource, ...]) -> str:
    lines = [f"{_SOURCE_NAMES.get(one.source, one.source)} could not be asked ({one.reason})" for one in missing]
    lines += _thin(material, {one.source for one in missing})
    open_points = _open(ticket)
    if open_points:
        lines.append("the ticket doesn't say " + ", nor ".join(open_points))
    if ticket.description_cut:
        lines.append("the description was too long and is read only in part")
    if not lines:
        return "Whether the cause is the same here: the check at the end of the steps shows it."
    return "\n".join(f"- {line[:1].upper()}{line[1:]}." for line in lines)


def _thin(material: Material, missing: set[str]) -> list[str]:
    lines = []
    if not material.articles and "docs" not in missing:
        lines.append("no article of the knowledge base fits")
    elif material.articles and not material.articles[0].ranked.strong:
        lines.append("the best article shares only a few words with the ticket: read it before following it")
    if not material.tickets and "ticket_history" not in missing:
        lines.append("no earlier ticket resembles this one")
    return lines


def _open(ticket: Ticket) -> list[str]:
    text = f"{ticket.subject}\n{ticket.description}"
    points = []
    if not _WHEN.search(text):
        points.append("since when it happens")
    if not _EXTENT.search(text):
        points.append("who else is concerned")
    if (ticket.category or "").lower() in _NEEDS_MACHINE and not _MACHINE.search(text):
        points.append("which device it is (name or address)")
    return points
