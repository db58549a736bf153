"""One fake of each port, for tests of the edge and of what stands on it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from infra.runtime.kafka.producer import PublishError
from infra.runtime.keys.directory import ServiceKey
from infra.runtime.stream.fakes import Published
from ingest.ports import FeedbackPage, FeedbackQuery, Position, TenantAccess, TenantRow, TenantSnapshot, Token
from schemas.topics import Topic
from sinks.postgres.webhook_refusals import MOST_OF_A_TENANT, Refusal


@dataclass
class FakeTenants:
    """`add` makes a tenant known; `loaded` and `age_seconds` are what a test sets them to."""

    known: dict[str, TenantAccess] = field(default_factory=dict)
    loaded: bool = True
    age_seconds: float = 0.0

    def add(self, tenant: TenantAccess) -> TenantAccess:
        self.known[tenant.tenant_id] = tenant
        return tenant

    def get(self, tenant_id: str) -> TenantAccess | None:
        return self.known.get(tenant_id)


class FakeTenantSource:
    """Rows in memory with a version; `away` makes it raise as a lost connection does."""

    def __init__(self, rows: Sequence[TenantRow] = ()) -> None:
        self.rows, self.away, self.loads, self._version = list(rows), False, 0, 1
        self.changes_in: float | None = None

    def change(self, rows: Sequence[TenantRow]) -> None:
        self.rows, self._version = list(rows), self._version + 1

    async def version(self) -> int:
        if self.away:
            raise ConnectionError("PostgreSQL is away")
        return self._version

    async def load(self) -> TenantSnapshot:
        if self.away:
            raise ConnectionError("PostgreSQL is away")
        self.loads += 1
        return TenantSnapshot(tuple(self.rows), self.changes_in)


class FakePublisher:
    """Keeps what is published. `refuse` fails it, an unset `gate` keeps Kafka's acknowledgement waiting."""

    def __init__(self) -> None:
        self.published: list[Published] = []
        self.refuse: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0

    async def publish(self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None) -> None:
        if not self.gate.is_set():
            self.waiting += 1
            try:
                await self.gate.wait()
            finally:
                self.waiting -= 1
        if self.refuse is not None:
            raise self.refuse
        self.published.append(Published(event, topic, partition, traceparent))

    def go_away(self) -> None:
        self.refuse = PublishError("no broker")


@dataclass(frozen=True, slots=True)
class FakeToken:
    token_id: str
    tenant_id: str
    scopes: frozenset[str]


class FakeTokens:
    """`away` makes it raise as a lost connection does, `silent` wait as a frozen one does."""

    def __init__(self, tokens: Mapping[str, FakeToken] | None = None) -> None:
        self.tokens, self.away, self.checks = dict(tokens or {}), False, 0
        self.silent = False
        self.audited: list[tuple[str, str, str]] = []

    async def check(self, token: str) -> FakeToken | None:
        self.checks += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.away:
            raise ConnectionError("PostgreSQL is away")
        return self.tokens.get(token)

    async def used_for_another(self, token: Token, named: str, where: str) -> None:
        if self.away:
            raise ConnectionError("PostgreSQL is away")
        self.audited.append((token.tenant_id, named, where))


class FakeFeedback:
    """Answers of tenants, newest last; each has its place in the list as its id."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.away = False
        self.queries: list[tuple[str, FeedbackQuery]] = []

    async def answers(self, tenant_id: str, query: FeedbackQuery) -> FeedbackPage:
        if self.away:
            raise ConnectionError("PostgreSQL is away")
        self.queries.append((tenant_id, query))
        found = [
            (Position(datetime.fromisoformat(row["submitted_at"]), UUID(int=number)), row)
            for number, row in enumerate(self.rows.get(tenant_id, []))
            if query.ticket_id in (None, row["ticket_id"])
        ]
        found.sort(key=lambda one: (one[0].submitted_at, one[0].feedback_id), reverse=True)
        after = query.after
        if after is not None:
            found = [
                one
                for one in found
                if (one[0].submitted_at, one[0].feedback_id) < (after.submitted_at, after.feedback_id)
            ]
        page = found[: query.limit]
        return FeedbackPage([row for _, row in page], page[-1][0] if len(found) > query.limit else None)

    async def stats(self, tenant_id: str, query: FeedbackQuery) -> Mapping[str, Any]:
        rows = (await self.answers(tenant_id, query)).rows
        ratings = [row["rating"] for row in rows if row["rating"] is not None]
        return {
            "total": len(rows),
            "average_rating": sum(ratings) / len(ratings) if ratings else None,
            "thumbs_up": sum(row["feedback_type"] == "thumbs_up" for row in rows),
            "thumbs_down": sum(row["feedback_type"] == "thumbs_down" for row in rows),
        }


class FakeRefusals:
    """A RefusalStore in memory: of each tenant the newest 100, newest first; `known` are the tenants there are, None for any."""

    def __init__(self, known: set[str] | None = None) -> None:
        self.kept: dict[str, list[Refusal]] = {}
        self.known, self.away, self.writes = known, False, 0

    async def keep(self, refusals: Sequence[tuple[str, Refusal]]) -> None:
        if self.away:
            raise ConnectionError("PostgreSQL is away")
        self.writes += 1
        for tenant_id, refusal in refusals:
            if tenant_id and (self.known is None or tenant_id in self.known):
                rows = [*self.kept.get(tenant_id, ()), refusal]
                rows.sort(key=lambda row: row.at, reverse=True)
                self.kept[tenant_id] = rows[:MOST_OF_A_TENANT]


class FakeKeySource:
    def __init__(self, keys: Sequence[ServiceKey] = ()) -> None:
        self.keys, self.away = list(keys), False

    async def load(self) -> Sequence[ServiceKey]:
        if self.away:
            raise ConnectionError("PostgreSQL is away")
        return tuple(self.keys)
