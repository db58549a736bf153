"""Questions to a tenant's own data: tickets like this one, a requester's earlier ones, articles, addresses. The best rows first.

Texts are compared by their rare words: of a ticket's lexemes and exact tokens the rarest twenty-five are looked up. A document's
score is the sum of the weights (inverse document frequencies) of those that it has, doubled in its title. Source of the weights:
Robertson and Zaragoza, "The Probabilistic Relevance Framework", section 3.

A tenant's end customers must not read of each other: where a ticket names its own, tickets of another one are not found. Those that
name none are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from math import log, sqrt
from typing import Any

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_call
from sinks.postgres.search_terms import exact_tokens
from sinks.postgres.word_counts import WordCounts

Address = IPv4Address | IPv6Address

MAX_TEXT = 8000
CANDIDATE_LEXEMES = 60
QUERY_LEXEMES = 25
COUNT_CEILING = 5000
MATCH_CEILING = 400
LEAST_COVERAGE = 0.08
"""Share of the question's weight that a document must have: below it, what they share is accident."""
SAME_CUSTOMER = 1.25
EXACT = 1.5
EXCERPT_CHARACTERS = 2000
INCIDENTS = 5


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


_LEXEMES = """
SELECT lexeme FROM (
    SELECT lexeme, min(p) AS first FROM unnest(to_tsvector('pg_catalog.english', left($1, 8000))) AS t(lexeme, positions, weights),
        unnest(positions) AS p GROUP BY lexeme) found
WHERE length(lexeme) BETWEEN 2 AND 60 ORDER BY first LIMIT $2
"""
_REQUESTER = "SELECT * FROM requester_tickets($1, $2, $3, $4, $5)"
_COUNTS = {
    "tickets": "SELECT lexeme, documents FROM ticket_word_counts($1, $2, $3)",
    "articles": "SELECT lexeme, documents FROM article_word_counts($1, $2, $3)",
}
_SIMILAR = "SELECT * FROM similar_tickets($1, $2, $3, $4, $5, $6)"
_ARTICLES = "SELECT * FROM matching_articles($1, $2, $3, $4)"
_BODIES = "SELECT * FROM article_bodies($1, $2)"
_HOSTS = "SELECT * FROM named_items($1, $2)"
_ADDRESSED = "SELECT * FROM addressed($1, $2, $3, $4)"


@dataclass(frozen=True, slots=True)
class _Words:
    """What a text is looked up by."""

    exact: Sequence[str]
    lexemes: Sequence[str]


