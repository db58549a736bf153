"""The edge's ports on PostgreSQL. Webhooks are answered (503) before it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from infra.runtime.keys.directory import ServiceKey
from infra.runtime.postgres.late_pool import LatePool
from infra.runtime.postgres.tenant import connection
from ingest.ports import FeedbackPage, FeedbackQuery, Position, TenantRow, TenantSnapshot, Token
from schemas.times import rfc3339
from sinks.postgres.feedback import Feedback, FeedbackFilter, FeedbackRow
from sinks.postgres.secret_uses import SecretUse, SecretUseStore
from sinks.postgres.service_keys import ServiceKeys
from sinks.postgres.tokens import ApiTokens, TokenUse
from sinks.postgres.webhook_refusals import Refusal, WebhookRefusals

POOL_SIZE = 4
_TENANTS = """
SELECT t.tenant_id, t.partition, t.enabled, t.rate_per_second, t.burst, s.secrets, s.secret_ids,
       extract(epoch FROM s.due)::float AS secret_due
FROM ingest_tenants() t LEFT JOIN ingest_webhook_secrets() s USING (tenant_id) ORDER BY t.partition
"""


_BEARER_MODE = "SELECT tenant_id, webhook_sources FROM tenant_webhook_auth() WHERE webhook_auth = 'bearer'"


class PostgresTenants:
    """Implements `TenantSource` by functions that give the edge no more than it needs."""

    def __init__(self, database: LatePool) -> None:
        self._database = database

    async def version(self) -> int:
        async with connection(self._database.pool) as connected:
            return int(await connected.fetchval("SELECT version FROM config_version"))

    async def load(self) -> TenantSnapshot:
        async with connection(self._database.pool) as connected:
            rows = await connected.fetch(_TENANTS)
            sources = {
                row["tenant_id"]: row["webhook_sources"].split(",") for row in await connected.fetch(_BEARER_MODE)
            }
            seconds = await connected.fetchval("SELECT extract(epoch FROM ingest_tenants_expire_at() - now())")
        return TenantSnapshot(
            [
                TenantRow(
                    tenant_id=row["tenant_id"],
                    partition=row["partition"],
                    enabled=row["enabled"],
                    rate_per_second=row["rate_per_second"],
                    burst=row["burst"],
                    secrets=tuple(row["secrets"] or ()),
                    secret_ids=tuple(str(secret_id) for secret_id in row["secret_ids"] or ()),
                    secret_due=row["secret_due"],
                    bearer_from=tuple(sources.get(row["tenant_id"], ())),
                )
                for row in rows
            ],
            None if seconds is None else float(seconds),
        )


class PostgresSecretUses:
    """Implements `KeepsUses`."""

    def __init__(self, database: LatePool) -> None:
        self._database = database

    async def note(self, uses: Sequence[SecretUse]) -> None:
        await SecretUseStore(self._database.pool).note(uses)


class PostgresTokens:
    """Implements `TokenCheck` and `KeepsTokenUses`."""

    def __init__(self, database: LatePool) -> None:
        self._database = database

    async def check(self, token: str) -> Token | None:
        return await ApiTokens(self._database.pool).check(token)

    async def used_for_another(self, token: Token, named: str, where: str) -> None:
        await ApiTokens(self._database.pool).used_for_another(token, named, where)

    async def note_uses(self, uses: Sequence[TokenUse]) -> None:
        await ApiTokens(self._database.pool).note_uses(uses)


class PostgresFeedback:
    """Implements `FeedbackReader`."""

    def __init__(self, database: LatePool) -> None:
        self._database = database

    async def answers(self, tenant_id: str, query: FeedbackQuery) -> FeedbackPage:
        after = (query.after.submitted_at, query.after.feedback_id) if query.after else None
        rows = await Feedback(self._database.pool).list(_filter(tenant_id, query), limit=query.limit + 1, after=after)
        page = rows[: query.limit]
        last = Position(page[-1].submitted_at, page[-1].feedback_id) if len(rows) > query.limit else None
        return FeedbackPage([_answer(row) for row in page], last)

    async def stats(self, tenant_id: str, query: FeedbackQuery) -> Mapping[str, Any]:
        return asdict(await Feedback(self._database.pool).stats(_filter(tenant_id, query)))


class PostgresRefusals:
    """Implements `RefusalStore`."""

    def __init__(self, database: LatePool) -> None:
        self._database = database

    async def keep(self, refusals: Sequence[tuple[str, Refusal]]) -> None:
        await WebhookRefusals(self._database.pool).keep(refusals)


class PostgresKeys:
    """Implements `KeySource`."""

    def __init__(self, database: LatePool) -> None:
        self._database = database

    async def load(self) -> Sequence[ServiceKey]:
        return await ServiceKeys(self._database.pool).load()


def _answer(row: FeedbackRow) -> dict[str, Any]:
    shown = asdict(row)
    del shown["feedback_id"]
    return shown | {"submitted_at": rfc3339(row.submitted_at)}


def _filter(tenant_id: str, query: FeedbackQuery) -> FeedbackFilter:
    return FeedbackFilter(tenant_id, query.ticket_id, query.start, query.end)
