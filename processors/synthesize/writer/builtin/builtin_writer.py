"""Puts the sections together, and keeps the whole within its bounds."""

from __future__ import annotations

from collections.abc import Sequence

from processors.synthesize.writer.builtin import references
from processors.synthesize.writer.builtin.causes import causes
from processors.synthesize.writer.builtin.material import Citer, Material
from processors.synthesize.writer.builtin.problem import problem
from processors.synthesize.writer.builtin.steps import steps
from processors.synthesize.writer.builtin.unknown import unknown
from processors.synthesize.writer.writer import MAX_NOTE_BYTES, WritingTask, Written
from schemas.events import Writer

RULES_VERSION = "builtin-1"
CLOSING = (
    "*Composed by fixed rules from this tenant's own tickets, articles and inventory, without a language model. "
    "Nobody has checked it: compare with the case before you act.*"
)


class BuiltinWriter:
    """Needs nothing but the task, takes milliseconds, and gives the same note for the same task."""

    async def write(self, task: WritingTask) -> Written:
        citer = Citer()
        text = _within_bounds(_sections(task, citer))
        cited = tuple(citation for citation in citer.citations if f"[{citation.number}]" in text)
        return Written(text=text, citations=cited, writer=Writer.BUILTIN, prompt_version=RULES_VERSION)


def _sections(task: WritingTask, citer: Citer) -> list[tuple[str, str]]:
    material, ticket = Material.of(task), task.ticket
    return [
        ("Problem in short", problem(ticket)),
        ("Likely causes", causes(material, ticket, citer)),
        ("Steps", steps(material, ticket, citer)),
        ("Similar tickets", references.similar_tickets(material, citer)),
        ("Articles", references.articles(material, citer)),
        ("Network facts", references.network(material, citer)),
        ("What is unknown", unknown(ticket, material, task.missing)),
    ]


def _within_bounds(sections: Sequence[tuple[str, str]]) -> str:
    """The note without empty sections; lines are taken from the end of the longest section until it fits."""
    bodies = {heading: body.split("\n") for heading, body in sections if body}
    while len(text := _joined(bodies).encode()) > MAX_NOTE_BYTES:
        longest = max(bodies, key=lambda heading: len("\n".join(bodies[heading])))
        if len(bodies[longest]) == 1:
            bodies[longest] = [
                bodies[longest][0][: max(0, len(bodies[longest][0]) - (len(text) - MAX_NOTE_BYTES) - 8)] + "…"
            ]
        else:
            bodies[longest].pop()
    return text.decode()


def _joined(bodies: dict[str, list[str]]) -> str:
    parts = [f"## {heading}\n\n" + "\n".join(lines) for heading, lines in bodies.items()]
    return "\n\n".join([*parts, CLOSING]) + "\n"
