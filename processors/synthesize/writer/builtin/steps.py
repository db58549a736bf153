"""Steps: what solved the most similar ticket, the fitting article's own steps, and general first checks where these are thin."""

from __future__ import annotations

from dataclasses import dataclass, field

from processors.synthesize.writer.builtin.leads import halves, is_thin, named, solution, strong_articles, strong_case
from processors.synthesize.writer.builtin.material import ArticleFound, Citer, Material
from processors.synthesize.writer.builtin.relevance import similar, terms, terms_of_record
from processors.synthesize.writer.builtin.triage import FIRST_CHECKS, GENERAL_CHECKS
from processors.synthesize.writer.builtin.wording import ended, from_records, from_ticket, shortened
from schemas.events import Ticket

MAX_ARTICLE_STEPS = 8
MAX_OTHER_STEPS = 2
ENOUGH_STEPS = 4
ALIKE = 0.6


@dataclass(slots=True)
class _List:
    """Numbered steps; one that says the same as an earlier one isn't added."""

    texts: list[str] = field(default_factory=list)
    _terms: list[frozenset[str]] = field(default_factory=list)

    def add(self, text: str, citation: str = "") -> None:
        plain = text.strip()
        said = terms_of_record(plain)
        if plain and all(similar(said, earlier) < ALIKE for earlier in self._terms):
            self.texts.append(f"{ended(plain)} {citation}".strip())
            self._terms.append(said | terms(citation))

    def __str__(self) -> str:
        return "\n".join(f"{number}. {text}" for number, text in enumerate(self.texts, 1))


def steps(material: Material, ticket: Ticket, citer: Citer) -> str:
    """A numbered list; general checks in it are named as such."""
    result = _List()
    _from_records(result, material, ticket, citer)
    cited = len(result.texts)
    if is_thin(material) or cited < ENOUGH_STEPS:
        first = _List() if is_thin(material) else result  # general checks come before what hardly fits
        for check in FIRST_CHECKS.get((ticket.category or "").strip().lower(), GENERAL_CHECKS):
            first.add(check)
        if first is not result:
            first.texts += result.texts
        said = "Steps without a source are" if cited else "These steps are"
        return f"{first}\n\n*{said} general practice, not from this tenant's records.*"
    return str(result)


def _from_records(result: _List, material: Material, ticket: Ticket, citer: Citer) -> None:
    case, articles = strong_case(material), strong_articles(material)
    if case is not None:
        _, done = halves(case)
        result.add(
            f"Rule out first what solved ticket {from_ticket(case.evidence.item.id)}: {done}", citer.cite(case.evidence)
        )
    if articles:
        _article_steps(result, articles[0], citer)
        _steps_of_second(result, articles, ticket, citer)
    _other_solution(result, material, citer)
    if articles:
        _close(result, articles[0], citer)
    elif is_thin(material):
        for weak in material.articles[:1]:
            title, number = from_ticket(weak.evidence.item.title), from_ticket(weak.evidence.item.id)
            result.add(f"If it turns out to be *{title}*: follow {number}", citer.cite(weak.evidence))


def _article_steps(result: _List, found: ArticleFound, citer: Citer) -> None:
    for step in found.article.steps[:MAX_ARTICLE_STEPS]:
        result.add(from_records(step), citer.cite(found.evidence))
    if not found.article.steps:
        result.add(
            f"Read {from_ticket(found.evidence.item.id)}, which has no numbered steps", citer.cite(found.evidence)
        )


def _steps_of_second(result: _List, articles: list[ArticleFound], ticket: Ticket, citer: Citer) -> None:
    """Of a second article only those steps that speak of this ticket."""
    wanted = terms(f"{ticket.subject} {ticket.description[:4000]}")
    for found in articles[1:]:
        fitting = sorted(found.article.steps, key=lambda step: -len(wanted & terms_of_record(step)))[:MAX_OTHER_STEPS]
        for step in found.article.steps:
            if step in fitting and len(wanted & terms_of_record(step)) >= 2:
                lead = f"If it looks rather like {from_ticket(found.evidence.item.id)}: "
                result.add(lead + from_records(step), citer.cite(found.evidence))


def _other_solution(result: _List, material: Material, citer: Citer) -> None:
    """What solved the next most similar ticket."""
    for found in [one for one in material.solved if one is not strong_case(material)][:1]:
        lead = "If that doesn't help, see" if result.texts else "Compare with"
        result.add(f"{lead} what solved {named(found)}: {solution(found)}", citer.cite(found.evidence))
        citer.quoted.add(found.evidence.item.id)


def _close(result: _List, best: ArticleFound, citer: Citer) -> None:
    if best.article.check:
        result.add(
            f"Check that it worked: {from_records(shortened(best.article.check, 40))}", citer.cite(best.evidence)
        )
    if best.article.escalate:
        text = from_records(shortened(best.article.escalate, 40))
        result.add(f"Escalate {text[:1].lower()}{text[1:]}", citer.cite(best.evidence))