class Search:
    """Raises PostgresUnavailable when PostgreSQL is away. With `counts` a question may be weighed by what they remember."""

    def __init__(self, pool: Pool, counts: WordCounts | None = None) -> None:
        self._pool, self._counts = pool, counts
        self._asked: dict[str, asyncio.Task[_Words]] = {}

    async def requester_history(
        self, tenant_id: str, requester_key: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        """A requester's earlier tickets, the newest first. One mailbox may write for several end customers."""
        asked = (requester_key, exclude_ticket, end_customer or None, limit)
        rows = await tenant_call(self._pool, _REQUESTER, tenant_id, *asked)
        return _in_order(rows, "requester")

    async def similar_solved(
        self, tenant_id: str, text: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        """Solved tickets about the same, those that name the same end customer first where they match alike."""
        question = await self._question("tickets", tenant_id, text)
        if not question.weights:
            return []
        asked = (*question.words(), exclude_ticket, end_customer or None, MATCH_CEILING)
        rows = await tenant_call(self._pool, _SIMILAR, tenant_id, *asked)
        best = _best(question, rows, "ticket_id", limit)
        return [
            Found(row_id, row["subject"], _ticket_excerpt(row["description"], row["resolution"]), score, "similar")
            for score, row_id, row in best
        ]

    async def articles(self, tenant_id: str, text: str, limit: int) -> Sequence[Found]:
        """Knowledge articles about `text`."""
        question = await self._question("articles", tenant_id, text)
        if not question.weights:
            return []
        rows = await tenant_call(self._pool, _ARTICLES, tenant_id, *question.words(), MATCH_CEILING)
        best = _best(question, rows, "article_id", limit)
        if not best:
            return []
        rows = await tenant_call(self._pool, _BODIES, tenant_id, [row_id for _, row_id, _ in best])
        bodies = {row["article_id"]: row["body"] for row in rows}
        return [
            Found(row_id, row["title"], _cut(bodies.get(row_id, "")), score, "article", row["link"])
            for score, row_id, row in best
        ]

    async def by_hostnames(self, tenant_id: str, names: Sequence[str]) -> Sequence[Found]:
        """Inventory items with these names, given in lower case."""
        rows = await tenant_call(self._pool, _HOSTS, tenant_id, list(names))
        return [Found(row["item_id"], row["name"], row["details"], 500.0, row["kind"], row["link"]) for row in rows]

    async def by_addresses(
        self, tenant_id: str, addresses: Sequence[Address], end_customer: str | None
    ) -> Sequence[Found]:
        """Devices with these addresses, then the subnets that hold them, the smallest first, then earlier tickets naming them."""
        asked = (list(addresses), end_customer or None, INCIDENTS)
        rows = await tenant_call(self._pool, _ADDRESSED, tenant_id, *asked)
        found = [
            Found(
                row["item_id"],
                row["name"],
                row["details"],
                1000.0 if row["kind"] == "device" else float(row["bits"]),
                row["kind"],
                row["link"],
            )
            for row in rows
            if row["ticket_id"] is None
        ]
        found.sort(key=lambda item: (-item.score, item.id))
        found += _in_order([row for row in rows if row["ticket_id"] is not None], "incident")
        return found

    async def _question(self, corpus: str, tenant_id: str, text: str) -> _Question:
        """What isn't remembered is counted, and remembered."""
        text = text[:MAX_TEXT].replace("\0", " ")  # which PostgreSQL's text can't hold
        asked = await self._words(text)
        words = [*asked.exact, *asked.lexemes]
        everything = "@" + tenant_id
        counts = {} if self._counts is None else self._counts.of(tenant_id, corpus)
        if uncounted := [word for word in (everything, *words) if word not in counts]:
            rows = await tenant_call(self._pool, _COUNTS[corpus], tenant_id, uncounted, COUNT_CEILING)
            counts |= dict.fromkeys(uncounted, 0) | {row["lexeme"]: row["documents"] for row in rows}
        return _weighed(words, asked.lexemes, counts, counts[everything])

    async def _words(self, text: str) -> _Words:
        """A ticket's sources ask about the same text at the same time: it is taken apart once. Who is cut off leaves the others
        their answer."""
        asked = self._asked.get(text)
        if asked is None:
            asked = self._asked[text] = asyncio.create_task(self._taken_apart(text))
            asked.add_done_callback(lambda done: self._answered(text, done))
        return await asyncio.shield(asked)

    async def _taken_apart(self, text: str) -> _Words:
        async with connection(self._pool) as connected:
            rows = await connected.fetch(_LEXEMES, text, CANDIDATE_LEXEMES)
        return _Words(exact_tokens(text), [row["lexeme"] for row in rows])

    def _answered(self, text: str, done: asyncio.Task[_Words]) -> None:
        del self._asked[text]
        if not done.cancelled():
            done.exception()  # so that asyncio doesn't complain where everybody was cut off


@dataclass(frozen=True, slots=True)
class _Question:
    """The words that are looked up, each with its weight, and the weight of all words, those that no document has included."""

    weights: Mapping[str, float]
    all_weights: float

    def words(self) -> tuple[list[str], list[float]]:
        """The words and, beside them, their weights: what candidates are chosen by."""
        return list(self.weights), list(self.weights.values())

    def score(self, matched: Sequence[str], in_title: Sequence[str], size: int) -> float | None:
        """None where what is shared is accident. Long documents share words by being long: a mild discount."""
        shared = sum(self.weights[word] for word in matched)
        if shared < LEAST_COVERAGE * self.all_weights or (
            len(matched) < 2 and not any(word.startswith("=") for word in matched)
        ):
            return None
        title = sum(self.weights[word] for word in in_title)
        return (shared + title) / sqrt(1 + size / 80)


def _weighed(words: Sequence[str], lexemes: Sequence[str], counted: Mapping[str, int], documents: int) -> _Question:
    counts = {word: counted[word] for word in words if counted[word]}
    if not documents:
        return _Question({}, 0.0)
    weights = {word: _weight(word, counts.get(word, 0), documents) for word in words}
    rarest = sorted((word for word in words if word in counts), key=lambda word: -weights[word])[:QUERY_LEXEMES]
    # Words that no document has tell that the matter is new; but a long text has many, so only as many as were looked up count.
    unknown = sorted((weights[word] for word in lexemes if word not in counts), reverse=True)[
        : max(0, QUERY_LEXEMES - len(rarest))
    ]
    return _Question({word: weights[word] for word in rarest}, sum(weights[word] for word in rarest) + sum(unknown))


def _weight(word: str, documents_with: int, documents: int) -> float:
    rarity = log(1 + (max(0, documents - documents_with) + 0.5) / (documents_with + 0.5))
    return rarity * (EXACT if word.startswith("=") else 1.0)


def _best(
    question: _Question, rows: Iterable[asyncpg.Record], id_column: str, limit: int
) -> list[tuple[float, str, asyncpg.Record]]:
    """With score and id; only these get excerpts, which costs more than the scores of all."""
    scored = []
    for row in rows:
        score = question.score(row["matched"], row["in_title"], row["size"])
        if score is not None:
            same_customer = row.get("same_customer", False)
            scored.append((round(score * SAME_CUSTOMER if same_customer else score, 4), row[id_column], row))
    return sorted(scored, key=lambda item: (-item[0], item[1]))[:limit]


def _in_order(rows: Sequence[Any], kind: str) -> list[Found]:
    """Tickets that came in the order of their worth."""
    return [
        Found(row["ticket_id"], row["subject"], _ticket_excerpt(row["description"], row["resolution"]), 1 / rank, kind)
        for rank, row in enumerate(rows, 1)
    ]


def _ticket_excerpt(description: str, resolution: str) -> str:
    """What was done comes first: it is what the reader wants, and the end may be cut."""
    parts = [f"Resolution: {resolution.strip()}"] if resolution.strip() else []
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
