"""docs: articles of the tenant's knowledge base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processors.enrich.ports import Query
from processors.enrich.sources.items import item
from schemas.events import ContextItem, Source

ARTICLE_LIMIT = 8


@dataclass(frozen=True, slots=True)
class Docs:
    name: str = Source.DOCS.value

    async def find(self, query: Query) -> Sequence[ContextItem]:
        rows = await query.search.articles(query.tenant_id, query.text, ARTICLE_LIMIT)
        return [item(self.name, row) for row in rows]
