"""From a task to the two messages of a prompt, with masked and clearly marked data.

A text is masked whole and shortened afterwards: half of a secret has no form by which it could be found.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template

from processors.synthesize.writer.guard_facts import Facts
from processors.synthesize.writer.writer import Evidence, WritingTask
from schemas.events import Ticket

VERSION = "note-1"
MAX_DESCRIPTION = 8_000
MAX_SUBJECT = 500
MAX_WORD = 200
CUT_END = 400
ELLIPSIS = "…"
_PLACEHOLDER_BEGUN = re.compile(r"\{[A-Z_]{0,20}\d{0,4}\Z")
_CITATION_LIKE = re.compile(r"\[(\d{1,4})\]")
_KINDS = {
    "article": "Article {id}: {title}",
    "similar": "Earlier ticket {id}, solved: {title}",
    "requester": "Earlier ticket {id} of the same requester: {title}",
    "incident": "Earlier ticket {id} naming the same address: {title}",
    "device": "Network device: {title}",
    "subnet": "Network subnet: {title}",
}

Mask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Prompt:
    """`facts` are what the answer may name."""

    system: str
    user: str
    facts: Facts


def prompt_for(task: WritingTask, mask: Mask) -> Prompt:
    """The same task gives the same prompt. The marker can't be guessed by who wrote the ticket: it follows from the event's id."""
    marker = sha256(task.input_id.encode()).hexdigest()[:12]
    ticket = _ticket(task.ticket, mask)
    evidence = [_evidence(one, mask) for one in task.evidence]
    user = Template(_file("user.md")).substitute(
        marker=marker,
        ticket_id=task.ticket.ticket_id,
        ticket=_quoted(ticket),
        evidence="\n\n".join(f"{head}\n{_quoted(excerpt)}" for head, excerpt in evidence) or "none was found",
        missing="\n".join(_quoted(f"{one.source}: {one.reason}") for one in task.missing) or "none",
    )
    facts = Facts.of(
        records="\n".join(f"{head}\n{excerpt}" for head, excerpt in evidence),
        ticket=f"{task.ticket.ticket_id}\n{ticket}",
        citations=frozenset(one.number for one in task.evidence),
    )
    return Prompt(_file("system.md"), user, facts)


def _ticket(ticket: Ticket, mask: Mask) -> str:
    """Without the requester: who it is doesn't help to mend anything."""
    facts = [("Category", ticket.category), ("Priority", ticket.priority), ("Site", ticket.site)]
    lines = [f"Subject: {_shortened(mask(_one_line(ticket.subject)), MAX_SUBJECT)}"]
    lines += [f"{name}: {mask(_one_line(value))}" for name, value in [*facts, ("Client", ticket.end_customer)] if value]
    whole = _without_cut_end(ticket.description) if ticket.description_cut else ticket.description
    masked = _without_name(mask(whole), ticket)
    description = _shortened(masked, MAX_DESCRIPTION)
    if ticket.description_cut or description != masked:
        description += "\n(cut)"
    return "\n".join([*lines, "Description:", description])


def _shortened(masked: str, length: int) -> str:
    """At most `length` characters, and no half placeholder."""
    return masked if len(masked) <= length else _PLACEHOLDER_BEGUN.sub("", masked[:length])


def _without_cut_end(text: str) -> str:
    """Without the last word, which may be half of one, and without the words with digits before it: the groups of a number whose
    last one was cut. In writing without spaces a word has no end: no more than its last `MAX_WORD` characters go."""
    parts = re.split(r"(\s+)", text.rstrip()[-CUT_END:])
    last = parts.pop()
    while len(parts) >= 2 and any(char.isdigit() for char in parts[-2]):
        del parts[-2:]
    return (text.rstrip()[:-CUT_END] + "".join(parts) + last[:-MAX_WORD]).rstrip()


def _without_name(text: str, ticket: Ticket) -> str:
    name = ticket.requester.name if ticket.requester else None
    return re.sub(rf"\b{re.escape(name)}\b", "(requester)", text) if name and len(name) >= 4 else text


def _evidence(one: Evidence, mask: Mask) -> tuple[str, str]:
    item = one.item
    form = _KINDS.get(item.kind, "{id}: {title}")
    head = form.format(id=_one_line(item.id), title=_one_line(_uncut(item.title)))
    return f"[{one.number}] {mask(_uncited(head))}", mask(_uncited(_uncut(item.excerpt)))


def _uncut(text: str) -> str:
    """A text that was cut on its way here, which its ellipsis says, without what the cut may have halved."""
    return f"{_without_cut_end(text.rstrip(ELLIPSIS))} {ELLIPSIS}" if text.endswith(ELLIPSIS) else text


def _quoted(text: str) -> str:
    """Each line marked as data; what looks like a citation or like our marker loses its look."""
    return "\n".join(f"> {line}" for line in _uncited(text).replace("===", "= = =").splitlines())


def _uncited(text: str) -> str:
    return _CITATION_LIKE.sub(r"(\1)", text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def _file(name: str) -> str:
    return files("processors.synthesize.prompts").joinpath(name).read_text(encoding="utf-8")
