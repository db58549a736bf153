"""Questions to a tenant's own data: tickets like this one, a requester's earlier ones, articles, addresses. The best rows first.

Texts are compared by their rare words: of a ticket's lexemes and exact tokens the rarest twenty-five are asked for. A document's
score is the sum of the weights (inverse document frequencies) of those that it has, doubled in its title. Source of the weights:
Robertson and Zaragoza, "The Probabilistic Relevance Framework", section 3. Where many documents have them, the rarest of them bring
the candidates and the others only judge those, as in Turtle and Flood, "Query evaluation: strategies and optimizations".

A tenant's end customers must not read of each other: where a ticket names its own, tickets of another one are not found. Those that
name none are.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import accumulate
from math import log
from typing import Any

import asyncpg

from infra.runtime.postgres.pool import Pool
from sinks.postgres.joint_questions import JointQuestions, Kind, Rows
from sinks.postgres.search_terms import exact_tokens
from sinks.postgres.word_counts import WordCounts

Address = IPv4Address | IPv6Address

MAX_TEXT = 8000
CANDIDATE_LEXEMES = 60
QUERY_LEXEMES = 25
COUNT_CEILING = 5000
FREQUENT = 100
"""So many documents have a word that counting it again soon would cost more than it tells."""
FREQUENT_SECONDS = 3600.0
SAMPLE = 200
"""Of a corpus with so many documents the frequent words are told from as many of them."""
LEAST_IN_SAMPLE = 2
"""Documents of the sample that must have a word: one in a hundred. Rarer ones are counted."""
LEADING_DOCUMENTS = 1200
"""Documents that the words may have together which bring the candidates; the two rarest words always do."""
MATCH_CEILING = 400
JUDGED_CEILING = 200
"""Candidates, and where their documents have to be read to be judged."""
LEAST_COVERAGE = 0.08
"""Share of the question's weight that a document must have: below it, what they share is accident."""
SAME_CUSTOMER = 1.25
EXACT = 1.5
EXCERPT_CHARACTERS = 2000
INCIDENTS = 5
CORPORA = ("tickets", "articles")


@dataclass(frozen=True, slots=True)
class Found:
    """`score`: higher is better, comparable within one question only. `kind`: requester, similar, article, device, subnet,
    incident."""

    id: str
    title: str
    excerpt: str
    score: float
    kind: str
    link: str | None = None


