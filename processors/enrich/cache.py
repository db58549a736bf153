"""Answers of the search, remembered for a minute: a burst of tickets about one outage asks the same of the same tenant.

Per process and bounded. The tenant is part of every key, so that an answer can't reach another tenant. Failures aren't kept.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from hashlib import sha256

from processors.enrich.ports import Address, Found, Search

TTL_SECONDS = 60.0
MAX_ANSWERS = 500

Now = Callable[[], float]


class AnswerCache:
    """At most `size` answers, the least lately used goes first; `now` are monotonic seconds."""

    def __init__(self, *, ttl: float = TTL_SECONDS, size: int = MAX_ANSWERS, now: Now = time.monotonic) -> None:
        self._ttl, self._size, self._now = ttl, size, now
        self._kept: OrderedDict[Hashable, tuple[float, tuple[Found, ...]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    async def answer(
        self, tenant_id: str, source: str, question: Hashable, ask: Callable[[], Awaitable[Sequence[Found]]]
    ) -> Sequence[Found]:
        key = (tenant_id, source, question)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._now():
            self._kept.move_to_end(key)
            return kept[1]
        rows = tuple(await ask())
        self._kept[key] = (self._now() + self._ttl, rows)
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return rows


class CachedSearch:
    """A search that asks the cache first. Which ticket is left out belongs to the question."""

    def __init__(self, search: Search, cache: AnswerCache) -> None:
        self._search, self._cache = search, cache

    async def requester_history(
        self, tenant_id: str, requester_key: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        return await self._cache.answer(
            tenant_id,
            "requester_history",
            (requester_key, end_customer, exclude_ticket, limit),
            lambda: self._search.requester_history(tenant_id, requester_key, end_customer, exclude_ticket, limit),
        )

    async def similar_solved(
        self, tenant_id: str, text: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        return await self._cache.answer(
            tenant_id,
            "similar_solved",
            (_digest(text), end_customer, exclude_ticket, limit),
            lambda: self._search.similar_solved(tenant_id, text, end_customer, exclude_ticket, limit),
        )

    async def articles(self, tenant_id: str, text: str, limit: int) -> Sequence[Found]:
        return await self._cache.answer(
            tenant_id, "articles", (_digest(text), limit), lambda: self._search.articles(tenant_id, text, limit)
        )

    async def by_hostnames(self, tenant_id: str, names: Sequence[str]) -> Sequence[Found]:
        return await self._cache.answer(
            tenant_id, "by_hostnames", tuple(names), lambda: self._search.by_hostnames(tenant_id, names)
        )

    async def by_addresses(
        self, tenant_id: str, addresses: Sequence[Address], end_customer: str | None
    ) -> Sequence[Found]:
        return await self._cache.answer(
            tenant_id,
            "by_addresses",
            (*addresses, end_customer),
            lambda: self._search.by_addresses(tenant_id, addresses, end_customer),
        )


def _digest(text: str) -> bytes:
    """A key of 32 bytes instead of 64 KiB."""
    return sha256(text.encode()).digest()
