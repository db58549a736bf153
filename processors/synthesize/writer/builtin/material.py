"""What the sections of a note are made of: the evidence sorted by kind, ranked, and parsed; and the citations given so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from processors.synthesize.writer.builtin import article, earlier_ticket
from processors.synthesize.writer.builtin.article import Article
from processors.synthesize.writer.builtin.earlier_ticket import EarlierTicket
from processors.synthesize.writer.builtin.relevance import Ranked, Yardstick, text_of
from processors.synthesize.writer.masking import secrets_removed
from processors.synthesize.writer.writer import Evidence, WritingTask
from schemas.events import Citation

TICKET_KINDS = ("similar", "requester", "incident")
NETWORK_KINDS = ("device", "subnet")
LEARNT_FROM = 2
LEARNT_SHARE = 0.4
FAR_BEHIND = 0.45


class Citer:
    """Numbers evidence from 1 up in the order in which the note first cites it, and keeps what was quoted in full (`quoted`)."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self.citations: list[Citation] = []
        self.quoted: set[str] = set()

    def cite(self, evidence: Evidence) -> str:
        """`[n]`."""
        key = (evidence.item.source, evidence.item.id)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers) + 1
            self.citations.append(replace(evidence.citation(), number=self._numbers[key]))
        return f"[{self._numbers[key]}]"


@dataclass(frozen=True, slots=True)
class ArticleFound:
    ranked: Ranked
    article: Article

    @property
    def evidence(self) -> Evidence:
        return self.ranked.evidence


@dataclass(frozen=True, slots=True)
class TicketFound:
    ranked: Ranked
    ticket: EarlierTicket

    @property
    def evidence(self) -> Evidence:
        return self.ranked.evidence

    @property
    def by_requester(self) -> bool:
        return self.evidence.item.kind == "requester"


@dataclass(frozen=True, slots=True)
class Material:
    """Usable evidence only, best first; network facts as the source ordered them."""

    articles: tuple[ArticleFound, ...]
    tickets: tuple[TicketFound, ...]
    network: tuple[Evidence, ...]

    @classmethod
    def of(cls, task: WritingTask) -> Material:
        by_kind = {kind: _of_kinds(task, kind) for kind in (("article",), TICKET_KINDS, NETWORK_KINDS)}
        yardstick = Yardstick(task.ticket, task.evidence)
        tickets = _fitting(yardstick.ranked(_once(by_kind[TICKET_KINDS])))
        for found in tickets[:LEARNT_FROM]:
            yardstick.learn(text_of(found.evidence.item), min(LEARNT_SHARE, found.fit))
        articles = _fitting(yardstick.ranked(by_kind[("article",)]))
        return cls(
            tuple(ArticleFound(found, article.parsed(_excerpt(found))) for found in articles),
            tuple(TicketFound(found, earlier_ticket.parsed(_excerpt(found))) for found in tickets),
            tuple(by_kind[NETWORK_KINDS]),
        )

    @property
    def best_article(self) -> ArticleFound | None:
        return next(iter(self.articles), None)

    @property
    def solved(self) -> tuple[TicketFound, ...]:
        """Earlier tickets of which the solution is known."""
        return tuple(found for found in self.tickets if found.ticket.resolution)


def _excerpt(found: Ranked) -> str:
    """Secrets go before the text is taken apart: a value may be in another line than what it is called."""
    return secrets_removed(found.evidence.item.excerpt)


def _fitting(found: list[Ranked]) -> list[Ranked]:
    """What fits, and isn't far behind the best."""
    return [one for one in found if one.usable and one.fit >= FAR_BEHIND * found[0].fit]


def _of_kinds(task: WritingTask, kinds: tuple[str, ...]) -> list[Evidence]:
    return [evidence for evidence in task.evidence if evidence.item.kind in kinds]


def _once(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Each ticket once: it may have been found as similar and as the requester's."""
    seen: dict[str, Evidence] = {}
    for one in evidence:
        seen.setdefault(one.item.id, one)
    return list(seen.values())