_LEXEMES = Kind.of(
    """(
        SELECT lexeme, min(p) AS first
        FROM unnest(to_tsvector('pg_catalog.english', left({}, 8000))) AS t(lexeme, positions, weights), unnest(positions) AS p
        WHERE $1::text <> '' -- no tenant's, but asked with questions that are
        GROUP BY lexeme) found
    WHERE length(lexeme) BETWEEN 2 AND 60 ORDER BY first LIMIT {}""",
    id="lexeme",
)
_FREQUENT_WORDS = {
    "tickets": Kind.of("frequent_ticket_words($1, {}, {})", id="lexeme", number="documents"),
    "articles": Kind.of("frequent_article_words($1, {}, {})", id="lexeme", number="documents"),
}
_COUNTS = Kind.of("word_counts($1, {}, {}, {})", id="lexeme", kind="corpus", number="documents")
_TICKET = {"id": "ticket_id", "title": "subject", "body": "description", "resolution": "resolution"}
_REQUESTER = Kind.of("requester_tickets($1, {}, {}, {}, {})", **_TICKET)
_SIMILAR = Kind.of("similar_solved_tickets($1, {}, {}, {}, {}, {}, {}, {}, {}, {})", **_TICKET, score="score")
_ARTICLES = Kind.of(
    "articles_about($1, {}, {}, {}, {}, {}, {}, {})",
    id="article_id",
    title="title",
    body="body",
    score="score",
    link="link",
)
_HOSTS = Kind.of("named_items($1, {})", id="item_id", title="name", body="details", kind="kind", link="link")
_ADDRESSED = Kind.of(
    "addressed($1, {}, {}, {})",
    id="coalesce(item_id, ticket_id)", title="coalesce(name, subject)", body="coalesce(details, description)",
    resolution="resolution", kind="kind", link="link", number="bits",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Question:
    """The words that are looked up with their weights, the rarest first; how many of them bring candidates; and the least weight
    that a document must share."""

    words: list[str]
    weights: list[float]
    leading: int
    least: float

    @property
    def ceiling(self) -> int:
        return MATCH_CEILING if self.leading == len(self.words) else JUDGED_CEILING


@dataclass(frozen=True, slots=True)
class _Questions:
    """What a text asks of each corpus; None where the corpus is empty or has none of its words."""

    tickets: _Question | None
    articles: _Question | None


class Search:
    """Raises PostgresUnavailable when PostgreSQL is away. With `counts` a question may be weighed by what they remember; words that
    are frequent are always remembered for an hour, since a new document with one changes nothing; in a large corpus they are told
    from a sample of it."""

    def __init__(self, pool: Pool, counts: WordCounts | None = None) -> None:
        self._ask, self._counts = JointQuestions(pool).ask, counts
        self._frequent = WordCounts(ttl=FREQUENT_SECONDS)
        self._asked: dict[tuple[str, str], asyncio.Task[_Questions]] = {}

    async def requester_history(
        self, tenant_id: str, requester_key: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        """A requester's earlier tickets, the newest first. One mailbox may write for several end customers."""
        asked = (requester_key, exclude_ticket, end_customer or None, limit)
        rows = await self._ask(_REQUESTER, tenant_id, *asked)
        return _in_order(rows, "requester")

    async def similar_solved(
        self, tenant_id: str, text: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        """Solved tickets about the same, those that name the same end customer first where they match alike."""
        question = (await self._questions(tenant_id, text)).tickets
        if question is None:
            return []
        rows = await self._ask(
            _SIMILAR, tenant_id, question.words, question.weights, question.leading, question.least,
            exclude_ticket, end_customer or None, SAME_CUSTOMER, question.ceiling, limit,
        )  # fmt: skip
        return [Found(row["id"], row["title"], _ticket_excerpt(row), row["score"], "similar") for row in rows]

    async def articles(self, tenant_id: str, text: str, limit: int) -> Sequence[Found]:
        """Knowledge articles about `text`."""
        question = (await self._questions(tenant_id, text)).articles
        if question is None:
            return []
        rows = await self._ask(
            _ARTICLES, tenant_id, question.words, question.weights, question.leading, question.least,
            question.ceiling, limit, EXCERPT_CHARACTERS + 1,
        )  # fmt: skip
        return [Found(row["id"], row["title"], _cut(row["body"]), row["score"], "article", row["link"]) for row in rows]

    async def by_hostnames(self, tenant_id: str, names: Sequence[str]) -> Sequence[Found]:
        """Inventory items with these names, given in lower case."""
        rows = await self._ask(_HOSTS, tenant_id, list(names))
        return [Found(row["id"], row["title"], row["body"], 500.0, row["kind"], row["link"]) for row in rows]

    async def by_addresses(
        self, tenant_id: str, addresses: Sequence[Address], end_customer: str | None
    ) -> Sequence[Found]:
        """Devices with these addresses, then the subnets that hold them, the smallest first, then earlier tickets naming them."""
        asked = (list(addresses), end_customer or None, INCIDENTS)
        rows = await self._ask(_ADDRESSED, tenant_id, *asked)
        found = [
            Found(
                row["id"],
                row["title"],
                row["body"],
                1000.0 if row["kind"] == "device" else float(row["number"]),
                row["kind"],
                row["link"],
            )
            for row in rows
            if row["kind"] is not None
        ]
        found.sort(key=lambda item: (-item.score, item.id))
        found += _in_order([row for row in rows if row["kind"] is None], "incident")
        return found

    async def _questions(self, tenant_id: str, text: str) -> _Questions:
        """A ticket's sources ask about the same text at the same time: it is taken apart and weighed once. Who is cut off leaves
        the others their answer."""
        text = text[:MAX_TEXT].replace("\0", " ")  # which PostgreSQL's text can't hold
        key = (tenant_id, text)
        asked = self._asked.get(key)
        if asked is None:
            lexemes = self._ask(_LEXEMES, tenant_id, text, CANDIDATE_LEXEMES)  # at once, with what else is asked now
            frequent = self._learning(tenant_id)
            asked = self._asked[key] = asyncio.create_task(self._weighed(tenant_id, text, lexemes, frequent))
            asked.add_done_callback(lambda done: self._answered(key, done))
        return await asyncio.shield(asked)

    async def _weighed(
        self, tenant_id: str, text: str, found: asyncio.Future[Rows], frequent: Mapping[str, asyncio.Future[Rows]]
    ) -> _Questions:
        """What isn't remembered is counted, and remembered."""
        lexemes = [row["id"] for row in await found]
        words, everything = [*exact_tokens(text), *lexemes], "@" + tenant_id
        counts = {corpus: self._remembered(tenant_id, corpus) for corpus in CORPORA}
        for corpus, asked in frequent.items():
            counts[corpus] |= self._remember(tenant_id, corpus, {row["id"]: row["number"] for row in await asked})
        uncounted = [
            [word for word in words if word not in counts[corpus]] if counts[corpus][everything] else []
            for corpus in CORPORA
        ]
        if any(uncounted):
            rows = await self._ask(_COUNTS, tenant_id, *uncounted, COUNT_CEILING)
            for corpus, asked_for in zip(CORPORA, uncounted, strict=True):
                counted = dict.fromkeys(asked_for, 0)
                counted |= {row["id"]: row["number"] for row in rows if row["kind"] == corpus}
                counts[corpus] |= self._remember(tenant_id, corpus, counted)
        return _Questions(
            *(_question(words, lexemes, counts[corpus], counts[corpus][everything]) for corpus in CORPORA)
        )

    def _learning(self, tenant_id: str) -> dict[str, asyncio.Future[Rows]]:
        """How many documents there are and which words they have often, asked for where it isn't remembered."""
        everything = "@" + tenant_id
        unknown = [corpus for corpus in CORPORA if everything not in self._remembered(tenant_id, corpus)]
        return {corpus: self._ask(_FREQUENT_WORDS[corpus], tenant_id, SAMPLE, LEAST_IN_SAMPLE) for corpus in unknown}

    def _remembered(self, tenant_id: str, corpus: str) -> dict[str, int]:
        recent = {} if self._counts is None else self._counts.of(tenant_id, corpus)
        return self._frequent.of(tenant_id, corpus) | recent

    def _remember(self, tenant_id: str, corpus: str, counted: Mapping[str, int]) -> Mapping[str, int]:
        if self._counts is not None:
            self._counts.of(tenant_id, corpus).update(counted)
        frequent = {word: number for word, number in counted.items() if number >= FREQUENT}
        self._frequent.of(tenant_id, corpus).update(frequent)
        return counted

    def _answered(self, key: tuple[str, str], done: asyncio.Task[_Questions]) -> None:
        del self._asked[key]
        if not done.cancelled():
            done.exception()  # so that asyncio doesn't complain where everybody was cut off


def _question(
    words: Sequence[str], lexemes: Sequence[str], counts: Mapping[str, int], documents: int
) -> _Question | None:
    weights = {word: _weight(word, counts[word], documents) for word in words} if documents else {}
    rarest = sorted((word for word in words if documents and counts[word]), key=lambda word: -weights[word])
    rarest = rarest[:QUERY_LEXEMES]
    if not rarest:
        return None
    # Words that no document has tell that the matter is new; but a long text has many, so only as many as were looked up count.
    unknown = sorted((weights[word] for word in lexemes if not counts[word]), reverse=True)
    chosen = {word: weights[word] for word in rarest}
    every_weight = sum(chosen.values()) + sum(unknown[: QUERY_LEXEMES - len(rarest)])
    leading = _leading([counts[word] for word in chosen])
    return _Question(list(chosen), list(chosen.values()), leading, LEAST_COVERAGE * every_weight)


def _leading(documents: Sequence[int]) -> int:
    """How many of the words, the rarest first, bring candidates."""
    together = list(accumulate(documents))
    return min(len(together), max(2, bisect_right(together, LEADING_DOCUMENTS)))


def _weight(word: str, documents_with: int, documents: int) -> float:
    rarity = log(1 + (max(0, documents - documents_with) + 0.5) / (documents_with + 0.5))
    return rarity * (EXACT if word.startswith("=") else 1.0)


def _in_order(rows: Sequence[Any], kind: str) -> list[Found]:
    """Tickets that came in the order of their worth."""
    return [Found(row["id"], row["title"], _ticket_excerpt(row), 1 / rank, kind) for rank, row in enumerate(rows, 1)]


def _ticket_excerpt(row: asyncpg.Record) -> str:
    """What was done comes first: it is what the reader wants, and the end may be cut."""
    description, resolution = row["body"], row["resolution"].strip()
    parts = [f"Resolution: {resolution}"] if resolution else []
    parts.append(f"Problem: {description.strip()}")
    return _cut("\n".join(parts))


def _cut(text: str) -> str:
    """At most `EXCERPT_CHARACTERS`, cut behind the last whole word with an ellipsis; inside a word only where half of the text
    would go with it."""
    if len(text) <= EXCERPT_CHARACTERS:
        return text
    head = text[: EXCERPT_CHARACTERS - 1]
    if not text[len(head)].isspace():
        words = head.rsplit(None, 1)
        if len(words) == 2 and len(words[0]) * 2 >= EXCERPT_CHARACTERS:
            head = words[0]
    return head.rstrip() + "…"
